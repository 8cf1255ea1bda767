"""Trains the policies of the table of semopt/learn/README.md and prints its rows.

    python bench/policies.py OUT [ROW...]

A row is trained in the folder OUT/ROW, where a run that is there already is taken up, and evaluated
on 1000 slots against the certified optimum. Without rows, all of them: 40 minutes of one core.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from semopt import Scenario
from semopt.checkpoints import DOCUMENT
from semopt.learn import evaluate, train
from semopt.learn.checkpoint import Checkpoint

FAST: dict[str, Any] = {"settings": "fast", "observation": "own", "seed": 0}
SHARED = FAST | {"observation": "shared"}
ROWS: dict[str, tuple[str, str, dict[str, Any]]] = {
    **{f"paper-{seed}": ("mappo", "paper", FAST | {"seed": seed}) for seed in range(5)},
    "paper-unaware": ("mappo", "paper", FAST | {"semantic": False}),
    "paper-dqn": ("dqn", "paper", FAST),
    "paper-distill": ("distill", "paper", FAST),
    "paper-settings": ("mappo", "paper", FAST | {"settings": "paper"}),
    **{f"contended-{seed}": ("mappo", "contended", SHARED | {"seed": seed}) for seed in range(3)},
    "contended-distill": ("distill", "contended", SHARED),
    "contended-own": ("mappo", "contended", FAST),
    "contended-4-shared": ("mappo", "contended-4", SHARED),
    "contended-4-own": ("mappo", "contended-4", FAST),
    "contended-8-shared": ("mappo", "contended-8", SHARED),
    "contended-8-long": ("mappo", "contended-8", SHARED | {"updates": 2500}),
    "contended-8-own": ("mappo", "contended-8", FAST),
}
HEADING = (
    "| row | ratio | closure | worst slot | gap | gap refined | training |\n"
    "| --- | --- | --- | --- | --- | --- | --- |"
)


def row(name: str, out: Path) -> str:
    """Train a row's policy unless it is there; return its line of the table."""
    algorithm, preset, options = ROWS[name]
    scenario, folder = Scenario.load(preset), out / name

    def say(told: train.Report) -> None:
        print(f"{name}: {told.updates} updates, regret {told.regret:.5f}", file=sys.stderr)

    resume = (folder / DOCUMENT).exists()
    train.train(train.describe(algorithm, scenario, **options), folder, resume=resume, report=say)
    seconds = Checkpoint.read(folder).progress.seconds
    scores = evaluate.compare([str(folder), "constant"], scenario, refine=True).scores
    own, refined = scores[str(folder)], scores[f"{folder} refined"]
    fixed = scores["constant"].qoe
    gap = [(score.qoe - fixed) / (score.reference_qoe - fixed) for score in (own, refined)]
    return (
        f"| {name} | {own.ratio:.4f} | {own.closure:.4f} | {own.ratio_worst:.3f} | {gap[0]:.1%} | "
        f"{gap[1]:.1%} | {seconds:.0f} s |"
    )


def main() -> None:
    """Print the table, a row as soon as it is known."""
    if len(sys.argv) < 2 or not set(sys.argv[2:]) <= ROWS.keys():
        sys.exit(f"{__doc__}\nRows: {', '.join(ROWS)}")
    print(HEADING)
    for name in sys.argv[2:] or ROWS:
        print(row(name, Path(sys.argv[1])), flush=True)


if __name__ == "__main__":
    main()
