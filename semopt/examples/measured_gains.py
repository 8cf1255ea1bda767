"""Measured gains: complex channel coefficients become a trace, which every method solves.

python measured_gains.py
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from semopt import Scenario, solve_batch
from semopt.channel import from_coefficients

# Stands for a measurement: two users, four antennas of the access point, 64 sub-carriers.
rng = np.random.default_rng(0)
shape = 2, 4, 600, 64
h = rng.standard_normal(shape) + 1j * rng.standard_normal(shape)
gain = from_coefficients(h, "user rx time subcarrier", channels=2, mean=0.5)  # (600, 2, 2)

with TemporaryDirectory() as folder:
    np.save(Path(folder) / "gains.npy", gain)
    document = Scenario.load("paper").to_dict()
    document["channel"] = {"model": "trace", "file": "gains.npy"}
    scenario = Scenario.from_dict(document, folder=Path(folder))
    gain, task = scenario.draw(slots=100, seed=0)

for method in ("local", "semantic-unaware", "exact"):
    mean = solve_batch(scenario, gain, task, method).mean()
    print(f"{method:17} QoE {mean['qoe']:.4f} a task, {mean['latency_ms']:.2f} ms")
