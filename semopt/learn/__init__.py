"""Learned policies: how they are trained, and how far they are from the exact optimum."""

import os

# torch and Numba share this process's OpenMP threads unless told otherwise, and then Numba's count
# changes torch's; and threads that spin while they wait stall everything on shared cores.
os.environ.setdefault("NUMBA_THREADING_LAYER", "workqueue")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
