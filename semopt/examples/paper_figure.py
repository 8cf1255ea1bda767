"""A figure for a paper: QoE of three methods as the channel gets better, with its data.

    python paper_figure.py [FOLDER]

Needs matplotlib: pip install 'semopt[plots]'
"""

import csv
import sys
from pathlib import Path

try:
    import matplotlib
except ImportError:
    sys.exit("matplotlib is missing: pip install 'semopt[plots]'")

matplotlib.use("Agg")  # no screen is needed
import matplotlib.pyplot as plt

from semopt import Scenario, solve_batch

GAINS = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6)
METHODS = {"local": "local", "semantic-unaware": "without semantic mode", "exact": "optimum"}

folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path()
curves = {method: [] for method in METHODS}
for mean_gain in GAINS:
    scenario = Scenario.load("paper").replace(channel={"model": "rayleigh", "mean_gain": mean_gain})
    gain, task = scenario.draw(slots=2000, seed=0)
    for method, curve in curves.items():
        curve.append(solve_batch(scenario, gain, task, method).mean()["qoe"])

figure, axes = plt.subplots(figsize=(3.5, 2.6), layout="constrained")  # a column of a page, inch
for method, curve in curves.items():
    axes.plot(GAINS, curve, marker="o", markersize=3, label=METHODS[method])
axes.set(xscale="log", xlabel="mean power gain", ylabel="QoE a task")
axes.legend(frameon=False)
figure.savefig(folder / "qoe.pdf")

with (folder / "qoe.csv").open("w", newline="") as file:
    rows = csv.writer(file)
    rows.writerow(["mean_gain", *METHODS])
    rows.writerows(zip(GAINS, *curves.values(), strict=True))
print(f"wrote {folder / 'qoe.pdf'} and {folder / 'qoe.csv'}")
