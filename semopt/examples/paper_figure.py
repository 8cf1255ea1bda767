"""A figure for a paper: QoE of three methods as the channel gets better, with its data.

    python paper_figure.py [FOLDER]

Needs Altair: pip install 'semopt[plots]'
"""

import csv
import sys
from pathlib import Path

try:
    import altair
    import vl_convert  # noqa: F401  writes the PDF
except ImportError as error:
    sys.exit(f"{error.name} is missing: pip install 'semopt[plots]'")

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

points = [
    {"gain": gain, "QoE": qoe, "method": METHODS[method]}
    for method, curve in curves.items()
    for gain, qoe in zip(GAINS, curve, strict=True)
]
chart = altair.Chart(altair.InlineData(points), width=250, height=180)  # a column of a page, point
chart.mark_line(point=True).encode(
    altair.X("gain:Q", title="mean power gain").scale(type="log"),
    altair.Y("QoE:Q", title="QoE a task").scale(zero=False),
    altair.Color("method:N", sort=list(METHODS.values()), title=None),
).save(folder / "qoe.pdf")

with (folder / "qoe.csv").open("w", newline="") as file:
    rows = csv.writer(file)
    rows.writerow(["mean_gain", *METHODS])
    rows.writerows(zip(GAINS, *curves.values(), strict=True))
print(f"wrote {folder / 'qoe.pdf'} and {folder / 'qoe.csv'}")
