"""The accuracy table nearest to a measured one among those that do not fall.

Measured accuracies are noisy and fall here and there as extraction or SNR rises; bounds rely on
tables that do not. The nearest one in the sense of least squares is the isotonic regression on the
order of both axes (Barlow et al., "Statistical inference under order restrictions", 1972).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..allowed import numbers
from ..problem import AccuracyTable, Floats
from .faults import dotted
from .scenario import Scenario
from .source import document_of
from .surface import placed, read_table, with_tables

DIGITS = 6  # of a fitted accuracy; to round keeps a table from falling


@dataclass(frozen=True)
class Fit:
    """What a fit changed.

    Attributes
    ----------
    falls : steps along an axis at which the table fell
    cells : accuracies that moved, of all
    largest, root_mean_square : by how much they moved
    """

    falls: int
    cells: tuple[int, int]
    largest: float
    root_mean_square: float

    def __str__(self) -> str:
        """Return it in a sentence."""
        if not self.falls:
            return "does not fall, nothing moved"
        moved, cells = self.cells
        return (
            f"fell {self.falls} times; {moved} of {cells} accuracies moved, by at most "
            f"{self.largest:.3g} (root mean square over all {self.root_mean_square:.3g})"
        )


def falls(table: Floats) -> int:
    """Return at how many steps along an axis a table falls."""
    return sum(int((np.diff(table, axis=axis) < 0).sum()) for axis in range(table.ndim))


def nearest(table: ArrayLike) -> tuple[Floats, Fit]:
    """Return the nearest table in least squares that does not fall, and how far it is away.

    Parameters
    ----------
    table : (I, J) or (J,), accuracies from 0 to 1

    Raises
    ------
    ValueError
        No rectangular table of numbers
    """
    values = np.asarray(table, dtype=float)
    if values.ndim not in (1, 2) or not np.isfinite(values).all():
        raise ValueError(f"table has shape {values.shape}: must be (I, J) or (J,), finite numbers")
    count = falls(values)
    fitted = values if not count else _fit(values)
    moved = fitted - values
    return fitted, Fit(
        count,
        (int((moved != 0).sum()), values.size),
        float(np.abs(moved).max()),
        float(np.sqrt((moved**2).mean())),
    )


def _fit(table: Floats) -> Floats:
    import cvxpy as cp

    rows = table.reshape(-1, table.shape[-1])
    x = cp.Variable(rows.shape)
    rising = [x[:, 1:] >= x[:, :-1]] + ([x[1:] >= x[:-1]] if len(rows) > 1 else [])
    cp.Problem(cp.Minimize(cp.sum_squares(x - rows)), rising).solve(solver=cp.CLARABEL)
    value = np.asarray(x.value)
    # The solver's last digits may fall; the middle of what is below and above does not.
    even = np.round(0.5 * (_below(value) + _above(value)), DIGITS)
    # What is in no fall stays as it is: every average of the regression lies on its right side.
    fitted = np.where(_below(rows) == _above(rows), rows, even)
    result: Floats = even if falls(fitted) else fitted
    return result.reshape(table.shape)


def _below(rows: Floats) -> Floats:
    """Return the largest accuracy at no larger extraction and SNR."""
    result: Floats = np.maximum.accumulate(np.maximum.accumulate(rows, axis=0), axis=1)
    return result


def _above(rows: Floats) -> Floats:
    """Return the smallest accuracy at no smaller extraction and SNR."""
    return -_below(-rows[::-1, ::-1])[::-1, ::-1]


def straightened(accuracy: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Fit]]:
    """Return the keys of [tasks.NAME.accuracy] with tables that do not fall, and what moved.

    A table that is faulty in other ways is left for the checks.
    """
    result, fits = dict(accuracy), {}
    for key in ("table", "raw"):
        try:
            fitted, fit = nearest(numbers(key, accuracy[key]))
        except (KeyError, ValueError):
            continue
        result[key], fits[key] = fitted.tolist(), fit
    return result, fits


def of_csv(file: Path) -> tuple[str, dict[str, Fit]]:
    """Return an accuracy CSV whose table does not fall, and what moved.

    Raises
    ------
    ValueError
        Every other fault of the file
    """
    try:
        table, fits = straightened(read_table(file))
    except OSError as error:
        raise ValueError(f"{file}: {error.strerror or error}") from None
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from None
    try:
        parts = (table["extraction"], table["snr_db"], table["table"], table.get("raw"))
        AccuracyTable.from_arrays(*parts)
    except ValueError as error:
        raise ValueError(f"{file}: {placed(str(error), table)}") from None
    rows = [["extraction", *table["snr_db"]]]
    rows += [[mu, *row] for mu, row in zip(table["extraction"], table["table"], strict=True)]
    rows += [["raw", *table["raw"]]] if "raw" in table else []
    return "".join(",".join(map(str, row)) + "\n" for row in rows), fits


def of_scenario(file: Path) -> tuple[str, dict[str, Fit]]:
    """Return a scenario file whose accuracy tables do not fall, and what moved.

    Raises
    ------
    ScenarioError
        Every other fault of the file
    """
    document, folder, name = document_of(file)
    fits: dict[str, Fit] = {}
    filled, _, faults = with_tables(document, folder)
    if not faults and isinstance(filled.get("tasks"), dict):
        tasks = dict(filled["tasks"])
        for kind, task in tasks.items():
            if isinstance(task, dict) and isinstance(task.get("accuracy"), dict):
                accuracy, moved = straightened(task["accuracy"])
                tasks[kind] = {**task, "accuracy": accuracy}
                path = ("tasks", kind, "accuracy")
                fits |= {dotted((*path, key)): fit for key, fit in moved.items()}
        document = {**filled, "tasks": tasks}
    scenario = Scenario.from_dict(document, folder, name)
    return scenario.to_toml("Accuracy tables were fitted so that they do not fall."), fits
