// Good multipliers for a bound: the optimum of a concave relaxation of the QoE over a box.
//
// Nothing here is trusted. What it returns is proven by bounds.h, or evaluated by the model.
#pragma once

#include "global/bounds.h"

namespace semopt {

// Logarithms of power, extraction and frequency.
struct Point {
    double y, z, q;
};

// The proof of a small upper bound over the box, and the maximum of the relaxation, which meets the
// limits if that is possible. `point` is where to start and receives the maximum; the bound is
// within about a score of `precision` of the relaxation's optimum.
Proof find_proof(const Subproblem& subproblem, const Box& box, const Ranges& ranges,
                 double precision, Point& point);

// How far the plane of a proof lies above the accuracy at a point, as far as splits along this axis
// would lower it.
double plane_excess(const Subproblem& subproblem, const Box& box, const Proof& proof,
                    const Point& at, Axis axis);

}  // namespace semopt
