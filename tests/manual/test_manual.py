"""Every block of the manual runs, and every command, option, name and link in it exists.

A page's blocks run in their order, in one fresh folder a page; blocks of Python share their names.
The words on a fence:

    ```bash, ```python         run here; `title="own.py"` writes it to that file instead, as of
    ```toml title="own.toml"   any language
    ```text exact              is what the block before it prints; a line "..." stands for any lines
    ```bash long               runs in the long tests alone
    ```bash needs=learn        needs an extra of the package
    ```bash no-run: REASON     is not run
"""

import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from importlib import import_module
from importlib.metadata import PackageNotFoundError, distribution
from io import StringIO
from itertools import pairwise
from pathlib import Path

import pytest
import typer
from markdown_it import MarkdownIt

import semopt
from semopt.cli import app
from semopt.report.manual import FOLDER, PAGES, read

ROOT = Path(__file__).parents[2]
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
TERMINAL = 78  # columns of code: two of 80 stand before it
SECTION = 60  # lines without a heading: a screen and a half
PATIENCE, LONG_PATIENCE = 120, 1800  # seconds that a block may take: it hangs after that
FENCE = re.compile(
    r"(?P<language>\w+)(?: title=\"(?P<title>[\w./-]+)\")?(?P<exact> exact)?(?P<long> long)?"
    r"(?: needs=(?P<needs>[\w,]+))?(?: no-run: (?P<unrun>\S.*))?"
)


@dataclass(frozen=True)
class Block:
    """A fenced block: its code, what its fence says, and its line on the page."""

    code: str
    language: str
    title: str | None
    exact: bool
    long: bool
    needs: tuple[str, ...]
    unrun: str | None
    line: int

    def missing(self):
        """Return the packages that it needs and that are not here."""
        names = [re.match(r"[\w.-]+", need)[0] for extra in self.needs for need in EXTRAS[extra]]
        return [name for name in names if name != "semopt" and not is_installed(name)]


def is_installed(name):
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True


def tokens_of(name):
    return MarkdownIt("commonmark").enable("table").parse(read(name).text)


def blocks_of(name):
    """Return the blocks of a page; a fence that says what nobody understands is a fault."""
    blocks = []
    for token in tokens_of(name):
        if token.type == "fence":
            words, line = FENCE.fullmatch(token.info.strip()), token.map[0] + 1
            assert words, f"{name}.md, line {line}: ```{token.info} is not understood"
            language, title, exact, long, needs, unrun = words.groups()
            blocks.append(
                Block(
                    token.content,
                    language,
                    title,
                    bool(exact),
                    bool(long),
                    tuple(needs.split(",")) if needs else (),
                    unrun,
                    line,
                )
            )
    return blocks


# ------------------------------------------------------------------------------ blocks run


@pytest.fixture
def programs(tmp_path_factory, monkeypatch):
    """`semopt` and `python` are those of this test, tables are 80 columns wide."""
    folder = tmp_path_factory.mktemp("programs")
    for name, module in {"semopt": "-m semopt", "python": ""}.items():
        script = folder / name
        script.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {module} "$@"\n')
        script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    for name, value in {"COLUMNS": "80", "TERM": "dumb", "PYTHONIOENCODING": "utf-8"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)


@dataclass
class Reader:
    """Who goes through a page from top to bottom and does what it says."""

    folder: Path
    long: bool
    names: dict = field(default_factory=lambda: {"__name__": "__main__"})
    output: str | None = None
    left_out: list = field(default_factory=list)

    def follow(self, block, place):
        """Do what a block says."""
        if block.title:
            (self.folder / block.title).write_text(block.code)
        elif block.language in ("bash", "python"):
            self.output = self.run(block, place)
        elif block.exact and self.output is not None:
            assert matches(block.code, self.output), f"{place}: the output is\n{self.output}"
        elif block.language == "toml":
            tomllib.loads(block.code)
        elif block.language == "json":
            json.loads(block.code)

    def run(self, block, place):
        """Return what a command or a program prints, or None where it is not run here."""
        missing = block.missing()
        if missing:
            self.left_out.append(f"{place}: {', '.join(missing)} is missing")
        if missing or block.unrun or (block.long and not self.long):
            return None
        if block.language == "python":
            with redirect_stdout(StringIO()) as printed:
                exec(compile(block.code, place, "exec"), self.names)
            return printed.getvalue()
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", block.code],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=LONG_PATIENCE if block.long else PATIENCE,
            check=False,
        )
        assert done.returncode == 0, f"{place}:\n{block.code}{done.stdout}{done.stderr}"
        return done.stdout


def matches(written, printed):
    """Tell whether a page shows what is printed; a line "..." stands for any lines."""
    both = (text.strip("\n").splitlines() for text in (written, printed))
    return follows(*([line.rstrip() for line in lines] for lines in both))


def follows(written, printed):
    """Tell whether lines are those written; patterns of `re` take for ever where they are not."""
    if written[:1] == ["..."]:
        return any(follows(written[1:], printed[i:]) for i in range(len(printed) + 1))
    if not written or not printed:
        return written == printed
    return written[0] == printed[0] and follows(written[1:], printed[1:])


def read_through(name, folder, monkeypatch, long):
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(folder)
    there, reader = set(sys.modules), Reader(folder, long)
    for block in blocks_of(name):
        reader.follow(block, f"{name}.md, line {block.line}")
    for module in set(sys.modules) - there:
        if str(getattr(sys.modules[module], "__file__", "")).startswith(str(folder)):
            del sys.modules[module]
    if reader.left_out:
        pytest.skip("; ".join(reader.left_out))


@pytest.mark.parametrize("name", PAGES)
def test_blocks_run(name, tmp_path, monkeypatch, programs):
    read_through(name, tmp_path, monkeypatch, long=False)


