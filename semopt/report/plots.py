"""Whole pictures: what `--plot FILE` writes and `plot()` returns, one function for each.

Altair is loaded by who draws, so that what is missing is said before long work.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..files import write_atomically
from .page import IMAGES, check_packages, image, rendered

if TYPE_CHECKING:
    from ..learn.scores import Evaluation
    from ..queue import QueueResult
    from ..result import Result
    from ..scenario import Scenario
    from ..solvers.slots import Batch

ENDINGS = (".html", *IMAGES)


def check_target(option: str, target: str | Path) -> None:
    """Raise ValueError, before any work, where the picture that an option names cannot be made."""
    try:
        check_ending(target)
    except ValueError as error:
        raise ValueError(f"{option} {error}") from None
    check_packages()


def check_ending(target: str | Path) -> str:
    """Return the ending of a picture's file; raise ValueError where it is none of a picture."""
    suffix = Path(target).suffix.lower()
    if suffix not in ENDINGS:
        endings = f"{', '.join(ENDINGS[:-1])} or {ENDINGS[-1]}"
        raise ValueError(f"{target}: the name of a file that ends in {endings} is expected")
    return suffix


def write(chart: Any, target: str | Path) -> None:
    """Write a chart as its file's ending says: as a page that needs no network, SVG, PNG or PDF.

    Raises
    ------
    ValueError
        For another ending, a package that is missing, or a file that cannot be written.
    """
    suffix, spec = check_ending(target), chart.to_dict()
    if suffix in IMAGES:
        write_atomically(target, image(spec, suffix))
    else:
        write_atomically(target, rendered("plot.html", spec=spec, title=spec["title"]["text"]))


def of_slot(result: Result, name: str) -> Any:
    """Return one slot drawn: places, and latency, energy and QoE of each user."""
    check_packages()
    from .charts_slot import slot

    return slot(result, name)


def of_batch(batch: Batch, name: str) -> Any:
    """Return many slots drawn: shares of modes, and the distribution of QoE."""
    check_packages()
    from .charts_batch import many

    return many(batch, name)


def of_queue(result: QueueResult, name: str) -> Any:
    """Return a queue drawn: energy left over time, modes and skips."""
    check_packages()
    from .charts_queue import queue

    return queue(result, name)


def of_evaluation(evaluation: Evaluation) -> Any:
    """Return scores drawn: the distribution of gaps, and the mean gaps."""
    check_packages()
    from .charts_learning import scores

    return scores(evaluation)


def of_scenario(
    subject: Scenario, user: int = 0, tick: Callable[[float], None] = lambda done: None
) -> Any:
    """Return a scenario drawn: accuracy, gains, and where each mode of a user is the best."""
    check_packages()
    from .charts_scenario import scenario

    return scenario(subject, user, tick)


def of_training(log: Sequence[Mapping[str, Any]], title: str, ended: str) -> Any:
    """Return a training drawn, from the lines of its log."""
    check_packages()
    from .charts_learning import training

    return training(log, title, ended)
