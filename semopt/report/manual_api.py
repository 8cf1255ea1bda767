"""What is public, as Markdown: its docstrings, in the order of their sections.

They are read at run time, since some list figures out of tables, and by this file, since they say
what an argument means where other readers of NumPy's style expect its type.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import EnumType
from importlib import import_module
from types import ModuleType
from typing import Any

ROOMS = ("model", "channel", "env", "adapters", "backends")  # of which all that is public is shown
SECTION = re.compile(r"^(\w[\w ]*)\n-{3,}$", re.MULTILINE)
ENTRY = re.compile(r"^(\*{0,2}\w[\w, ]*?) : (.*)$")
COMMA = re.compile(r", (?![^(\[{]*[)\]}])")  # between arguments, not within a value
WIDTH = 76  # columns of a signature, before each argument has a line of its own


class Made:
    """A default that has no words of its own: a function, or what is made anew."""

    def __repr__(self) -> str:
        """Return the sign for it."""
        return "..."


@dataclass(frozen=True)
class Described:
    """A public name, its docstring's first paragraph in one line, and its page."""

    name: str
    summary: str
    text: str


def pages() -> Iterator[Described]:
    """Yield a page of each public name of the package, then of each room."""
    package = import_module("semopt")
    for name in sorted(package.__all__, key=str.lower):
        value = getattr(package, name)
        yield Described(name, summary(value), "\n".join(thing(f"semopt.{name}", value, 1)))
    for room in ROOMS:
        try:
            module = getattr(package, room)
        except ImportError as error:
            yield Described(
                room, f"Not shown: {error}.", f"# semopt.{room}\n\nNot shown: {error}.\n"
            )
        else:
            yield Described(room, summary(module), "\n".join(module_page(module)))


def summary(value: Any) -> str:
    """Return the first paragraph of a docstring in one line."""
    return plain(" ".join((inspect.getdoc(value) or "").partition("\n\n")[0].split()))


def module_page(module: ModuleType) -> Iterator[str]:
    """Yield the lines of a module: its docstring, and each name that is its own or its face's."""
    yield f"# {module.__name__}\n"
    yield from docstring(module)
    own = [name for name, value in vars(module).items() if is_own(module, name, value)]
    for name in getattr(module, "__all__", own):
        yield from thing(f"{module.__name__}.{name}", getattr(module, name), 2)


def is_own(module: ModuleType, name: str, value: Any) -> bool:
    """Tell whether a public function or class is defined in a module."""
    defined = inspect.isfunction(value) or inspect.isclass(value)
    return defined and not name.startswith("_") and value.__module__ == module.__name__


def thing(name: str, value: Any, level: int) -> Iterator[str]:
    """Yield the lines of a function, a class with what it offers, or a constant."""
    yield f"{'#' * level} {name if level == 1 else name.rpartition('.')[2]}\n"
    if not callable(value):
        keys = value if isinstance(value, dict | tuple) else [type(value).__name__]
        yield f"{', '.join(f'`{key}`' for key in keys)}\n"
        return
    if not isinstance(value, EnumType):
        yield from signature(name, value)
    yield from docstring(value)
    if isinstance(value, EnumType):
        yield from choices(value)
    elif inspect.isclass(value):
        for member, what in members(value):
            yield f"{'#' * (level + 1)} {member}\n"
            if inspect.isfunction(getattr(what, "__func__", what)):
                what = getattr(value, member)
                yield from signature(member, what)
            yield from docstring(what)


def choices(kind: Any) -> Iterator[str]:
    """Yield the members of an enumeration, each with its words."""
    for member in kind:
        words = member.value if isinstance(member.value, tuple) else (str(member.value),)
        yield f"- `{member.name}`: {plain(', '.join(words))}"


def members(kind: type) -> Iterator[tuple[str, Any]]:
    """Yield what a class offers and says something about: its own first, then its ancestors'."""
    shown = set()
    for ancestor in kind.__mro__:
        if ancestor.__module__.startswith("semopt."):
            for name, value in list(vars(ancestor).items()):
                words = inspect.getdoc(value) or ""
                offered = words and hasattr(value, "__get__") and not words.startswith("Alias for ")
                if offered and name not in shown and not name.startswith("_"):
                    shown.add(name)
                    yield name, value


def signature(name: str, value: Any) -> Iterator[str]:
    """Yield how something is called; what its arguments are stands in its docstring."""
    try:
        called = inspect.signature(value)
    except (TypeError, ValueError):
        return
    parameters = [bare(p) for p in called.parameters.values() if p.name != "self"]
    line = str(called.replace(parameters=parameters, return_annotation=inspect.Signature.empty))
    if len(name + line) > WIDTH:
        line = "(\n    " + ",\n    ".join(COMMA.split(line[1:-1])) + ",\n)"
    yield f"```python\n{name}{line}\n```\n"


def bare(parameter: inspect.Parameter) -> inspect.Parameter:
    """Return a parameter with a default that can be read, and without its type."""
    value = parameter.default
    wordless = value is not parameter.empty and "<" in repr(value)
    return parameter.replace(annotation=parameter.empty, default=Made() if wordless else value)


def docstring(value: Any) -> Iterator[str]:
    """Yield a docstring as Markdown."""
    first, *sections = SECTION.split(inspect.getdoc(value) or "")
    yield from prose(first)
    for heading, text in zip(sections[::2], sections[1::2], strict=True):
        yield f"**{heading}**\n"
        if heading == "Examples":
            yield f"```pycon\n{text.strip()}\n```\n"
        else:
            yield from entries(text.strip("\n"))


def prose(text: str) -> Iterator[str]:
    """Yield paragraphs; what is set in from the margin is code."""
    for paragraph in re.split(r"\n{2,}", text.strip("\n")):
        if ">>> " in paragraph:
            yield f"```pycon\n{paragraph}\n```\n"
        elif paragraph.startswith("    ") or re.search(r"\S {3,}\S", paragraph):
            yield f"```text\n{paragraph}\n```\n"
        elif paragraph:
            yield f"{plain(paragraph)}\n"


def entries(text: str) -> Iterator[str]:
    """Yield a section: a list of names and what each means, or paragraphs where it has none."""
    lines = text.splitlines()
    if not any(ENTRY.match(line) or line.startswith("    ") for line in lines):
        yield from prose(text)
        return
    for line in lines:
        named = ENTRY.match(line)
        if named:
            yield f"- `{named[1]}`: {plain(named[2])}"
        elif line.startswith("    "):
            yield f"    {plain(line.strip())}"
        elif re.fullmatch(r"\w+", line):  # an error, whose reason is set in below it
            yield f"- `{line}`:"
        else:
            yield plain(line)
    yield ""


def plain(text: str) -> str:
    """Return text in which a site obeys no markup but that of code."""
    return re.sub(r"(`[^`]*`)|([<*_\[\]])", lambda part: part[1] or f"\\{part[2]}", text)
