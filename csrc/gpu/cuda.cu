// Launchers. The runtime is linked in statically and finds the driver itself, so that this module
// loads on a machine without one.
#include <cuda_runtime.h>

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "gpu/cuda.h"
#include "gpu/kernels.cuh"

namespace semopt::cuda {
namespace {

void check(cudaError_t status, const char* doing) {
    if (status != cudaSuccess)
        throw std::runtime_error(std::string("CUDA: ") + doing + ": " + cudaGetErrorString(status));
}

const std::pair<const char*, const void*> kKernels[] = {
#define SEMOPT_KERNEL(name) {#name, reinterpret_cast<const void*>(&name)},
#define SEMOPT_SCAN(name, ...) SEMOPT_KERNEL(semopt_scan_##name)
    // clang-format off
    SEMOPT_KERNEL(semopt_evaluate) SEMOPT_KERNEL(semopt_evaluate_single)
    SEMOPT_KERNEL(semopt_heads) SEMOPT_KERNEL(semopt_tail) SEMOPT_SCANS(SEMOPT_SCAN)
    SEMOPT_KERNEL(semopt_collect) SEMOPT_KERNEL(semopt_histogram)
// clang-format on
#undef SEMOPT_SCAN
#undef SEMOPT_KERNEL
};

cudaDeviceProp properties() {
    cudaDeviceProp device;
    check(cudaGetDeviceProperties(&device, current_device()),
          "asking the device for its properties");
    return device;
}

}  // namespace

std::string why_not() {
    int count = 0;
    const cudaError_t status = cudaGetDeviceCount(&count);
    if (status == cudaErrorInsufficientDriver)  // the status without a driver too
        return "this machine has no NVIDIA driver, or one older than CUDA " +
               std::to_string(CUDART_VERSION / 1000) + "." +
               std::to_string(CUDART_VERSION % 1000 / 10);
    if (status != cudaSuccess) return std::string("CUDA says: ") + cudaGetErrorString(status);
    return count ? "" : "CUDA finds no device";
}

std::string device_name() { return properties().name; }

int current_device() {
    int index = 0;
    check(cudaGetDevice(&index), "finding the device");
    return index;
}

int device_of(const void* memory) {
    cudaPointerAttributes about;
    check(cudaPointerGetAttributes(&about, memory), "asking where an array lies");
    const bool on_device =
        about.type == cudaMemoryTypeDevice || about.type == cudaMemoryTypeManaged;
    return on_device ? about.device : -1;
}

void wait(size_t stream) {
    check(cudaStreamSynchronize(reinterpret_cast<cudaStream_t>(stream)), "waiting for a stream");
}

int processors() { return properties().multiProcessorCount; }

void* allocate(size_t bytes) {
    void* memory = nullptr;
    check(cudaMalloc(&memory, std::max<size_t>(bytes, 1)), "allocating memory");
    return memory;
}

void release(void* memory) noexcept { cudaFree(memory); }

void copy_in(void* device, const void* host, size_t bytes) {
    check(cudaMemcpy(device, host, bytes, cudaMemcpyHostToDevice), "copying to the device");
}

void copy_out(void* host, const void* device, size_t bytes) {
    check(cudaMemcpy(host, device, bytes, cudaMemcpyDeviceToHost), "copying from the device");
}

void clear(void* device, size_t bytes) { check(cudaMemset(device, 0, bytes), "clearing memory"); }

std::vector<std::string> kernel_names() {
    std::vector<std::string> names;
    for (const auto& [name, kernel] : kKernels) names.push_back(name);
    return names;
}

void launch(const std::string& name, const void* job, int blocks) {
    for (const auto& [listed, kernel] : kKernels) {
        if (name != listed) continue;
        void* arguments[] = {&job};
        check(cudaLaunchKernel(kernel, dim3(blocks), dim3(device::kThreads), arguments, 0, nullptr),
              listed);
        return;
    }
    throw std::invalid_argument("kernel: " + name + " is not known");
}

}  // namespace semopt::cuda
