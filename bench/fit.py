"""Fits the preset `paper`: of values that explain the paper, those whose largest miss is smallest.

python bench/fit.py calibration

`semopt study calibrate --starts 20 --evaluations 8000 --out calibration` ends at the values of the
least chi square, which may miss one figure by much where that makes up for others. From there this
descends to the values whose largest miss is smallest, in parts of what a study of the paper may
miss: 0.005 of QoE, 5% of latency and energy, 1.5 points of accuracy. It prints the misses and the
lines of `FIT` of bench/presets.py, and writes the shipped draws
(semopt/studies/calibrate/draws.csv).

Ranges and draws are those of the calibration, where its chains have mixed. Where not, those of two
chains that begin at the fit, held near by two fifths of the model's stated error: they say what
explains the paper about as well nearby, and know nothing of what lies far off.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np

from semopt.problem import Floats
from semopt.studies.calibrate.draws import DRAWS
from semopt.studies.calibrate.model import Model
from semopt.studies.calibrate.search import Ensemble, advance, descend, rows
from semopt.studies.calibrate.spread import r_hat
from semopt.studies.calibrate.targets import Figures, load
from semopt.studies.paper.measures import ABSOLUTE, REPRODUCED_WITHIN, SCALE

GAINS = 128
FINE = 1024  # gains of the misses that are printed
EVALUATIONS = 12_000
STEP = 0.05
ALL = 0.02  # weight of the misses together beside the largest, so that the others count at all
CHAINS, LEGS, STEPS, WALKERS, COARSE = 2, 20, 10, 120, 64  # of chains; the gains that they see
NEAR = 0.4  # of the model's stated error
SPREAD = 0.01  # of walkers about the fit, in widths of the prior
DRAWN = 30
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


def nearby(place: Floats) -> Floats:
    """Return the values of the later halves of two chains that begin about a place: (D, P)."""
    targets = load()
    noise = targets.noise
    less = {
        name: Figures(**{key: NEAR * value for key, value in getattr(noise, name)})
        for name in ("model", "relative")
    }
    model = Model(targets.model_copy(update={"noise": noise.model_copy(update=less)}), COARSE)
    rng, about = np.random.default_rng(0), list[Floats]()
    while len(about) < WALKERS:
        near = np.clip(place + SPREAD * rng.standard_normal(len(place)), 0.0, 1.0)
        about += [near] * bool(model.allows(near))
    begin = np.array(about), np.array([model.deviations(each) for each in about])
    chains = []
    for seed in range(CHAINS):
        ensemble, known, kept = Ensemble(*begin, np.ones(WALKERS)), [begin], list[Floats]()
        for leg in range(LEGS):
            everything = (
                np.concatenate([p for p, _ in known]),
                np.concatenate([d for _, d in known]),
            )
            stream = np.random.SeedSequence([seed, leg])
            trace = advance(model, ensemble, everything, STEPS, stream)
            ensemble = trace.end()
            known.append(trace.tried())
            kept.append(trace.stood()[1:])
        chains.append(np.concatenate(kept[LEGS // 2 :]))
    print(f"R-hat of chains that began alike: {r_hat(np.array(chains)).max():.2f}")
    return model.prior.values(rows(np.concatenate(chains)))


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
    model, fine = Model(load(), GAINS), Model(load(), FINE)
    prior = model.prior
    start = prior.place([float(fitted[key]["fitted"]) for key in prior.keys])
    end = descend(lambda place: worst(model, place), start, STEP, EVALUATIONS, seed=0)
    miss, _ = misses(fine, end.place)
    for target, part in sorted(zip(fine.targets, miss, strict=True), key=lambda p: -abs(p[1])):
        print(f"{target.setting:12} {target.figure:12} {target.value:8.4g} misses {part:+.3f}")
    print(f"chi square {fine.misfit(end.place):.1f}, of the start {fine.misfit(start):.1f}")
    if all(row["low"] for row in fitted.values()):
        draws = np.array([[float(d[key]) for key in prior.keys] for d in rows_of(folder, "draws")])
        low, high = ([float(fitted[key][name]) for key in prior.keys] for name in ("low", "high"))
    else:
        sampled = nearby(end.place)
        low, high = np.quantile(sampled, [0.05, 0.95], axis=0)
        draws = sampled[np.linspace(0, len(sampled) - 1, DRAWN).round().astype(int)]
    best = prior.values(end.place)
    lines = zip(prior.keys, best, np.minimum(low, best), np.maximum(high, best), strict=True)
    for key, value, least, most in lines:
        print(f'    "{key}": ({value:.4g}, {least:.3g}, {most:.3g}),')
    with DRAWS.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(prior.keys)
        writer.writerows([f"{figure:.7g}" for figure in row] for row in draws)


if __name__ == "__main__":
    main()
