"""Plots of what was measured, as PNG files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np


def plot_surface(record: dict[str, Any], path: Path) -> None:
    """Draw a modality's accuracy by SNR, a line an extraction, with intervals and floors.

    Parameters
    ----------
    record : as `semopt.semantic.measure.record.measure` returns it
    path : of the PNG file

    Raises
    ------
    ValueError
        Where matplotlib is missing, or the file cannot be written.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise ValueError("matplotlib is missing: pip install 'semopt[plots]'") from None
    surface, accuracy = record["accuracy"]["semantic"], record["accuracy"]
    right = 100 * np.array(surface["right"]) / surface["samples"]
    low, high = (100 * np.array(surface[end]) for end in ("low", "high"))
    figure = Figure(figsize=(7.0, 4.5), layout="constrained")
    axes = figure.add_subplot()
    shades = np.linspace(0.85, 0.15, len(right))
    for row, shade in enumerate(shades):
        colour = (shade, 0.35, 1.0 - 0.6 * shade)
        label = f"extraction {surface['extraction'][row]:g}"
        axes.plot(surface["snr_db"], 100 * np.array(surface["table"][row]), color=colour)
        error = [right[row] - low[row], high[row] - right[row]]
        axes.errorbar(
            surface["snr_db"],
            right[row],
            error,
            fmt="o",
            ms=3,
            lw=0.7,
            color=colour,
            label=label,
        )
    floor = max(record["floors"].items(), key=lambda item: float(item[1]["accuracy"]))
    lines = [
        ("server", accuracy["server"]["accuracy"], "--"),
        ("local", accuracy["local"]["accuracy"], "-."),
    ]
    lines.append((f"floor: {floor[0]}", floor[1]["accuracy"], ":"))
    for name, value, style in lines:
        axes.axhline(100 * value, color="black", linestyle=style, linewidth=0.8, label=name)
    axes.set_xlabel("SNR, dB")
    axes.set_ylabel("accuracy, % (points: measured; lines: monotone fit)")
    axes.set_title(f"{record['data']['title']}, {surface['samples']} test samples")
    axes.legend(fontsize="x-small")
    try:
        figure.savefig(path, dpi=150, format="png")
    except OSError as error:
        raise ValueError(f"cannot write {path}: {error.strerror or error}") from None
