"""Dataclasses that hold arrays: they compare with one answer, and show themselves in one line."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, ClassVar

import numpy as np

from .figures import RECORDS

FEW = 8  # entries of an array that are shown
LEFT_OUT: Any = None  # a column that holds the default of its figure


class Record:
    """A dataclass of arrays: `==` is True where all that it compares is equal, NaN to NaN too."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        for method in ("__eq__", "__repr__"):  # else `dataclass` writes its own into the class
            if method not in vars(cls):
                setattr(cls, method, getattr(cls, method))

    def __eq__(self, other: object) -> bool:
        """Tell whether another is of the same type and holds the same."""
        if type(other) is not type(self):
            return NotImplemented
        return all(
            same(getattr(self, field.name), getattr(other, field.name))
            for field in fields(self)  # type: ignore[arg-type]
            if field.compare
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        """Return the fields, of long arrays their type and shape."""
        shown = [
            f"{field.name}={brief(getattr(self, field.name))}"
            for field in fields(self)  # type: ignore[arg-type]
            if field.repr
        ]
        return f"{type(self).__name__}({', '.join(shown)})"


class Frozen(Record):
    """A record whose arrays are read-only, as are those of its copies: backends pack them once."""

    def __post_init__(self) -> None:
        for value in vars(self).values():
            if isinstance(value, np.ndarray):
                value.setflags(write=False)

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self.__post_init__()  # neither pickle nor copy keeps the flag


class Columns(Frozen):
    """A record of columns of figures, of which those that are left out hold their defaults."""

    owner: ClassVar[str]  # key of `figures.RECORDS`

    def __post_init__(self) -> None:
        rows = RECORDS[self.owner]
        length = len(getattr(self, rows[0].name))
        for figure in rows:
            if getattr(self, figure.name) is LEFT_OUT:
                object.__setattr__(self, figure.name, np.full(length, figure.default))
        super().__post_init__()


class Shown:
    """What `print` and notebooks show as its command prints it: see `report.shown`."""

    def show(self) -> None:
        """Print the object as its command does."""
        raise NotImplementedError

    def __str__(self) -> str:
        """Return what the object's command prints of it."""
        from .report.shown import text

        return text(self.show)

    def _repr_html_(self) -> str:
        """Return the same for notebooks."""
        from .report.shown import html

        return html(self.show)


def same(one: Any, other: Any) -> bool:
    """Tell whether two values are equal, whatever they are made of; NaN equals NaN."""
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        if np.shape(one) != np.shape(other):
            return False
        numbers = all(np.asarray(x).dtype.kind in "fc" for x in (one, other))
        return np.array_equal(one, other, equal_nan=numbers)
    if isinstance(one, tuple | list) and type(one) is type(other):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return bool(one == other or (one != one and other != other))


def brief(value: Any) -> str:
    """Return a value in a few words."""
    if isinstance(value, np.ndarray) and value.size > FEW:
        return f"<{value.dtype} {value.shape}>"
    if isinstance(value, np.ndarray):
        return repr(value.tolist())
    if isinstance(value, tuple | list | dict) and len(value) > FEW:
        return f"<{type(value).__name__} of {len(value)}>"
    return repr(value)
