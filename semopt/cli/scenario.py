"""`semopt scenario`: show, check and make scenario files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..report.lines import print_line, print_message, print_names, print_note, print_written
from ..report.progress import progress
from .ending import end_cut
from .options import JsonOption, ScenarioArgument, files_read, to_stdout

if TYPE_CHECKING:
    from ..scenario import Scenario

app = typer.Typer(help="Show, check and make scenario files.", no_args_is_help=True)

HEAD = """\
A scenario of semopt. `semopt scenario check FILE` says what is wrong with it;
`semopt scenario schema` prints the JSON schema that editors complete from.
[[users]], one entry a user, overrides keys of [user] and the weights of [qoe].
accuracy = {file = "surface.csv"} reads the table of a task from a file beside this one."""

SLOTS = 1000  # of a comparison, unless another number is asked for


@app.command("list")
def list_presets() -> None:
    """List the presets."""
    from ..scenario import presets

    print_names(presets())


@app.command("check")
def check(
    scenarios: Annotated[
        list[str], typer.Argument(metavar="SCENARIO...", help="TOML files or names of presets.")
    ],
) -> None:
    """Say what is wrong with scenarios: every fault at once, exit code 2 if there is any.

    Notes say what is allowed and seldom meant, such as gains in another unit.
    """
    from ..report.scenario import summary
    from ..scenario import Scenario
    from ..scenario.notes import notes

    failed = False
    for source in scenarios:
        try:
            scenario = Scenario.load(source)
            if scenario.channel is not None:
                scenario.draw(1, seed=0)
            print_line(f"ok: {summary(scenario)}")
            for note in notes(scenario):
                print_note(f"{source}: {note}")
        except ValueError as error:
            failed = True
            print_message(f"error: {error}")
    if failed:
        raise typer.Exit(2)


@app.command("new")
def new(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The TOML file to write.")],
    source: Annotated[
        str, typer.Option("--from", metavar="SCENARIO", help="The scenario to start from.")
    ] = "paper",
    users: Annotated[int | None, typer.Option(min=1, help="Number of users.")] = None,
    channels: Annotated[int | None, typer.Option(min=1, help="Number of sub-channels.")] = None,
    from_csv: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TASK=FILE", help="Accuracy of a task, as a grid or a row for each point."
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Another value, such as system.bandwidth_mhz=4, or for one user "
            "users\\[1].power_mw=\\[10,30].",  # Rich reads [words]
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite FILE.")] = False,
) -> None:
    r"""Write a commented scenario file to start from.

    Comments name every key that may be added, with its unit. `semopt manual formats` has examples
    of files, `semopt manual channels` of gains.

    Users that differ, an entry each:

    semopt scenario new my.toml --users 2 --set 'users=\[{}, {power_mw=\[10,30]}]'
    """
    from ..files import check_apart, write_atomically
    from ..scenario import Scenario, toml
    from ..scenario.notes import notes

    if file.exists() and not force:
        raise ValueError(f"{file} exists: choose another name, or overwrite it with --force")
    tables = assigned("--from-csv", from_csv, "TASK=FILE")
    values = assigned("--set", settings, "KEY=VALUE")
    check_apart({"FILE": file}, [*files_read(source), *tables.values()])
    given = {"users": users, "channels": channels}
    sizes = {key: size for key, size in given.items() if size is not None}
    changes = {key: _value(key, text) for key, text in values.items()}
    for task, table in tables.items():
        key = f"tasks.{toml.key(task)}.accuracy"
        if key in values:
            raise ValueError(f"--from-csv {task}={table}: --set {key} is given too, give one")
        changes[key] = {"file": str(Path(table).absolute())}
    before = Scenario.load(source)
    if made := [
        *(f"{size} {key}" for key, size in sizes.items()),
        *(f"the accuracy of {task} from {Path(table).name}" for task, table in tables.items()),
        *(settings or []),
    ]:
        changes.setdefault("description", f"{before.name} with {', '.join(made)}")
    changes.setdefault("name", file.stem)
    scenario = before.replace(changes, **sizes)
    write_atomically(file, scenario.to_toml(HEAD, optional=True, folder=file.parent))
    print_written(file)
    for note in notes(scenario):
        print_note(note)


def assigned(option: str, texts: list[str] | None, form: str) -> dict[str, str]:
    """Return the two sides of what the uses of an option assign, each left side once."""
    sides: dict[str, str] = {}
    for text in texts or []:
        name, sign, value = text.partition("=")
        if not (name and sign and value):
            raise ValueError(f"{option} {text}: {form} is expected")
        if name.strip() in sides:
            raise ValueError(f"{option} {name} is given twice: give it once")
        sides[name.strip()] = value
    return sides


def _value(key: str, text: str) -> Any:
    """Return the value of --set, or raise ValueError naming it."""
    from ..scenario import toml

    try:
        return toml.value(text)
    except ValueError as error:
        raise ValueError(f"--set {key}={text}: {error}") from None


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

    if not file.name:
        raise ValueError(f"FILE {file}: is a folder, a scenario or a table is expected")
    target = out or file.with_name(f"{file.stem}-monotone{file.suffix}")
    check_writable(target)
    if target.exists() and (target.samefile(file) or not force):
        cure = "it is the input" if target.samefile(file) else "overwrite it with --force"
        raise ValueError(f"{target} exists: choose another name with --out, {cure}")
    text, fits = (of_csv if file.suffix.lower() == ".csv" else of_scenario)(file)
    write_atomically(target, text)
    for name, fit in fits.items():
        print_line(f"{name} {fit}")
    print_written(target)


@app.command("gains")
def gains(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="Complex coefficients: .npy, .npz or .mat.")
    ],
    axes: Annotated[
        str,
        typer.Option(
            metavar="WORDS",
            help="A word for each axis of the array: user, time, batch, rx, tx, path, subcarrier; "
            'one for an axis of length 1. "user rx time subcarrier", for instance.',
        ),
    ],
    channels: Annotated[
        int | None,
        typer.Option(min=1, help="Sub-channels, of equally many neighbouring sub-carriers each."),
    ] = None,
    antennas: Annotated[
        str,
        typer.Option(
            metavar="mrc|power",
            help="Maximum-ratio combining at the access point, or the mean over pairs of antennas.",
        ),
    ] = "mrc",
    mean: Annotated[
        float | None, typer.Option(help="Scale all gains by one factor to this mean.")
    ] = None,
    variable: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The array, where .npz or .mat holds several."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE.npy", help="The file to write; FILE-gains.npy unless given."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite what is there.")] = False,
) -> None:
    """Turn complex channel responses into a trace of linear power gains, for model = "trace".

    Powers add over paths and over the access point's antennas, and are averaged over the
    sub-carriers of a sub-channel: `semopt manual channels`.
    """
    import numpy as np

    from ..channel.coefficients import from_file
    from ..files import check_apart, writing
    from ..report.scenario import print_gains

    if not file.name:
        raise ValueError(f"FILE {file}: is a folder, a file with coefficients is expected")
    target = out or file.with_name(f"{file.stem}-gains.npy")
    if target.suffix.lower() != ".npy":
        raise ValueError(f"--out {target}: a name that ends in .npy is expected")
    check_apart({"--out": target}, [file])
    if target.exists() and not force:
        raise ValueError(f"{target} exists: choose another name with --out, or --force")
    rules = {"channels": channels, "antennas": antennas, "mean": mean}
    try:
        gain = from_file(file, axes, variable, **rules)
    except ValueError as error:
        raise ValueError(str(error) if str(file) in str(error) else f"{file}: {error}") from None
    with writing(target) as stream:
        np.save(stream, gain)
    print_gains(gain, target)


@app.command("compare")
def compare(
    scenarios: Annotated[
        list[str], typer.Argument(metavar="SCENARIO...", help="TOML files or names of presets.")
    ],
    slots: Annotated[
        int | None,
        typer.Option(
            min=1, help=f"How many slots to draw of each; {SLOTS}, or as many as a trace has."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the slots.")] = 0,
    json: JsonOption = None,
) -> None:
    """Compare the best decisions of scenarios over random slots: modes, extraction and means.

    Ctrl-C prints those that are finished.
    """
    from ..files import check_apart, write_json
    from ..report.batch import print_comparison
    from ..result import INTERRUPTED
    from ..scenario import Scenario
    from ..solvers.batch import solve_batch

    check_apart({"--json": json}, [file for source in scenarios for file in files_read(source)])
    loaded = [Scenario.load(source) for source in scenarios]
    if slots is None:
        slots = min([SLOTS, *(length for each in loaded if (length := each.length()))])
    batches = {}
    for name, scenario in zip(_labels(loaded, scenarios), loaded, strict=True):
        with progress(f"{name}: drawing", None):
            gain, task = scenario.draw(slots, seed)
        with progress(name, slots) as advance:
            batch = solve_batch(scenario, gain, task, progress=advance, partial=True)
        if batch.stopped == INTERRUPTED:
            break
        batches[name] = batch
    if json:
        figures = {name: {"modes": b.modes(), "mean": b.mean()} for name, b in batches.items()}
        write_json(json, {"schema": 1, "slots": slots, "seed": seed, "scenarios": figures})
    if batches and not to_stdout(json):
        print_comparison(batches, seed)
    if len(batches) < len(loaded):
        end_cut(f"{len(batches)} of {len(loaded)} scenarios are compared")


@app.command("schema")
def schema() -> None:
    """Print the JSON schema of scenario files."""
    from ..files import write_json
    from ..scenario import Scenario

    write_json("-", Scenario.json_schema())


@app.command("plot")
def plot(
    scenario: ScenarioArgument,
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="FILE.html, .svg, .png or .pdf; needs semopt\\[plots]."
        ),
    ],
    user: Annotated[int, typer.Option(min=0, help="Whose modes are compared.")] = 0,
) -> None:
    """Draw a scenario: accuracy by SNR, its gains, and which mode wins at which gain and load."""
    from ..files import check_apart
    from ..report.plots import check_target, of_scenario, write
    from ..scenario import Scenario

    check_target("FILE", file)
    check_apart({"FILE": file}, files_read(scenario))
    loaded = Scenario.load(scenario)
    with progress("modes by gain and load", 1.0) as tick:
        chart = of_scenario(loaded, user, tick)
    write(chart, file)
    print_written(file)


@app.command("show")
def show(
    scenario: ScenarioArgument = "paper",
    json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
    toml: Annotated[bool, typer.Option("--toml", help="Print it as a commented file.")] = False,
) -> None:
    """Show a scenario with its units; values that no source gives carry a mark and their reason."""
    from ..files import write_json, write_text
    from ..report.scenario import print_scenario
    from ..scenario import Scenario

    loaded = Scenario.load(scenario)
    if json and toml:
        raise ValueError("--json and --toml: one of the two is expected")
    if json:
        write_json("-", loaded.to_dict())
    elif toml:
        write_text("-", [loaded.to_toml()])
    else:
        print_scenario(loaded)


def _labels(scenarios: Sequence[Scenario], sources: Sequence[str]) -> list[str]:
    """Return a label for each scenario: its name, and where several have it, source and number."""
    names = [scenario.name for scenario in scenarios]
    labels = [
        name if name == source or names.count(name) == 1 else f"{name} ({source})"
        for name, source in zip(names, sources, strict=True)
    ]
    return [f"{label} #{i + 1}" if label in labels[:i] else label for i, label in enumerate(labels)]
