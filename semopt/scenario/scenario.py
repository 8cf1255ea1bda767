"""Scenario files: TOML in the words and units of people, validated, then arrays in SI units.

A file is read in three passes whose faults are reported together: accuracy tables come in from
files of their own (`surface.py`), each key is checked alone (`sections.py`), then keys are checked
against each other (`consistency.py`). Past this module there are no units but SI.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from logging import getLogger
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from pydantic import ValidationError

from ..allowed import check_path
from ..channel.traces import load_trace
from ..figures import RECORDS, in_si
from ..gains import gains
from ..problem import AccuracyTable, Floats, Grid, Problem
from ..records import Shown
from . import toml
from .changes import changed, plain
from .consistency import WEIGHT_KEYS, View, cross_faults
from .drawing import Drawn
from .faults import ScenarioError, affected, arranged, dotted, key_faults, nulls
from .queue_file import with_queue
from .sections import absent_tables, sentences
from .source import PRESETS, parsed, text_of
from .surface import with_file, with_tables

LOG = getLogger(__name__)
TOO_DEEP = "is nested too deeply to be a scenario"


class Scenario(Shown, Drawn):
    """A validated scenario. The keys of the file are its attributes, in the units of the file.

    `[[users]]` is the attribute `overrides`; `users` and `channels` are numbers.

    Examples
    --------
    >>> scenario = Scenario.load("tiny")
    >>> scenario.users, scenario.channels
    (2, 2)
    >>> scenario.problem().joint_actions()
    46
    """

    def __repr__(self) -> str:
        """Return name, sizes and tasks, in one line."""
        pinned = ", a pinned slot" if self.slot else ""
        law = f", channel {self.channel.model}" if self.channel else ""
        return (
            f"<Scenario {self.name}: {self.users} users, {self.channels} sub-channels, tasks "
            f"{', '.join(self.tasks)}{pinned}{law}>"
        )

    def __eq__(self, other: object) -> bool:
        """Tell whether another says the same, wherever it came from."""
        return isinstance(other, Scenario) and self.to_dict() == other.to_dict()

    __hash__ = None  # type: ignore[assignment]

    def show(self) -> None:
        """Print every key with its unit, as `semopt scenario show` does."""
        from ..report.scenario import print_scenario

        print_scenario(self)

    def plot(self, user: int = 0) -> Any:
        """Return accuracy, gains, and where each mode is the best, drawn, as a chart of Altair.

        Parameters
        ----------
        user : whose modes are compared

        Raises
        ------
        ValueError
            There is no such user, or Altair is missing
        """
        from ..report.plots import of_scenario

        return of_scenario(self, user)

    @classmethod
    def load(cls, source: str | Path) -> Self:
        """Return the scenario of a preset's name or a file's path; the preset wins over a file.

        The name "-" is standard input; files that it names are looked for in the working folder.

        Raises
        ------
        ScenarioError
            Every fault of the file, or that there is no such file or preset
        """
        check_path("source", source, "a preset's name or a file's path")
        text, folder, name = text_of(source)
        scenario = cls.parse(text, folder, name)
        LOG.info("%s: %r", name, scenario)
        return scenario

    @classmethod
    def of(cls, scenario: Self | str | Path) -> Self:
        """Return a scenario as it is; that of a preset's name or a file's path, as `load` does.

        Raises
        ------
        ValueError
            For anything else
        """
        if isinstance(scenario, cls):
            return scenario
        check_path("scenario", scenario, "a Scenario, a preset's name or a file's path")
        return cls.load(scenario)  # type: ignore[arg-type]

    @classmethod
    def parse(cls, text: str, folder: str | Path = ".", source: str = "scenario") -> Self:
        """Return the scenario of a TOML text; files that it names are looked for in `folder`.

        Raises
        ------
        ScenarioError
            The line that is not TOML, or every fault of the scenario
        """
        check_path("folder", folder, "a folder's path")
        check_path("text", text, "a text")
        check_path("source", source, "a text")
        try:
            return cls._checked(parsed(text, source), Path(folder), source, read=True)
        except RecursionError:
            raise ScenarioError(source, [("", TOO_DEEP)]) from None

    @classmethod
    def from_dict(
        cls, data: dict[str, Any], folder: str | Path | None = ".", source: str = "scenario"
    ) -> Self:
        """Return the scenario of a document such as `to_dict` gives.

        A trace that the document records with its SHA-256 is read, and compared, when gains are
        drawn; any other file is read now.

        Parameters
        ----------
        data : as TOML is read
        folder : that file names are relative to; None where the document must stand alone: then no
            file is opened here
        source : what faults call it

        Raises
        ------
        ScenarioError
            Every fault of the scenario
        """
        if not isinstance(data, dict):
            raise ValueError(f"data: a dict is expected, not {type(data).__name__}")
        if folder is not None:
            check_path("folder", folder, "a folder's path")
        check_path("source", source, "a text")
        record = data.get("channel")
        recorded = isinstance(record, dict) and "sha256" in record
        place = None if folder is None else Path(folder)
        try:
            return cls._checked(plain(data), place, source, read=not recorded)
        except RecursionError:
            raise ScenarioError(source, [("", TOO_DEEP)]) from None

    def replace(self, changes: Mapping[str, Any] | None = None, /, **more: Any) -> Self:
        """Return the scenario with some keys changed, checked as a file is.

        A pinned [slot] that no longer fits in size is left out where [channel] can draw others. A
        changed value loses its entry in [assumed], and another law of the channel drops the keys
        that it does not take.

        Parameters
        ----------
        changes, more : values in the file's units by the path of their key, as messages write it:
            "system.bandwidth_mhz", "users[0].power_mw", "tasks.text.share". A table replaces the
            whole table, None takes a key away. `users` and `channels` as numbers are those of
            [system]; `users` as a list is [[users]], an entry each, which "users[0].power_mw" makes
            if there is none. Files lie beside the scenario's, of a preset in the working folder

        Raises
        ------
        ScenarioError
            Every fault of the changed scenario, or a path that leads nowhere or is given twice

        Examples
        --------
        >>> paper = Scenario.load("paper")
        >>> wide = paper.replace(users=8, channels=4, **{"system.bandwidth_mhz": 4})
        >>> wide.users, wide.channels, wide.system.bandwidth_mhz
        (8, 4, 4.0)
        >>> unlike = paper.replace({"users": [{}, {}, {"power_mw": [10, 30]}]}, users=3)
        >>> unlike.template().users.power_max.tolist()  # W
        [0.1, 0.1, 0.03]
        """
        source, sizes = str(more.get("name", self.name)), (self.users, self.channels)
        if not isinstance(changes, Mapping | None):
            raise ScenarioError(source, [("changes", "must be a mapping of paths to values")])
        every = [*(changes or {}).items(), *more.items()]
        document = changed(self.to_dict(), every, sizes, source)
        folder = Path() if self.folder == PRESETS else self.folder
        return self._checked(document, folder, source, read=True)

    @classmethod
    def _checked(cls, data: dict[str, Any], folder: Path | None, source: str, read: bool) -> Self:
        """Return the scenario of a document; `read` its trace now, if there is a folder."""
        data = dict(data)
        if isinstance(data.get("assumed"), dict):
            data["assumed"] = toml.flattened(data["assumed"])
        data.setdefault("name", Path(str(source)).stem)
        if folder is not None:
            folder = folder.absolute()  # the working folder may be another one later
        data, tables, faults = with_tables(data, folder)
        data, lists, more = with_queue(data, folder)
        tables, faults = tables | lists, faults + more
        unsound, scenario = {path for path, _ in faults}, None
        try:
            scenario = cls.model_validate(data)
        except ValidationError as error:
            faults += [f for f in key_faults(error, data) if not affected(f[0], unsound)]
        unsound |= {path for path, _ in faults}
        empty = [path for path in nulls(data) if not affected(path, unsound)]
        faults += [(path, "= None: must be left out where it has no value") for path in empty]
        unsound |= set(empty)
        messages = [(dotted(path), words) for path, words in faults]
        messages += cross_faults(View(data, unsound), folder if read else None)
        if scenario is None or messages:
            raise ScenarioError(source, [with_file(fault, tables) for fault in arranged(messages)])
        scenario._folder = folder
        if folder is not None and scenario.channel and scenario.channel.file:
            scenario._record = {"file": str(folder / scenario.channel.file)}
            if read:
                trace = load_trace_of(scenario.channel, folder)
                scenario._record |= {"sha256": trace.sha256, "shape": list(trace.gain.shape)}
        return scenario

    def to_dict(self) -> dict[str, Any]:
        """Return the scenario in the words and units of the file; `from_dict` reads it back.

        It can be read anywhere: accuracy tables that came from CSV files stand in it as tables, and
        a trace by the absolute path of its file, its SHA-256 and its shape.
        """
        document = self.model_dump(by_alias=True, exclude_none=True)
        if self._record:
            document["channel"] |= self._record
        return document

    def to_toml(
        self, head: str = "", optional: bool = False, folder: str | Path | None = None
    ) -> str:
        """Return the scenario as a file, each key with its sentence; `parse` reads it back.

        Parameters
        ----------
        head : what a comment at the top says
        optional : whether comments also name the keys that are left out
        folder : where the file will lie: a trace in it, or below, is named as seen from there, so
            that the folder can be handed on; any other by its absolute path
        """
        check_path("head", head, "a text")
        document = self.to_dict()
        if folder is not None:
            check_path("folder", folder, "a folder's path")
            place = Path(folder).absolute()
            trace = Path(document.get("channel", {}).get("file", ""))
            if trace.is_relative_to(place):
                document["channel"]["file"] = str(trace.relative_to(place))
        if optional:
            head = "\n".join([head, *absent_tables(document)])
        return toml.dumps(document, {"": head, **sentences(document, optional)})

    @classmethod
    def json_schema(cls) -> dict[str, Any]:
        """Return the JSON schema of scenario files, for editors."""
        schema = cls.model_json_schema(by_alias=True)
        schema["title"] = "semopt scenario"
        table = schema["$defs"]["Task"]["properties"]["accuracy"]
        file = {
            "type": "object",
            "properties": {"file": {"type": "string", "description": "CSV file with the table"}},
            "required": ["file"],
            "additionalProperties": False,
        }
        schema["$defs"]["Task"]["properties"]["accuracy"] = {"anyOf": [table, file]}
        tasks = {"type": "string", "description": "CSV file with the tasks"}
        schema["$defs"]["Queue"]["properties"]["file"] = tasks
        return schema

    def problem(
        self, gain: ArrayLike | None = None, tasks: Sequence[str] | ArrayLike | None = None
    ) -> Problem:
        """Return one slot as arrays in SI units.

        Parameters
        ----------
        gain : (N, K), linear power gain; that of [slot] unless given
        tasks : (N,) names or indices of the tasks at the heads of the queues; likewise

        Raises
        ------
        ValueError
            A shape, gain or task that is not allowed, or no [slot] to take them from
        """
        if self.slot is None and (gain is None or tasks is None):
            queue = "; its queue is solved by --queue" if self.pinned() else ""
            raise ValueError(
                f"scenario {self.name} pins no [slot]: gain and tasks must both be given{queue}"
            )
        slot_gain = self.slot.gain if gain is None and self.slot else gain
        slot_tasks = self.slot.tasks if tasks is None and self.slot else tasks
        checked = gains(slot_gain, (self.users, self.channels))  # type: ignore[arg-type]
        origin = self.to_dict()
        origin.pop("slot", None)
        shared = dict(self.system) | dict(self.qoe)
        return Problem.assembled(
            {
                "system": in_si(RECORDS["system"], shared),
                "user": _columns("user", self._user_keys()),
                "task": _columns("task", [dict(task) for task in self.tasks.values()]),
            },
            names=list(self.tasks),
            accuracy=[
                AccuracyTable.of(table.extraction, table.snr_db, table.table, table.raw)
                for table in (task.accuracy for task in self.tasks.values())
            ],
            gain=checked.copy(),
            task=slot_tasks,  # type: ignore[arg-type]
            objective=self.qoe.objective,
            grid=Grid(self.grid.power, self.grid.frequency, self.grid.extraction),
            origin=origin,
        )

    def template(self) -> Problem:
        """Return the arrays of the scenario with a slot of no meaning, for slots to be put in."""
        shape = (self.users, self.channels)
        return self.problem(np.ones(shape), np.zeros(shape[0], dtype=np.int64))

    def _user_keys(self) -> list[dict[str, Any]]:
        """Return each user's keys: its own, else those of [user] and the weights."""
        shared = dict(self.user) | {key: getattr(self.qoe, key) for key in WEIGHT_KEYS}
        if self.overrides is None:
            return [shared] * self.users
        return [
            shared | {key: value for key, value in override if value is not None}
            for override in self.overrides
        ]


def _columns(owner: str, rows: list[dict[str, Any]]) -> dict[str, Floats]:
    """Return figures in SI of many owners, arrays by name."""
    records = [in_si(RECORDS[owner], keys) for keys in rows]
    names = records[0]
    return {name: np.array([record[name] for record in records], dtype=float) for name in names}


def load_trace_of(channel: Any, folder: Path) -> Any:
    """Return the trace that [channel] names, from the folder of the scenario."""
    unit = channel.unit or "linear"
    return load_trace(folder / channel.file, unit, channel.variable, channel.sha256)
