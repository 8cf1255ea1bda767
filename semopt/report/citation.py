"""How to cite semopt, and the paper whose problem it solves, in the formats of others' tools."""

from __future__ import annotations

from .. import __doc__ as about
from .. import __version__

TITLE = (about or "semopt").partition("\n")[0].rstrip(".")
YEAR = 2026
TEAM = "The semopt authors"

PAPER = "Online Multi-Task Offloading for Semantic-Aware Edge Computing Systems"
AUTHORS = (
    ("Xuyang", "Chen"),
    ("Qu", "Luo"),
    ("Gaojie", "Chen"),
    ("Daquan", "Feng"),
    ("Yao", "Sun"),
)
PAPER_YEAR = 2024
ARXIV = "2407.11018"  # the first version, whose model this is
ADDRESS = f"https://arxiv.org/abs/{ARXIV}v1"


def bibtex() -> str:
    """Return two entries of BibTeX; @misc, since old styles do not know @software."""
    authors = " and ".join(f"{family}, {given}" for given, family in AUTHORS)
    return f"""\
@misc{{semopt,
  title = {{{{{TITLE}}}}},
  author = {{{{{TEAM}}}}},
  year = {{{YEAR}}},
  howpublished = {{Computer software, version {__version__}}},
}}

@misc{{chen2024online,
  title = {{{{{PAPER}}}}},
  author = {{{authors}}},
  year = {{{PAPER_YEAR}}},
  eprint = {{{ARXIV}v1}},
  archivePrefix = {{arXiv}},
  url = {{{ADDRESS}}},
}}
"""


def apa() -> str:
    """Return two references in the style of the APA."""
    names = [f"{family}, {given[0]}." for given, family in AUTHORS]
    people = f"{', '.join(names[:-1])}, & {names[-1]}"
    return f"""\
{TEAM}. ({YEAR}). {TITLE} (Version {__version__}) [Computer software].

{people} ({PAPER_YEAR}). {PAPER.capitalize()} (arXiv:{ARXIV}v1). arXiv. {ADDRESS}
"""


def cff() -> str:
    """Return the content of a CITATION.cff, of version 1.2.0 of its format."""
    authors = "\n".join(
        f"      - given-names: {given}\n        family-names: {family}" for given, family in AUTHORS
    )
    return f"""\
cff-version: 1.2.0
message: Please cite semopt, and the paper whose problem it solves.
type: software
title: "{TITLE}"
version: {__version__}
license: MIT
authors:
  - name: {TEAM}
references:
  - type: article
    title: {PAPER}
    year: {PAPER_YEAR}
    url: {ADDRESS}
    authors:
{authors}
"""


FORMATS = {"bibtex": bibtex, "apa": apa, "cff": cff}
