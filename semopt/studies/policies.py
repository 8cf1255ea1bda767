"""How far policies are from the certified optimum: the table of semopt/learn/README.md.

    python -m semopt.studies.policies OUT [ROW...]

A row is trained in the folder OUT/ROW, where a run that is there already is taken up, and evaluated
on 1000 slots against the certified optimum. Without rows, all of them: 40 minutes of one core.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from ..checkpoints import DOCUMENT
from ..learn import evaluate, train
from ..learn.checkpoint import Checkpoint
from ..report.lines import print_line, print_message
from ..scenario import Scenario
from ..worth import closure

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

    def show(report: train.Report) -> None:
        print_message(f"{name}: {report.updates} updates, regret {report.regret:.5f}")

    resume = (folder / DOCUMENT).exists()
    train.train(train.describe(algorithm, scenario, **options), folder, resume=resume, report=show)
    seconds = Checkpoint.read(folder).progress.seconds
    scores = evaluate.evaluate([str(folder), "constant"], scenario, refine=True).scores
    plain, refined = scores[str(folder)], scores[f"{folder} refined"]
    fixed = scores["constant"].qoe
    gap = [closure(score.qoe, score.reference_qoe, fixed) for score in (plain, refined)]
    return (
        f"| {name} | {plain.ratio:.4f} | {plain.closure:.4f} | {plain.ratio_worst:.3f} | "
        f"{gap[0]:.1%} | {gap[1]:.1%} | {seconds:.0f} s |"
    )


def main() -> None:
    """Print the table, a row as soon as it is known."""
    if len(sys.argv) < 2 or not set(sys.argv[2:]) <= ROWS.keys():
        sys.exit(f"{__doc__}\nRows: {', '.join(ROWS)}")
    print_line(HEADING)
    for name in sys.argv[2:] or ROWS:
        print_line(row(name, Path(sys.argv[1])))


if __name__ == "__main__":
    main()
