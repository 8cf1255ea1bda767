"""The registry of studies: what each asks, and what every one leaves in its folder.

A question names its cells, and makes a page, a document and a table of those that are there: so a
study can be shown at any time, also unfinished. `study.json` holds its settings, from which
`semopt study report DIR` makes the question again.
"""

from __future__ import annotations

import json
import os
import platform
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from .. import __version__
from ..files import write_atomically, writing
from ..learn.evaluate import strongest
from ..limits import has_battery
from ..problem import Floats
from ..report.page import Report, write
from ..scenario import Scenario
from ..strict import read_json
from ..worth import tasks_in
from . import marl_eval
from .cells import Cell, Store, column, digest, digest_of_extension, written
from .method_cell import MethodCell, undecided

# The question of each study, by its name on the command line.
STUDIES = {
    "gap": "gap.question:Question",
    "scaling": "scaling.question:Question",
    "calibrate": "calibrate.question:Question",
    "information": "information.question:Question",
    **dict.fromkeys(
        ("paper", "table3", "table4", "table5", *(f"fig{number}" for number in range(6, 13))),
        "paper.question:Question",
    ),
    "policies": "policies:Question",
}
PARTS = "parts"  # key of study.json: names of the cells that each part rests on
SETTINGS = "study.json"
SHOWN = "shown"  # file of the locks: what the page shows, and the files that show it


class Question(Protocol):
    """What a study asks."""

    @property
    def name(self) -> str:
        """Its name, one of `STUDIES`."""

    @classmethod
    def of_settings(cls, settings: Mapping[str, Any]) -> Self:
        """Return the question of the settings that `settings` gave."""

    def settings(self) -> dict[str, Any]:
        """Return what makes the question again, in the words of JSON."""

    def parts(self) -> Mapping[str, Sequence[Cell]]:
        """Return the cells that each part of the study rests on, shared ones in each of them."""

    def report(self, store: Store) -> Report:
        """Return the page, from the cells that are there."""

    def document(self, store: Store) -> dict[str, Any]:
        """Return the JSON of the study, from the cells that are there."""

    def show(self, store: Store) -> None:
        """Print the study's tables, from the cells that are there."""


def command_of(study: str, words: Iterable[object], folder: Path) -> str:
    """Return the command, in the words of a shell, that makes a study in a folder anew."""
    return shlex.join(
        ["python", "-m", "semopt", "study", study, *map(str, words), "--out", str(folder)]
    )


def known(value: Any) -> Any:
    """Return a value for JSON and tables: None where a number is not known."""
    return None if isinstance(value, float) and np.isnan(value) else value


def cells_of(question: Question) -> list[Cell]:
    """Return the cells of a question, each once; first those that others wait for."""
    every_cell = {cell.name(): cell for cells in question.parts().values() for cell in cells}
    turns = {"training": 0, "rank": 2}
    return sorted(every_cell.values(), key=lambda cell: turns.get(cell.kind, 1))


def rows_document(study: str, slots: int, rows: Sequence[Any]) -> dict[str, Any]:
    """Return the JSON of a study that is rows of slots; numbers that are not known are null."""
    entries = [{name: known(value) for name, value in vars(row).items()} for row in rows]
    return {"schema": 1, "study": study, "slots": slots, "rows": entries}


def uncounted(question: Question) -> Iterator[str]:
    """Yield a sentence on each scenario whose batteries are not counted: studies are of slots."""
    documents = {json.dumps(of): of for c in cells_of(question) if (of := vars(c).get("scenario"))}
    for scenario in map(Scenario.from_dict, documents.values()):
        if has_battery(scenario.template()):
            yield (
                f"{scenario.name}: user.battery_mj is not counted: this study decides slots one by "
                "one; semopt evaluate plays whole queues"
            )


def lacking(question: Question, store: Store) -> Iterator[str]:
    """Yield a sentence on what is not counted, on cells that are not there, on each that failed."""
    yield from (f"{sentence}." for sentence in uncounted(question))
    cells = cells_of(question)
    reasons = {cell.label: store.reason(cell) for cell in cells if store.read(cell) is None}
    missing = sum(not reason for reason in reasons.values())
    if missing:
        yield f"{missing} of {len(cells)} cells are not there yet."
    for label, reason in reasons.items():
        if reason:
            yield f"{label}: failed: {reason}"
    versions = [(about["semopt"], about["extension"]) for about in store.contents()]
    for version, extension in dict.fromkeys(versions):
        if (version, extension) != (__version__, digest_of_extension()):
            count, build = versions.count((version, extension)), extension[:8]
            yield (
                f"{count} cells of {store.folder} are of semopt {version}, build {build}: this is "
                f"semopt {__version__}, build {digest_of_extension()[:8]}, which does not use them."
            )


def of_folder(folder: Path) -> Question:
    """Return the question that was last asked of a study's folder.

    Raises
    ------
    ValueError
        Where the folder holds none.
    """
    file = folder / SETTINGS
    if not file.is_file():
        raise ValueError(f"{folder}: holds no study: semopt study gap --out {folder} makes one")
    try:
        about = read_json(file)
        if not isinstance(about, dict) or about.get("study") not in [*STUDIES]:
            raise ValueError(f"is no study's: study = one of {', '.join(STUDIES)} is expected")
        module, name = STUDIES[about["study"]].split(":")
        kind: type[Question] = getattr(import_module(f".{module}", __package__), name)
        return kind.of_settings(about)
    except KeyError as error:
        raise ValueError(f"{file}: the key {error} is missing") from None
    except (TypeError, AttributeError) as error:
        raise ValueError(
            f"{file}: a key is not what study {about['study']} wrote: {error}"
        ) from None
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from None


