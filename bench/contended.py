"""Searches the parameters of the presets `contended`, `contended-4`, `contended-8` and `large`.

python bench/contended.py [--users 2] [--draws 200] [--seed 0]     tries random scenarios and prints
    the figures of those that meet every demand, the hardest first
python bench/contended.py --report NAME                            measures a shipped preset

A scenario is contended where the best fixed action for each task type closes at most 80% of the
gain over 0.5, all three modes occur, the best number of offloaders varies from slot to slot, and
power is often inside its range. Parameters are drawn at the scale of Table II, gains mostly from
0.02 to 3.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

import numpy as np

from semopt import Scenario, solve_batch
from semopt.solvers import constant

SLOTS = 300
SNR_DB = [-3.0, 2.0, 7.0, 12.0, 17.0]


def accuracy(rng: np.random.Generator, top: float, drop: float, noise: float) -> dict[str, Any]:
    """Return a smooth table: accuracy saturates in extraction and in SNR."""
    axis = [0.3, 0.4, 0.5, 0.65, 0.8, 1.0]
    bend = rng.uniform(1.5, 4.0)
    table = [
        [
            round(top - drop * ((1 - mu) / 0.7) ** bend - noise * 10 ** (-(db + 3) / 12), 4)
            for db in SNR_DB
        ]
        for mu in axis
    ]
    return {"extraction": axis, "snr_db": SNR_DB, "table": table}


def draw(rng: np.random.Generator, users: int) -> dict[str, Any]:
    """Return a random scenario of so many users and sub-channels."""

    def between(low: float, high: float, digits: int = 3) -> float:
        return round(float(rng.uniform(low, high)), digits)

    def task(kbit: float, load: float, local: float, top: float, drop: float) -> dict[str, Any]:
        return {
            "data_kbit": between(0.7 * kbit, 1.5 * kbit),
            "local_mflop": between(0.85 * load, 1.15 * load),
            "extract_mflop": between(0.05, 1.5),
            "server_mflop": between(0.9 * load, 1.9 * load),
            "local_accuracy": local,
            "accuracy": accuracy(rng, top, between(0.5, 1.2) * drop, between(0.02, 0.2)),
        }

    weights = rng.dirichlet([2.0, 2.0, 2.0])
    latency, energy = (round(float(w), 3) for w in weights[:2])
    return {
        "system": {
            "users": users,
            "channels": users,
            "bandwidth_mhz": 2.0,
            "noise_mw": 2.0,
            "server_frequency_ghz": 3.0,
            "server_flop_per_cycle": float(rng.choice([1.0, 1.5, 2.0, 3.0, 4.0]) * users / 2),
            # The server is charged a share of 1 / offloaders^2: it grows with the users to keep it.
            "server_energy_coefficient": 5e-27 * (users / 2) ** 2,
            "compress_exponent": between(0.6, 1.3),
            "extract_exponent": between(0.3, 0.8),
            "latency_max_ms": between(6.0, 12.0, 1),
        },
        "qoe": {
            "weight_latency": latency,
            "weight_energy": energy,
            "weight_accuracy": round(1 - latency - energy, 3),
            "slope_latency_per_ms": between(1.0, 6.0),
            "slope_energy_per_mj": between(0.1, 1.0),
            "slope_accuracy": between(10.0, 60.0, 1),
        },
        "user": {
            "flop_per_cycle": 2.0,
            "energy_coefficient": 1e-26,
            "frequency_ghz": [0.55, 1.0],
            "reference_frequency_ghz": 0.7066,
            "power_mw": [10.0, float(rng.choice([100, 500, 2500]))],
            "extraction": [0.3, 1.0],
        },
        "tasks": {
            "text": task(6.0, 4.5, 0.74, 0.85, 0.15),
            "image": task(45.0, 5.5, 0.58, 0.75, 0.25),
            "vqa": task(25.0, 6.5, 0.43, 0.58, 0.20),
        },
        "grid": {"power": 10, "frequency": 10, "extraction": 10},
        "channel": {"model": "uniform", "gain_range": [0.02, 3.0]}
        if rng.random() < 0.3
        else {
            "model": "shadowed",
            "mean_gain": between(0.2, 0.6, 2),
            "shadowing_db": between(4.0, 9.0, 1),
        },
    }


def shape(scenario: Scenario, slots: int) -> dict[str, Any]:
    """Return how the optima of so many slots look."""
    problem = scenario.template()
    exact = solve_batch(problem, *scenario.draw(slots, 1))
    mean, a = exact.mean(), exact.actions
    offload, raw = a.channel >= 0, a.extraction == 1.0
    inside = offload & (a.power > problem.users.power_min) & (a.power < problem.users.power_max)
    sizes = np.bincount(offload.sum(axis=1), minlength=scenario.users + 1) / slots
    return {
        "qoe": mean["qoe"],
        "infeasible_share": mean["infeasible_share"],
        "local": float(1 - offload.mean()),
        "raw": float((offload & raw).mean()),
        "semantic": float((offload & ~raw).mean()),
        "interior_power": float(inside.sum() / max(offload.sum(), 1)),
        "offloaders": [round(float(share), 3) for share in sizes],
    }


def varied(figures: dict[str, Any]) -> bool:
    """Tell whether the optima of a scenario vary as a contended one's must."""
    return (
        figures["infeasible_share"] == 0
        and figures["qoe"] > 0.55
        and min(figures["local"], figures["raw"], figures["semantic"]) >= 0.08
        and figures["interior_power"] >= 0.25
        and sorted(figures["offloaders"])[-2] >= 0.15
    )


def constant_closure(scenario: Scenario, slots: int) -> float:
    """Return the share of the gain over 0.5 that the best fixed actions close."""
    problem = scenario.template()
    gain, task = scenario.draw(slots, 1)
    policy = constant.fit(problem, *scenario.draw(min(slots, 200), 2))
    fixed = constant.mean_worth(problem, policy.decide(problem, gain, task), gain, task)
    best = solve_batch(problem, gain, task).mean()["qoe"] or np.nan
    return (fixed - 0.5) / (best - 0.5)


def main() -> None:
    parser = argparse.ArgumentParser(description="Searches the contended presets.")
    parser.add_argument("--users", type=int, default=2)
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--report", metavar="NAME", help="measure this scenario instead")
    options = parser.parse_args()
    if options.report:
        scenario = Scenario.load(options.report)
        figures = shape(scenario, SLOTS) | {"closure": constant_closure(scenario, SLOTS)}
        print(json.dumps(figures, indent=2))
        return
    found = []
    for number in range(options.draws):
        rng = np.random.default_rng([options.seed, options.users, number])
        scenario = Scenario.from_dict(draw(rng, options.users))
        figures = shape(scenario, SLOTS)
        if not varied(figures):
            continue
        figures["closure"] = constant_closure(scenario, SLOTS)
        kept = figures["closure"] <= 0.8
        print(json.dumps({"draw": number, "kept": kept, **figures}), flush=True)
        found += [(figures["closure"], number)] * kept
    print(f"{len(found)} of {options.draws} draws are contended")
    if found:
        print(f"hardest: draw {min(found)[1]}")


if __name__ == "__main__":
    main()
