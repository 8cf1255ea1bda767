"""The GPU backends: kernels by CUDA's runtime or by CuPy."""
