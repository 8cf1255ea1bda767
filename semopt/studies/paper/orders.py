"""Orders that the paper states: they hold where paired differences are off 0, else are tied."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from math import isnan

import numpy as np

from ...statistics import improvement, interval, interval_of_slots, without_nan
from .measures import Claim, Sample, word_of
from .setup import SERIES

LEVEL_WITH = "tied"  # of an order whose differences may be 0


def below(figure: str, low: Sample, high: Sample) -> bool | None:
    """Tell whether a method's mean is below another's; None where they are tied.

    They are where the 95% interval of paired differences holds 0: of slots, or of runs where one
    of the two learns. Where runs are too few for one, all pairs of at least two runs must agree;
    slots that resemble their neighbours in time and are too few decide nothing.
    """
    lower, upper = low.runs(figure), high.runs(figure)
    if not (low.learns or high.learns):
        differences = without_nan(high.values[figure][0] - low.values[figure][0])
        least, most = interval_of_slots([differences], high.in_time)
        if isnan(least) and high.in_time.depend:
            return None
    else:
        count = min(len(each.runs(figure)) for each in (low, high) if each.learns)
        differences = np.broadcast_to(upper[:count] - lower[:count], count)
        least, most = interval(differences)
    if isnan(least):
        pairs = upper[:, None] - lower[None, :]
        least, most = float(pairs.min()), float(pairs.max())
    if len(differences) < 2:
        return None
    return None if least <= 0.0 <= most else least > 0.0


def all_of(answers: Iterable[bool | None]) -> bool | None:
    """Tell whether all hold: False where one does not, else None where one is not decided."""
    listed = [*answers]
    return False if False in listed else None if None in listed else True


def first(figure: str, samples: Mapping[str, Sample], name: str, sign: int = 1) -> bool | None:
    """Tell whether a name's mean is the lowest of all, the highest by a sign of -1; None: tied."""
    pairs = [(samples[name], each)[::sign] for other, each in samples.items() if other != name]
    return all_of(below(figure, *pair) for pair in pairs)


def order(
    figure: str, samples: Mapping[str, Sample | None], names: Sequence[str]
) -> Iterator[Claim]:
    """Yield the claims that of these methods each has a lower figure than the next."""
    for low, high in pairwise(names):
        lower, upper = samples.get(low), samples.get(high)
        first_label = lower.label if lower else SERIES[low].label
        other_label = upper.label if upper else SERIES[high].label
        words = f"{word_of(figure)}, {first_label} below {other_label}"
        if lower is None or upper is None:
            yield Claim(words, None, "cells are missing")
            continue
        chance = improvement(upper.runs(figure), lower.runs(figure))
        measured = f"{lower.mean(figure):.4f} and {upper.mean(figure):.4f}"
        if lower.learns or upper.learns:
            measured += f", so in {chance:.0%} of pairs of runs"
        best = samples.get(SERIES[high].optimum or high)
        if figure == "qoe" and best is not None and lower.mean("qoe") > best.mean("qoe"):
            measured += (
                f"; {SERIES[high].label} cannot pass {best.mean('qoe'):.4f}, the optimum of its "
                "own actions"
            )
        yield Claim(words, below(figure, lower, upper), measured, LEVEL_WITH)
