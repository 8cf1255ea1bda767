"""The log of a run: a line of JSON for each validation, and TensorBoard's events."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..files import read_bytes, write_atomically
from ..strict import parse_json

LOG = "log.jsonl"


@dataclass(frozen=True)
class Report:
    """Where a run stands, after a validation."""

    updates: int
    agent_steps: int
    seconds: float
    reward: float
    qoe: float
    regret: float
    best: float
    offloading: float
    steps_per_second: float
    losses: dict[str, float]
    note: str


@contextmanager
def logs(out: Path, updates: int) -> Iterator[Callable[[Report], None]]:
    """Give a function that adds a report to log.jsonl and to TensorBoard's events."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from torch.utils.tensorboard import SummaryWriter

    path = out / LOG
    lines = lines_until(path, updates)
    board = SummaryWriter(str(out / "tensorboard"), purge_step=updates)

    def log(report: Report) -> None:
        lines.append(json.dumps(asdict(report)))
        write_atomically(path, "\n".join(lines) + "\n")
        for name in ("reward", "qoe", "regret", "offloading", "steps_per_second"):
            board.add_scalar(name, getattr(report, name), report.updates)
        for name, value in report.losses.items():
            board.add_scalar(f"loss/{name}", value, report.updates)

    try:
        yield log
    finally:
        board.close()


def log_of(out: Path) -> list[dict[str, Any]]:
    """Return the lines of a run's log; none where it was not validated yet."""
    path = out / LOG
    return [parse_json(line) for line in path.read_text().splitlines()] if path.exists() else []


def lines_until(path: Path, updates: int) -> list[str]:
    """Return the lines of a log up to so many updates; raise ValueError where it is none."""
    if not (updates and path.exists()):
        return []
    lines = []
    try:
        for line in read_bytes(path).decode().splitlines():
            values = parse_json(line)
            if not isinstance(values, dict) or type(values.get("updates")) is not int:
                raise ValueError("a line has no number of updates")
            lines += [line] if values["updates"] <= updates else []
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} is not the log of a run: {error}; move it away") from None
    return lines
