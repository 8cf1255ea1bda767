// The CUDA runtime as the backend needs it: memory, copies and launches by name.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace semopt::cuda {

// Why no device can be used; empty if one can.
std::string why_not();
std::string device_name();
int processors();
int current_device();               // that kernels are launched on
int device_of(const void* memory);  // -1 for memory of the host
void wait(size_t stream);           // until what is queued on a stream is done

void* allocate(size_t bytes);
void release(void* memory) noexcept;
void copy_in(void* device, const void* host, size_t bytes);
void copy_out(void* host, const void* device, size_t bytes);
void clear(void* device, size_t bytes);

std::vector<std::string> kernel_names();
// Queues kernel `name` on the job at `job`, a device address; copies wait for it.
void launch(const std::string& name, const void* job, int blocks);

}  // namespace semopt::cuda
