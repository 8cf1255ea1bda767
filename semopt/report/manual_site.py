"""The manual as a site of files: no server, no network, a search that works from the disk."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from .manual import PAGES, read
from .manual_api import Described
from .manual_api import pages as pages_of_python

TEMPLATES = Path(__file__).parent / "templates"
SEARCH, STYLE = "iframe-worker.js", "manual.css"
OF_SERVERS = shutil.ignore_patterns("404.html", "sitemap.xml")
FENCE = re.compile(r'^```(\w+)( title=".+?")?.*$', re.MULTILINE)  # ```python title="a.py" long


def check_packages() -> None:
    """Raise ValueError where what makes the site is missing."""
    if find_spec("zensical") is None:
        raise ValueError("zensical is missing: pip install 'semopt[manual]'")


def check_folder(folder: Path) -> None:
    """Raise ValueError for a folder that holds something already, or is none."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        what = "is not empty" if folder.is_dir() else "is a file"
        raise ValueError(f"{folder} {what}: the name of a new folder is expected")


def write(folder: Path) -> Path:
    """Write the site into a new or empty folder; return its first page.

    Raises
    ------
    ValueError
        Where zensical is missing, or the folder is neither new nor empty.
    """
    check_packages()
    check_folder(folder)
    with TemporaryDirectory() as name:
        place = Path(name)
        python = list(pages_of_python())
        for file, text in sources(python):
            target = place / "docs" / file
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
        # JSON is YAML too.
        (place / "mkdocs.yml").write_text(json.dumps(settings(python)), encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-m", "zensical", "build"],
            cwd=place,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            reason = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
            raise ValueError(f"zensical cannot make the site: {' '.join(reason)}")
        shutil.copytree(place / "site", folder, dirs_exist_ok=True, ignore=OF_SERVERS)
    return folder / "index.html"


def sources(python: Sequence[Described]) -> Iterator[tuple[str, str]]:
    """Yield (file, content) of what the site is made of."""
    yield "index.md", front(python)
    for name in PAGES:
        yield f"{name}.md", FENCE.sub(r"```\1\2", read(name).text)
    for page in python:
        yield f"python/{page.name}.md", page.text
    for name in (SEARCH, STYLE):
        yield name, (TEMPLATES / name).read_text(encoding="utf-8")


def front(python: Sequence[Described]) -> str:
    """Return the first page: all topics and names, with what one learns of each."""
    from .. import __version__

    pages = [(f"[{read(name).title}]({name}.md)", read(name).sentence) for name in PAGES]
    names = [(f"[{page.name}](python/{page.name}.md)", page.summary) for page in python]
    lines = [f"# The manual of semopt\n\nVersion {__version__}."]
    for heading, rows in (("Pages", pages), ("Python", names)):
        table = [f"| {name} | {words} |" for name, words in rows]
        lines += [f"\n## {heading}\n", "| | what it says |", "| --- | --- |", *table]
    return "\n".join(lines) + "\n"


def settings(python: Sequence[Described]) -> dict[str, Any]:
    """Return the settings of the site."""
    schemes = {
        "default": ("light", "weather-night", "dark"),
        "slate": ("dark", "weather-sunny", "light"),
    }
    return {
        "site_name": "semopt",
        "use_directory_urls": False,
        "theme": {
            "name": "material",
            "font": False,  # that of the reader's system
            "features": ["navigation.footer", "content.code.copy", "navigation.sections"],
            "palette": [
                {
                    "media": f"(prefers-color-scheme: {here})",
                    "scheme": scheme,
                    "toggle": {"icon": f"material/{icon}", "name": f"Show it {other}"},
                }
                for scheme, (here, icon, other) in schemes.items()
            ],
        },
        "extra_css": [STYLE],
        "extra": {"generator": False, "polyfills": [{"path": SEARCH}]},
        "plugins": ["search", "offline"],
        "markdown_extensions": [
            "pymdownx.highlight",
            "pymdownx.superfences",
            {"toc": {"permalink": True}},
        ],
        "nav": [
            "index.md",
            *(f"{name}.md" for name in PAGES),
            {"Python": [{page.name: f"python/{page.name}.md"} for page in python]},
        ],
    }
