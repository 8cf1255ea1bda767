"""The manual: Markdown pages that are shipped with the package, and the order to read them in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "manual"
PAGES = ("start", "cite")


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


def read(name: str) -> Page:
    """Return a page by its name."""
    return Page(name, (FOLDER / f"{name}.md").read_text(encoding="utf-8"))
