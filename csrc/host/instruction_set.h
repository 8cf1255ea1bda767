// Which of the CPU kernels run here, and which are in use.
#pragma once

#include <string>
#include <vector>

#include "isa/kernels.h"

namespace semopt {

// Names of the instruction sets that this machine runs, from plain to wide.
std::vector<std::string> instruction_sets();

// What the arithmetic breaks that results rely on (model/arithmetic.h), of any object that runs
// here; empty where it breaks nothing.
std::string arithmetic_faults();

// The kernels in use: the widest, or what the environment's SEMOPT_ISA or `use` names.
const Kernels& kernels();
void use_instruction_set(const std::string& name);

}  // namespace semopt