@pytest.mark.long
@pytest.mark.parametrize("name", [name for name in PAGES if any(b.long for b in blocks_of(name))])
def test_long_blocks_run(name, tmp_path, monkeypatch, programs):
    read_through(name, tmp_path, monkeypatch, long=True)


def test_what_is_not_exact_is_told():
    printed = "a b  \nc\nd\n"
    assert matches("a b\nc\nd", printed)
    assert matches("a b\n...\nd", printed)
    assert matches("...\nd", printed)
    assert not matches("a b\nd", printed)
    assert not matches("a b\nc", printed)
    assert not matches("a.b\nc\nd", printed)
    assert not matches("...\ne", "a long line of words that say nothing\n" * 200)


# ------------------------------------------------------------------------------ pages are whole


def test_the_list_has_every_page_and_no_other():
    assert sorted(PAGES) == sorted(path.stem for path in FOLDER.glob("*.md"))


@pytest.mark.parametrize("name", PAGES)
def test_a_page_begins_with_its_title_and_a_sentence(name):
    page = read(name)
    assert page.text.startswith(f"# {page.title}\n\n")
    assert re.fullmatch(r"[A-Z].{20,160}\.", page.sentence), page.sentence
    assert page.text.endswith("\n")
    assert "\n# " not in re.sub(r"```.*?```", "", page.text, flags=re.DOTALL)


@pytest.mark.parametrize("name", PAGES)
def test_no_section_is_longer_than_a_screen_and_a_half(name):
    headings = [t.map[0] for t in tokens_of(name) if t.type == "heading_open"]
    ends = [*headings[1:], len(read(name).text.splitlines())]
    for start, end in zip(headings, ends, strict=True):
        assert end - start <= SECTION, f"{name}.md: {end - start} lines from line {start + 1} on"


@pytest.mark.parametrize("name", PAGES)
def test_code_fits_a_terminal(name):
    for block in blocks_of(name):
        if block.language in ("bash", "python", "toml"):
            for number, line in enumerate(block.code.splitlines(), block.line + 1):
                assert len(line) <= TERMINAL, f"{name}.md, line {number}: {len(line)} columns"


def anchors(name):
    """Return what a link can point at on a page: its headings, as sites name them."""
    tokens = tokens_of(name)
    titles = [after.content for t, after in pairwise(tokens) if t.type == "heading_open"]
    return {re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", t.lower()).strip()) for t in titles}


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(name):
    links = [
        child.attrs["href"]
        for token in tokens_of(name)
        for child in token.children or ()
        if child.type == "link_open"
    ]
    for link in links:
        if not link.startswith("https://"):
            page, _, anchor = link.partition("#")
            target = page.removesuffix(".md") if page else name
            assert target in PAGES, f"{name}.md: {link}"
            assert page == f"{target}.md" or not page, f"{name}.md: {link}"
            assert not anchor or anchor in anchors(target), f"{name}.md: {link}"


# ------------------------------------------------------------------------------ names exist


COMMANDS = typer.main.get_command(app)


def options_of(command):
    return {option for parameter in command.params for option in parameter.opts}


def every_option(command=COMMANDS):
    found = {*options_of(command), "--help", "--install-completion", "--show-completion"}
    for part in getattr(command, "commands", {}).values():
        found |= every_option(part)
    return found


def check_command(words):
    """Assert that a command line of semopt names a command, and options that it has."""
    command, rest = COMMANDS, words
    while rest and hasattr(command, "commands") and re.fullmatch(r"[a-z][\w-]*", rest[0]):
        assert rest[0] in command.commands, f"{shlex.join(words)}: {rest[0]} is no command"
        command, rest = command.commands[rest[0]], rest[1:]
    shared = {"--help", "-h", "--quiet", "--verbose", *options_of(COMMANDS)}
    for word in rest:
        option = word.partition("=")[0]
        if option.startswith("--"):
            assert option in options_of(command) | shared, f"{shlex.join(words)}: {option}"


def commands_in(text):
    """Yield the words of each command of semopt in lines of a shell."""
    for line in text.replace("\\\n", " ").splitlines():
        for part in re.split(r"&&|\|\||[|;]", line):
            words = shlex.split(part, comments=True)
            if words[:3] == ["python", "-m", "semopt"]:
                words = words[2:]
            if words[:1] == ["semopt"]:
                yield words[1:]


def spans_of(name):
    """Yield the pieces of code within the sentences of a page."""
    for token in tokens_of(name):
        for child in token.children or ():
            if child.type == "code_inline":
                yield child.content


@pytest.mark.parametrize("name", PAGES)
def test_commands_and_options_exist(name):
    for block in blocks_of(name):
        if block.language == "bash":
            for words in commands_in(block.code):
                check_command(words)
    for span in spans_of(name):
        if span.startswith(("semopt ", "python -m semopt ")):
            for words in commands_in(span.replace("'", "")):
                check_command(words)
        elif span.startswith("--"):
            option = re.match(r"--[\w-]*", span)[0]
            assert option in every_option(), f"{name}.md: no command has {option}"


@pytest.mark.parametrize("name", PAGES)
def test_names_of_python_exist(name):
    for span in spans_of(name):
        for dotted in re.findall(r"^semopt(?:\.\w+)+", span):
            assert resolves(dotted), f"{name}.md: {dotted}"


def resolves(dotted):
    """Tell whether a dotted name is a module of the package, or is in one."""
    found = semopt
    path = "semopt"
    for part in dotted.split(".")[1:]:
        path += f".{part}"
        try:
            found = getattr(found, part, None) or import_module(path)
        except ImportError:
            return False
    return True
