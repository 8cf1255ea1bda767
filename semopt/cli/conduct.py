"""What the commands of all studies share: their options, and how a study is conducted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import learning, to_stdout

if TYPE_CHECKING:
    from ..scenario import Scenario
    from ..studies.questions import Question

# The options that every study takes; `conduct` does what they ask.
Out = Annotated[
    Path, typer.Option(metavar="DIR", help="Folder of cells; a study goes on where it stands.")
]
Engine = Annotated[str, typer.Option(help="local, ray or dask.")]
Workers = Annotated[int, typer.Option(min=0, help="Processes; 0 for one a core.")]
Shard = Annotated[str, typer.Option(metavar="i/n", help="The i-th of n parts, for job arrays.")]
Json = Annotated[
    str | None, typer.Option(metavar="FILE|-", help="Write the result as JSON; - prints it.")
]
DIR = Path("study")


def check_outputs(out: Path, json: str | None, read: Iterable[str | Path]) -> None:
    """Raise ValueError where a study would write upon what it reads, or twice on one file."""
    from ..files import check_apart

    written = [out / name for name in ("study.json", "results.parquet", "report.html")]
    check_apart({"--json": json}, [*read, *written])


def scenarios_of(files: Sequence[str], vary: Sequence[str] = ()) -> list[Scenario]:
    """Return scenarios, each with every value of `--vary`; no two may have one name."""
    from ..scenario import Scenario

    with learning("study"):
        from ..studies.gap.vary import varied
    scenarios = varied([Scenario.load(file) for file in files], vary)
    names = [loaded.name for loaded in scenarios]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"--scenario: two scenarios are called {name}: name one another")
    return scenarios


def print_files(out: Path, files: Sequence[Path]) -> None:
    """Name the page of a study, where its tables and figures are, and those of what is varied."""
    from ..report.lines import print_line, print_written

    print_written(out / "report.html")
    varied = [file for file in files if file.name.startswith("over-")]
    for file in (file for file in varied if file.suffix in (".pdf", ".tex")):
        print_written(file)
    kinds = {
        folder: ", ".join(sorted({f.suffix for f in files if f.parent.name == folder}))
        for folder in ("tables", "figures")
    }
    if places := [f"{folder} ({of}) in {out / folder}" for folder, of in kinds.items() if of]:
        print_line(" and ".join(places))


def conduct(
    question: Question, out: Path, engine: str, workers: int, shard: str, json: str | None
) -> None:
    """Compute the cells of a question that are not there yet; write and print what they say.

    Ctrl-C keeps every cell that is finished. The exit code is 1 where cells failed.
    """
    from ..files import write_json
    from ..report.lines import print_message, print_note
    from ..report.progress import progress
    from .ending import end_cut

    with learning("study"):
        from ..studies import engine as engines
        from ..studies.cells import Store
        from ..studies.questions import begin, cells_of, keep, unanswered, uncounted
    part, store, cells, cut = engines.shard_of(shard), Store(out), cells_of(question), False
    engines.check(engine)
    if replaced := begin(question, store):
        print_message(
            f"{out} holds study {replaced}: report.html, study.json, tables and figures become "
            f"those of study {question.name}; its cells and its rows of results.parquet stay"
        )
    for sentence in uncounted(question):
        print_note(sentence)
    try:
        with progress(f"study {question.name}", len(cells)) as tick:
            done = engines.run(
                cells, store, engine, workers, part, lambda there, total, label: tick(there)
            )
    except KeyboardInterrupt:
        cut = True
    missing, files = unanswered(question, store), list[Path]()
    if cut or not missing:
        with progress("results, page, tables and figures", None):
            files = keep(question, store)
    if json:
        write_json(json, question.document(store))
    if not to_stdout(json) and (cut or not missing):
        question.show(store)
        print_files(out, files)
    if cut:
        finished = sum(store.read(cell) is not None for cell in cells)
        end_cut(f"{finished} of {len(cells)} cells are finished and kept in {out}")
    if missing:
        print_message(
            f"{len(cells) - missing} of {len(cells)} cells are answered; the shard that ends last "
            f"writes the page, and semopt study report {out} shows what is there"
        )
    if done.failed:
        first = min(done.failed)
        print_message(
            f"{len(done.failed)} of {len(done.cells)} cells failed, each for a reason that stands "
            f"in {out / 'report.html'}; the first, {done.cells[first].label}: {done.failed[first]}"
        )
        raise typer.Exit(1)
