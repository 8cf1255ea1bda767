"""The one door of gains: whatever brings them, a file, a list or an array, is checked here alike.

A gain is a linear power gain, |h|^2. What is something else (a complex coefficient, an amplitude,
decibels) is refused with the words that convert it, or converted where its unit was said.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import allowed
from .arrays import Floats

UNITS = ("linear", "db", "amplitude", "complex")
LOW, HIGH = allowed.POSITIVE.low, allowed.POSITIVE.high
COMPLEX = "must be linear power gains; of complex coefficients h they are abs(h)**2"
RESPONSES = (
    "`semopt scenario gains FILE` or semopt.channel.from_coefficients makes them of responses with "
    "antennas, paths or sub-carriers"
)
INSTEAD = f"{COMPLEX}; {RESPONSES}"
SILENT = "a link without signal has a small gain, such as 1e-12"
DECIBELS = "decibels become linear power gains by 10**(gain / 10)"


def gains(value: ArrayLike, shape: tuple[int | None, ...], name: str = "gain") -> Floats:
    """Return linear power gains as a checked, contiguous float64 array.

    Parameters
    ----------
    value : array or nested lists
    shape : that is expected, None where any length above 0 is
    name : what messages call it

    Raises
    ------
    ValueError
        Naming what is wrong, the first value of that kind, and how to convert what is no power
        gain
    """
    plain = type(value) is np.ndarray and value.dtype == np.float64
    numbers: NDArray[Any] = value if plain else allowed.numbers(name, value, INSTEAD)  # type: ignore[assignment]
    check_shape(numbers.shape, shape, name)
    array = np.ascontiguousarray(numbers, dtype=np.float64)
    if not within(array):
        refuse(array, name)
    return array


def within(array: Floats) -> bool:
    """Tell whether every number of an array is an allowed gain; NaN is none."""
    # The ufuncs themselves: a decision of ten microseconds has no time for array.min().
    return array.size > 0 and bool(
        np.minimum.reduce(array, None) >= LOW and np.maximum.reduce(array, None) <= HIGH
    )


def refuse(array: Floats, name: str) -> None:
    """Raise ValueError for the first entry that is no gain, if there is one, and count the rest."""
    bad = np.argwhere(allowed.POSITIVE.refuses(array))
    if not len(bad):
        return
    first = tuple(bad[0].tolist())
    place = name + "".join(f"[{i}]" for i in first)
    more = f" (and {len(bad) - 1} more)" if len(bad) > 1 else ""
    hint = f"; {SILENT}" if array[first] == 0 else ""
    hint = f"; {DECIBELS}" if (array < 0).any() else hint
    raise ValueError(
        f"{place} = {float(array[first])!r}{more}: must be {allowed.POSITIVE.sentence}{hint}"
    )


def check_shape(actual: tuple[int, ...], shape: tuple[int | None, ...], name: str) -> None:
    """Raise ValueError where a shape is another than the one expected."""
    fits = len(actual) == len(shape) and all(
        length == expected if expected is not None else length > 0
        for length, expected in zip(actual, shape, strict=True)
    )
    if fits:
        return
    letters = ("slots", "users", "sub-channels")[-len(shape) :]
    expected = ", ".join(w if n is None else str(n) for n, w in zip(shape, letters, strict=True))
    words = ", ".join(letters)
    raise ValueError(
        f"{name} has shape {actual}: must be ({expected})"
        + f" ({words})" * (expected != words)
        + third_axis(actual) * (len(shape) == 3)
    )


def third_axis(actual: tuple[int, ...]) -> str:
    """Return how two dimensions become three."""
    if len(actual) != 2:
        return ""
    return (
        "; gain[None] is one slot, gain[:, None, :] has one user and gain[:, :, None] one "
        "sub-channel"
    )


def converted(value: NDArray[Any], unit: str) -> Floats:
    """Return linear power gains of numbers in a unit; what is out of range is left to be refused.

    Raises
    ------
    ValueError
        Complex numbers in another unit than "complex", or an amplitude below 0
    """
    if unit == "complex":
        return np.asarray(value.real.astype(float) ** 2 + value.imag.astype(float) ** 2)
    words = f'{COMPLEX}, or say unit = "complex"; {RESPONSES}'
    numbers = allowed.numbers("", value, words).astype(float)
    if unit == "db":
        with np.errstate(over="ignore"):
            return np.asarray(10.0 ** (numbers / 10.0))
    if unit == "amplitude":
        if (numbers < 0).any():
            raise ValueError(f"has an amplitude of {float(numbers.min())!r}: must be above 0")
        with np.errstate(over="ignore"):
            return np.asarray(numbers**2)
    return np.asarray(numbers)
