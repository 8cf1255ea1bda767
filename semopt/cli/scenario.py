"""`semopt scenario`: show, check and make scenario files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .ending import end_cut
from .options import ScenarioArgument, check_slots, files_read, to_stdout
from .progress import progress

if TYPE_CHECKING:
    from rich.table import Table

    from ..scenario import Scenario

app = typer.Typer(help="Show, check and make scenario files.", no_args_is_help=True)

HEAD = """\
A scenario of semopt. `semopt scenario check FILE` says what is wrong with it;
`semopt scenario schema` prints the JSON schema that editors complete from.
[[users]], one entry a user, overrides keys of [user] and the weights of [qoe].
accuracy = {file = "surface.csv"} reads the table of a task from a file beside this one."""


@app.command("list")
def list_presets() -> None:
    """List the presets."""
    from ..scenario import presets

    known = presets()
    width = max(map(len, known), default=0)
    for name, description in known.items():
        typer.echo(f"{name:{width}}  {description}")


@app.command("check")
def check(
    scenarios: Annotated[
        list[str], typer.Argument(metavar="SCENARIO...", help="TOML files or names of presets.")
    ],
) -> None:
    """Say what is wrong with scenarios: every fault at once, exit code 2 if there is any."""
    from ..console import visible
    from ..scenario import Scenario

    failed = False
    for source in scenarios:
        try:
            scenario = Scenario.load(source)
            if scenario.channel is not None:
                scenario.draw(1, seed=0)
            typer.echo(visible(f"ok: {_summary(scenario)}"))
        except ValueError as error:
            failed = True
            typer.echo(visible(f"error: {error}"), err=True)
    if failed:
        raise typer.Exit(2)


@app.command("new")
def new(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The TOML file to write.")],
    source: Annotated[
        str, typer.Option("--from", metavar="SCENARIO", help="The scenario to start from.")
    ] = "paper",
    force: Annotated[bool, typer.Option("--force", help="Overwrite FILE.")] = False,
) -> None:
    """Write a commented scenario file to start from."""
    from ..files import check_apart, write_atomically
    from ..scenario import Scenario

    if file.exists() and not force:
        raise ValueError(f"{file} exists: choose another name, or overwrite it with --force")
    check_apart({"FILE": file}, files_read(source))
    document = Scenario.load(source).to_dict() | {"name": file.stem}
    scenario = Scenario.from_dict(document, file.parent, str(file))
    write_atomically(file, scenario.to_toml(HEAD, optional=True))
    typer.echo(f"wrote {file}")


@app.command("monotone")
def monotone(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="A scenario in TOML, or an accuracy table in CSV."),
    ],
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The file to write; FILE-monotone unless given."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite what is there.")] = False,
) -> None:
    """Write the nearest accuracy tables, in least squares, that do not fall along an axis.

    Measured accuracies are noisy; the bounds rely on tables that rise with extraction and SNR.
    """
    from ..files import check_writable, write_atomically
    from ..scenario.monotone import of_csv, of_scenario

    target = out or file.with_name(f"{file.stem}-monotone{file.suffix}")
    check_writable(target)
    if target.exists() and (target.samefile(file) or not force):
        beside = "it is the input" if target.samefile(file) else "overwrite it with --force"
        raise ValueError(f"{target} exists: choose another name with --out, {beside}")
    text, fits = (of_csv if file.suffix.lower() == ".csv" else of_scenario)(file)
    write_atomically(target, text)
    for name, fit in fits.items():
        typer.echo(f"{name} {fit}")
    typer.echo(f"wrote {target}")


@app.command("compare")
def compare(
    scenarios: Annotated[
        list[str], typer.Argument(metavar="SCENARIO...", help="TOML files or names of presets.")
    ],
    slots: Annotated[int, typer.Option(min=1, help="How many slots to draw of each.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the slots.")] = 0,
    json: Annotated[
        str | None, typer.Option(metavar="FILE|-", help="Write the figures as JSON; - prints them.")
    ] = None,
) -> None:
    """Compare the best decisions of scenarios over random slots: modes, extraction and means.

    Ctrl-C prints those that are finished.
    """
    from ..files import check_apart, write_json
    from ..report.batch import print_comparison
    from ..scenario import Scenario
    from ..solvers.batch import INTERRUPTED, solve_batch

    check_apart({"--json": json}, [file for source in scenarios for file in files_read(source)])
    loaded = [Scenario.load(source) for source in scenarios]
    found = {}
    for name, scenario in zip(_labels(loaded, scenarios), loaded, strict=True):
        check_slots(scenario, slots)
        with progress(f"{name}: drawing", None):
            gain, task = scenario.draw(slots, seed)
        with progress(name, slots) as told:
            batch = solve_batch(scenario, gain, task, progress=told, partial=True)
        if batch.stopped == INTERRUPTED:
            break
        found[name] = batch
    if json:
        figures = {name: {"modes": b.modes(), "mean": b.mean()} for name, b in found.items()}
        write_json(json, {"schema": 1, "slots": slots, "seed": seed, "scenarios": figures})
    if found and not to_stdout(json):
        print_comparison(found, seed)
    if len(found) < len(loaded):
        end_cut(f"{len(found)} of {len(loaded)} scenarios are compared")


@app.command("schema")
def schema() -> None:
    """Print the JSON schema of scenario files."""
    import json

    from ..scenario import Scenario

    typer.echo(json.dumps(Scenario.json_schema(), indent=2))


@app.command("show")
def show(
    scenario: ScenarioArgument = "paper",
    json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
    toml: Annotated[bool, typer.Option("--toml", help="Print it as a commented file.")] = False,
) -> None:
    """Show a scenario with its units; values that no source gives carry a mark and their reason."""
    from ..scenario import Scenario

    loaded = Scenario.load(scenario)
    if json and toml:
        raise ValueError("--json and --toml: one of the two is expected")
    if json:
        import json as encoder

        typer.echo(encoder.dumps(loaded.to_dict(), indent=2))
    elif toml:
        typer.echo(loaded.to_toml(), nl=False)
    else:
        _print(loaded)


def _labels(scenarios: Sequence[Scenario], sources: Sequence[str]) -> list[str]:
    """Return a label for each scenario: its name, and where several have it, source and number."""
    names = [scenario.name for scenario in scenarios]
    labels = [
        name if name == source or names.count(name) == 1 else f"{name} ({source})"
        for name, source in zip(names, sources, strict=True)
    ]
    return [f"{label} #{i + 1}" if label in labels[:i] else label for i, label in enumerate(labels)]


def _length(scenario: Scenario) -> str:
    """Return how long measured gains are, and which slots learning sees."""
    from ..channel.traces import parts

    slots = scenario.length()
    if slots is None or scenario.channel is None:
        return ""
    split = parts(slots, scenario.channel.split)
    lengths = ", ".join(f"{name} {len(rows)}" for name, rows in split.items())
    return f", a trace of {slots} slots ({lengths})"


def _summary(scenario: Scenario) -> str:
    """Return a scenario in a line."""
    from ..console import count

    grid = scenario.grid
    parts = [
        f"{scenario.users} users",
        f"{scenario.channels} sub-channels",
        f"tasks {', '.join(scenario.tasks)}",
        f"grid {grid.power} x {grid.frequency} x {grid.extraction}",
    ]
    if scenario.slot:
        parts.append(f"a slot of {count(scenario.problem().joint_actions())} joint actions")
    if scenario.channel:
        parts.append(f"channel {scenario.channel.model}{_length(scenario)}")
    return f"{scenario.name}: {', '.join(parts)}"


def _print(scenario: Scenario) -> None:
    from ..console import Console

    console, document, marks = Console(), scenario.to_dict(), _marks(scenario)
    console.print(f"{scenario.name}: {scenario.description}", style="bold")
    tables = [_section(name, document[name], marks) for name in _SECTIONS if name in document]
    tables.insert(3, _tasks(document["tasks"], marks))
    if users := document.get("users"):
        tables.insert(
            3, _columns("users", {f"user {n}": own for n, own in enumerate(users)}, marks)
        )
    for table in tables:
        console.print()
        console.print(table)
    if marks:
        console.print()
    for reason, (mark, paths) in _notes(marks, scenario.assumed).items():
        text = f"{mark} assumed: {', '.join(paths)}: {reason}"
        console.print(text)


SHOWN = 12  # entries of an array that are shown before the rest is counted
_SECTIONS = ("system", "qoe", "user", "grid", "slot", "channel")


def _marks(scenario: Scenario) -> dict[str, str]:
    """Return the mark of each assumed path: paths with one reason share a number."""
    numbers = {
        reason: f"*{i + 1}" for i, reason in enumerate(dict.fromkeys(scenario.assumed.values()))
    }
    return {path: numbers[reason] for path, reason in scenario.assumed.items()}


def _notes(marks: dict[str, str], assumed: dict[str, str]) -> dict[str, tuple[str, list[str]]]:
    """Return each reason with its mark and the paths that share it."""
    notes: dict[str, tuple[str, list[str]]] = {}
    for path, reason in assumed.items():
        notes.setdefault(reason, (marks[path], []))[1].append(path)
    return notes


def _mark(path: str, marks: dict[str, str]) -> str:
    """Return the mark of a key: its own, or that of a table around it."""
    while path not in marks and "." in path:
        path = path.rpartition(".")[0]
    return marks.get(path, "")


def _section(name: str, section: dict[str, Any], marks: dict[str, str]) -> Table:
    from ..scenario.sections import keys_of, section_at

    model = section_at((name,))
    sentences = keys_of(model) if model else {}
    rows = [
        (key, _text(value), _mark(f"{name}.{key}", marks), sentences.get(key, ""))
        for key, value in section.items()
    ]
    return _table([f"[{name}]", "", "", ""], rows)


def _tasks(tasks: dict[str, Any], marks: dict[str, str]) -> Table:
    shown = {
        name: {k: v for k, v in task.items() if k != "accuracy"} | _surface(task["accuracy"])
        for name, task in tasks.items()
    }
    return _columns("tasks", shown, marks)


def _surface(accuracy: dict[str, Any]) -> dict[str, str]:
    """Return the rows that sum an accuracy table up."""
    mu, snr, table = accuracy["extraction"], accuracy["snr_db"], accuracy["table"]
    rows = {
        "accuracy": f"{table[0][0]:g} to {table[-1][-1]:g}",
        "  extraction": f"{mu[0]:g} to {mu[-1]:g} in {len(mu)}",
        "  snr_db": f"{snr[0]:g} to {snr[-1]:g} in {len(snr)}",
    }
    if raw := accuracy.get("raw"):
        rows["  raw"] = f"{raw[0]:g} to {raw[-1]:g}"
    return rows


def _columns(name: str, entries: dict[str, dict[str, Any]], marks: dict[str, str]) -> Table:
    """Return a table with a column for each entry and a row for each key that any of them has."""
    rows = []
    for key in dict.fromkeys(key for entry in entries.values() for key in entry):
        values = [_text(entry[key]) if key in entry else "-" for entry in entries.values()]
        found = dict.fromkeys(_mark(f"{name}.{entry}.{key}", marks) for entry in entries)
        rows.append((key, *values, " ".join(mark for mark in found if mark)))
    return _table([f"[{name}]", *entries, ""], rows)


def _table(heads: list[str], rows: Sequence[tuple[str, ...]]) -> Table:
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for column, head in enumerate(heads):
        table.add_column(head, no_wrap=column == 0)
    for row in rows:
        table.add_row(*row)
    return table


def _text(value: Any) -> str:
    """Return a value in few characters; rows of an array each take a line."""
    if isinstance(value, list):
        between = "\n" if value and isinstance(value[0], list) else " "
        rest = [f"... ({len(value)} in all)"] if len(value) > SHOWN else []
        return between.join([_text(item) for item in value[:SHOWN]] + rest)
    return f"{value:g}" if isinstance(value, float) else str(value)