def begin(question: Question, store: Store) -> str:
    """Write the settings of a study before its cells: it can be shown while it is unfinished.

    Returns the name of another study that was asked of the folder before, whose page this one's
    will replace; "" where there is none.

    A part rests on the cells of the question that was last asked; the folder's other parts stay.
    """
    store.begin()
    with store.alone():
        parts = parts_of(store.folder)
        for part, cells in question.parts().items():
            parts[part] = list(dict.fromkeys(cell.name() for cell in cells))
        about = settings_of(question) | {PARTS: parts}
        before = written(store.folder / SETTINGS).get("study", question.name)
        write_atomically(store.folder / SETTINGS, json.dumps(about, indent=2))
    return "" if before == question.name else str(before)


def unanswered(question: Question, store: Store) -> int:
    """Return how many cells are neither there nor have failed: others may be at them."""
    cells = cells_of(question)
    return sum(not (store.reason(cell) or store.read(cell) is not None) for cell in cells)


def keep(question: Question, store: Store) -> list[Path]:
    """Write results, page, tables and figures beside the cells, unless they show just these.

    Of processes that end together one writes, and the others find it done. Returns the files.
    """
    with store.alone():
        page, mark = store.folder / "report.html", store.locks / SHOWN
        if page.is_file() and mark.is_file():
            state, *names = mark.read_text(encoding="utf-8").splitlines() or [""]
            if state == shown(question, store):
                return [store.folder / name for name in names]
        return _write(question, store)


def publish(question: Question, store: Store) -> list[Path]:
    """Write results, page, tables and figures of a study anew; return their files."""
    with store.alone():
        return _write(question, store)


def shown(question: Question, store: Store) -> str:
    """Return a digest of what a page shows: settings, and the cells that are there."""
    return digest(json.dumps([settings_of(question), store.state()]).encode())


def _write(question: Question, store: Store) -> list[Path]:
    state, files = shown(question, store), [store.folder / "results.parquet"]
    with writing(files[0]) as file:
        pq.write_table(joined(store, parts_of(store.folder)), file, compression="zstd")
    if learned := marl_eval.document(cells_of(question), store):
        files.append(store.folder / "marl-eval.json")
        write_atomically(files[1], json.dumps(learned))
    files += write(question.report(store), store.folder)
    names = [str(file.relative_to(store.folder)) for file in files]
    write_atomically(store.locks / SHOWN, "\n".join([state, *names]))
    return files


def settings_of(question: Question) -> dict[str, Any]:
    """Return settings, versions and machine of a study."""
    machine = {
        "system": platform.platform(),
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "numpy": np.__version__,
    }
    about = {"study": question.name, **question.settings()}
    return about | {"semopt": __version__, "machine": machine}


def parts_of(folder: Path) -> dict[str, list[str]]:
    """Return the names of the cells of each part, of the question that was last asked of it."""
    try:
        parts = read_json(folder / SETTINGS)[PARTS]
        return {part: list(names) for part, names in parts.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def joined(store: Store, parts: Mapping[str, Sequence[str]]) -> pa.Table:
    """Return the rows of all cells of decisions, a time for each part, beside the reference's.

    Those of cells that failed have no figures.
    """
    scenarios, references = dict[str, tuple[str, int]](), dict[tuple[str, int, str], Floats]()
    of_slots = ((name, about, table) for name, about, table in store.everything() if decides(about))
    failed = (
        (name, about, undecided(about["slots"]))
        for name, about in store.failures()
        if decides(about)
    )
    there, missing = (
        [
            (name, about, table, (json.dumps(about["scenario"]), about["seed"], about["extension"]))
            for name, about, table in each
        ]
        for each in (of_slots, failed)
    )
    for _, about, table, (scenario, *rest) in there:
        if scenario not in scenarios:
            template = Scenario.from_dict(about["scenario"]).template()
            scenarios[scenario] = strongest(template), tasks_in(template)
        best, tasks = scenarios[scenario]
        if about["method"] == best and not about["options"] and not about["training"]:
            optima = column(table, "value") / tasks
            if len(optima) > len(references.get((scenario, *rest), [])):
                references[scenario, *rest] = optima
    studies = dict[str, list[str]]()
    for part, names in parts.items():
        for name in names:
            studies.setdefault(name, []).append(part)
    tables = []
    for name, about, table, slots in there + missing:
        if len(references.get(slots, [])) < len(table):
            continue
        training = about["training"] or {}
        best_of_slots = pa.array(references[slots][: len(table)], from_pandas=True)
        rows = {column: table[column] for column in table.column_names}
        for part in studies.get(name, []):
            words = {"study": part, "scenario": about["scenario"]["name"]}
            words |= {"method": about["method"], "seed": training.get("seed", about["seed"])}
            words |= {"draw": about["seed"], "cell": name, "semopt": about["semopt"]}
            shared = {word: pa.array([value] * len(table)) for word, value in words.items()}
            tables.append(pa.table(shared | rows | {"reference_qoe": best_of_slots}))
    return pa.concat_tables(tables) if tables else pa.table({})


def decides(about: Mapping[str, Any]) -> bool:
    """Tell whether the rows of a cell of this content are decisions."""
    return bool(about["kind"] == MethodCell.kind)
