"""Fits the preset `paper`: of values that explain the paper, those whose largest miss is smallest.

python bench/fit.py calibration

`semopt study calibrate --starts 20 --evaluations 8000 --out calibration` ends at the values of the
least chi square, which may miss one figure by much where that makes up for others. From there this
descends to the values whose largest miss is smallest, in parts of what a study of the paper may
miss: 0.005 of QoE, 5% of latency and energy, 1.5 points of accuracy. It prints the misses and the
lines of `FIT` of bench/presets.py, with the calibration's ranges, and ships the calibration's draws
(semopt/studies/calibrate/draws.csv).
"""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path

import numpy as np

from semopt.problem import Floats
from semopt.studies.calibrate.draws import DRAWS
from semopt.studies.calibrate.model import Model
from semopt.studies.calibrate.search import descend
from semopt.studies.calibrate.targets import load
from semopt.studies.paper.measures import ABSOLUTE, REPRODUCED_WITHIN, SCALE

GAINS = 128
FINE = 1024  # gains of the misses that are printed
EVALUATIONS = 12_000
STEP = 0.05
ALL = 0.02  # weight of the misses together beside the largest, so that the others count at all
UNIT = 1e3  # of what is descended: a descent ends where a thousandth is no longer gained
FORBIDDEN = 1e3  # a share of slots without an answer, or an order broken by its square


def misses(model: Model, place: Floats) -> tuple[Floats, float]:
    """Return each figure's miss in parts of what may be missed, and the share of lost slots."""
    predicted, lost = model.predict(model.prior.values(place))
    may = [
        REPRODUCED_WITHIN[t.figure]
        * (1.0 if t.figure in ABSOLUTE else t.value)
        / SCALE.get(t.figure, 1.0)
        for t in model.targets
    ]
    values = [target.value for target in model.targets]
    return (predicted - values) / may, lost


def worst(model: Model, place: Floats) -> float:
    """Return what is descended."""
    miss, lost = misses(model, place)
    if np.isnan(miss).any():
        return UNIT * FORBIDDEN
    broken = FORBIDDEN * (lost + float(model.prior.disorder(place)))
    return UNIT * (float(np.abs(miss).max()) + ALL * float(np.linalg.norm(miss)) + broken)


def rows_of(folder: Path, table: str) -> list[dict[str, str]]:
    """Return the rows of a table of the calibration."""
    with (folder / "tables" / f"{table}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def main() -> None:
    """Descend and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("calibration", type=Path, help="folder of the calibration")
    folder = parser.parse_args().calibration
    fitted = {row["parameter"]: row for row in rows_of(folder, "parameters")}
    if not all(row["low"] for row in fitted.values()):
        sys.exit("the calibration's runs do not agree: there are no ranges to ship")
    model, fine = Model(load(), GAINS), Model(load(), FINE)
    prior = model.prior
    start = prior.place([float(fitted[key]["fitted"]) for key in prior.keys])
    end = descend(lambda place: worst(model, place), start, STEP, EVALUATIONS, seed=0)
    miss, _ = misses(fine, end.place)
    for target, part in sorted(zip(fine.targets, miss, strict=True), key=lambda p: -abs(p[1])):
        print(f"{target.setting:12} {target.figure:12} {target.value:8.4g} misses {part:+.3f}")
    print(f"chi square {fine.misfit(end.place):.1f}, of the start {fine.misfit(start):.1f}")
    for key, value in zip(prior.keys, prior.values(end.place).tolist(), strict=True):
        low, high = (float(fitted[key][name]) for name in ("low", "high"))
        print(f'    "{key}": ({value:.4g}, {min(low, value):.3g}, {max(high, value):.3g}),')
    with DRAWS.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(prior.keys)
        for row in rows_of(folder, "draws"):
            writer.writerow(f"{float(row[key]):.7g}" for key in prior.keys)


if __name__ == "__main__":
    main()
