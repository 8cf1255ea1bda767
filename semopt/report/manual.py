"""The manual: Markdown pages that are shipped with the package, and the order to read them in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "manual"
PAGES = (
    "start",
    "model",
    "methods",
    "formats",
    "channels",
    "semantic",
    "policies",
    "environments",
    "learning",
    "queues",
    "studies",
    "scale-out",
    "performance",
    "python",
    "commands",
    "extend",
    "glossary",
    "cite",
)


@dataclass(frozen=True)
class Page:
    """A page: the name that `semopt manual` knows it by, and its Markdown."""

    name: str
    text: str

    @property
    def title(self) -> str:
        """The words of the first heading."""
        return self.text.partition("\n")[0].removeprefix("# ")

    @property
    def sentence(self) -> str:
        """What one learns: the paragraph below the title, in one line."""
        return " ".join(self.text.partition("\n")[2].strip().partition("\n\n")[0].split())


def read(topic: str) -> Page:
    """Return a page by its name.

    Raises
    ------
    ValueError
        For a name that no page has, with those that are near.
    """
    if topic not in PAGES:
        from difflib import get_close_matches

        near = get_close_matches(topic.lower(), PAGES, 3, 0.5)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        raise ValueError(f"topic {topic!r}: is not one of {', '.join(PAGES)}{hint}")
    return Page(topic, (FOLDER / f"{topic}.md").read_text(encoding="utf-8"))
