"""Where the arithmetic runs: NumPy, compiled C++, CUDA."""
