"""`semopt bench`: the suites of bench/, run through pytest-benchmark, as one table."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from subprocess import PIPE, STDOUT
from typing import Annotated, Any

import typer

from ..report.lines import print_message
from ..report.progress import progress
from .ending import end_cut
from .options import JsonOption, to_stdout

PERCENT = re.compile(r"\[ *(\d+)%\]$")  # of its tests that are done, as pytest ends a line


def bench(
    suites: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SUITE]...",
            help="channel, device, env, evaluate, exact, global, learn, queue, search, semantic; "
            "or all.",
        ),
    ] = None,
    json: JsonOption = None,
    compare: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Show the change since a saved run.")
    ] = None,
) -> None:
    """Measure this machine: rates, ratios to named references and shares of its ceilings.

    The ceilings are its rate of the operations that a figure needs and, where no cache holds what
    it reads and writes, of copying memory.

    Every result is checked before it is timed. Run it while nothing else computes. Ctrl-C gives the
    suites that are finished.
    """
    from ..files import check_apart, write_json

    check_apart({"--json": json}, [compare] if compare else [])
    earlier = load(compare) if compare else {}
    files = chosen(suites or [])
    measured, finished = run(files)
    document = {"schema": 1, **measured}
    if json:
        write_json(json, document)
    if not to_stdout(json):
        from ..report.bench import print_bench

        print_bench(document, earlier)
    if finished < len(files):
        end_cut(f"{finished} of {len(files)} suites are measured and given")


def folder() -> Path:
    """Return the folder of the suites: a checkout's own, else the one beside the package."""
    package = Path(__file__).parents[1]
    for place in (Path.cwd() / "bench", package.parent / "bench", package / "bench"):
        if (place / "test_search.py").is_file():
            return place
    raise ValueError("bench: the folder of suites is not there: run it in a checkout of semopt")


def chosen(names: list[str]) -> list[Path]:
    """Return the files of the suites by name, all if there is none."""
    paths = {suite(path): path for path in sorted(folder().glob("test_*.py"))}
    for name in names:
        if name not in paths:
            raise ValueError(f"SUITE: {name!r} is not one of {', '.join(paths)}")
    return [paths[name] for name in names or paths]


def run(files: list[Path]) -> tuple[dict[str, Any], int]:
    """Run suites, each in a process of its own, until Ctrl-C.

    Returns
    -------
    The machine and its figures, and how many suites are finished.
    """
    from importlib.util import find_spec

    if find_spec("pytest_benchmark") is None:
        raise ValueError("bench: pytest-benchmark is not installed: pip install 'semopt[test]'")
    saved: list[dict[str, Any]] = []
    try:
        with progress(f"suites {', '.join(map(suite, files))}", len(files)) as advance:
            for file in files:
                saved.append(figures(file, partial(advance_from, advance, len(saved))))
    except KeyboardInterrupt:
        if not any(saved):
            raise
    measured = [part for part in saved if part]
    if not measured:
        raise ValueError(f"bench: nothing of {', '.join(map(suite, files))} can be measured here")
    results = [row(entry) for part in measured for entry in part["benchmarks"]]
    return {"machine": machine(measured[0]), "results": results}, len(saved)


def advance_from(advance: Callable[[float], None], suites: int, share: float) -> None:
    """Say how far a suite is, after others."""
    advance(suites + share)


def suite(file: Path) -> str:
    """Return the name of the suite in a file."""
    return file.stem.removeprefix("test_")


def figures(file: Path, advance: Callable[[float], None] = lambda share: None) -> dict[str, Any]:
    """Return what pytest-benchmark saves of one suite; nothing where all of it was skipped.

    `advance` takes the share of its benchmarks that are done.
    """
    with tempfile.TemporaryDirectory() as scratch:
        out, settings = Path(scratch) / "figures.json", Path(scratch) / "pytest.ini"
        settings.write_text("[pytest]\n")  # not those of a checkout that the suites lie in
        command = [sys.executable, "-P", "-m", "pytest", "-v", "-rs", "-p", "no:cacheprovider"]
        command += ["-c", str(settings), f"--rootdir={file.parent}"]
        command += ["--benchmark-only", f"--benchmark-json={out}", str(file)]
        code, output = run_pytest(command, advance)
        if code == 0 and not out.exists():
            reasons = re.findall(r"^SKIPPED \[\d+\] \S+: (.+)$", output, re.MULTILINE)
            why = "; ".join(dict.fromkeys(reasons))
            print_message(f"bench: suite {suite(file)} is skipped: {why}")
            return {}
        if code or not out.exists():
            raise ValueError(f"bench: suite {suite(file)} failed:\n{output[-4000:]}")
        saved: dict[str, Any] = json.loads(out.read_text())
        return saved


def run_pytest(command: list[str], advance: Callable[[float], None]) -> tuple[int, str]:
    """Run pytest; return its exit code and what it said. Ctrl-C ends it too."""
    output = []
    environment = os.environ | {"PYTHONUNBUFFERED": "1", "PYTEST_ADDOPTS": ""}
    with subprocess.Popen(
        command, stdout=PIPE, stderr=STDOUT, text=True, errors="replace", env=environment
    ) as process:
        try:
            for line in process.stdout or ():
                output.append(line)
                if percent := PERCENT.search(line):
                    advance(int(percent[1]) / 100)
        except KeyboardInterrupt:
            process.terminate()
            raise
    return process.returncode, "".join(output)


def machine(saved: dict[str, Any]) -> dict[str, Any]:
    """Return what a figure depends on besides the code."""
    from .._core import instruction_set, threads_available

    about, cpu = saved["machine_info"], saved["machine_info"].get("cpu", {})
    return {
        "cpu": cpu.get("brand_raw", about["machine"]),
        "threads": threads_available(),
        "instruction_set": instruction_set(),
        "system": f"{about['system']} {about['release']}",
        "python": about["python_version"],
        "date": saved["datetime"],
    }


def row(entry: dict[str, Any]) -> dict[str, Any]:
    """Return one result; a benchmark that states no rate gives its median time."""
    about = dict(entry["extra_info"])
    place, seconds = Path(entry["fullname"].split("::")[0]), entry["stats"]["median"]
    figures = {
        "suite": about.pop("suite", suite(place)),
        "name": about.pop("name", words(entry["name"])),
        "value": about.pop("value", seconds),
        "unit": about.pop("unit", "s"),
        "reference": about.pop("reference", None),
        "ratio": about.pop("ratio", None),
        "ceiling_fraction": about.pop("ceiling_fraction", None),
        "memory_fraction": about.pop("memory_fraction", None),
    }
    return {**figures, "seconds": seconds, "details": about}


def words(name: str) -> str:
    """Return the name of a test and its parameters as words."""
    return name.removeprefix("test_").replace("_", " ").replace("[", " ").removesuffix("]")


def load(file: Path) -> dict[tuple[str, ...], float]:
    """Return the values of a saved run, by suite, name and reference."""
    from ..report.bench import key
    from ..strict import read_json

    try:
        saved = read_json(file)
    except ValueError as fault:
        raise ValueError(f"--compare {file}: {fault}") from None
    try:
        return {key(entry): float(entry["value"]) for entry in saved["results"]}
    except (ValueError, KeyError, TypeError):
        raise ValueError(
            f"--compare {file}: is no file of `semopt bench --json`: its results are missing"
        ) from None
