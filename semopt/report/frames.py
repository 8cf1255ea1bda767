"""What environments render: a slot and what was decided in it, as text or as an image."""

from __future__ import annotations

from contextlib import redirect_stdout
from importlib import import_module
from io import BytesIO, StringIO
from math import inf

import numpy as np
from numpy.typing import NDArray

from ..arrays import Flags, Floats
from ..console import Console, slim_table
from ..model import Actions, decibel
from ..problem import Problem
from ..result import Result, Status
from .slot import decision_table, millijoules

FRAME = 840  # pixels of a frame's width
HEIGHT = 200  # pixels of a frame without the rows of its users
LINE = 16  # pixels of a line on a battery
PACKAGES = {"altair": "altair", "vl_convert": "vl-convert-python", "PIL": "pillow"}


def text(
    title: str,
    problem: Problem,
    actions: Actions | None,
    skipped: Flags | None = None,
    energy_left: Floats | None = None,
) -> str:
    """Return a slot's decision as a table, or where there is none its tasks and gains.

    Parameters
    ----------
    skipped : (N,) bool, who did not execute its task
    energy_left : (N,) float64, J, of batteries; inf without one
    """
    if actions is not None:
        table = decision_table(title, problem, actions, skipped, energy_left)
    else:
        table = slim_table(title)
        for heading in ("user", "task", "gains of the sub-channels, dB"):
            table.add_column(heading)
        if energy_left is not None:
            table.add_column("left\nmJ", justify="right")
        for n, kind in enumerate(problem.task):
            gains = "  ".join(f"{x:.1f}" for x in decibel(problem.gain[n]))
            left = [] if energy_left is None else [millijoules(energy_left[n])]
            table.add_row(str(n), problem.tasks.names[kind], gains, *left)
    with redirect_stdout(StringIO()) as shown:
        Console().print(table)
    return shown.getvalue()


def image(
    problem: Problem,
    actions: Actions | None,
    skipped: Flags | None = None,
    energy_left: Floats | None = None,
) -> NDArray[np.uint8]:
    """Return charts of a slot's decision, or where there is none of its SNR: (H, W, 3), 0 to 255.

    Frames of as many users have one size. Arguments are those of `text`: with batteries a line a
    user says below what was skipped, which charts show as it was played, and what is left.

    Raises
    ------
    ValueError
        Where a package that draws is missing.
    """
    for name, package in PACKAGES.items():
        try:
            import_module(name)
        except ImportError:
            raise ValueError(f"images need {package}: pip install {package}") from None
    import vl_convert
    from PIL import Image, ImageDraw

    from .charts_slot import panels
    from .style import STEP, beside

    result = Result(problem, "step", "cpu", Status.FEASIBLE, actions=actions)
    png = vl_convert.vegalite_to_png(beside(panels(result)).to_json())
    frame = np.full((HEIGHT + 2 * STEP * len(problem.task), FRAME, 3), 255, np.uint8)
    drawn = np.asarray(Image.open(BytesIO(png)).convert("RGB"))[: len(frame), :FRAME]
    frame[: drawn.shape[0], : drawn.shape[1]] = drawn
    if energy_left is None:
        return frame
    below = Image.new("RGB", (FRAME, LINE * len(energy_left)), "white")
    for n, left in enumerate(energy_left):
        words = [f"{millijoules(left)} mJ left"] if left < inf else ["no battery"]
        words += ["skipped"] if skipped is not None and skipped[n] else []
        ImageDraw.Draw(below).text((8, LINE * n), f"user {n}: {', '.join(words)}", "black")
    return np.concatenate([frame, np.asarray(below)])
