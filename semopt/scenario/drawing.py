"""What can be drawn of a scenario: slots from [channel], tasks by their shares or from [queue]."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import lru_cache
from math import inf
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import PrivateAttr

from ..allowed import one_of, whole
from ..channel import Channel, draw_gains, draw_tasks
from ..channel.laws import LAWS
from ..channel.samplers import rows_of
from ..channel.traces import PARTS, Part, parts
from ..problem import LENGTH, Floats, Integers
from ..statistics import InTime, autocorrelation_time
from .sections import Document, Slot

REMEMBERED = 2000  # slots of a law, of which it is told how long gains are remembered


class Drawn(Document):
    """A document from which slots are drawn."""

    _folder: Path | None = PrivateAttr(default=None)
    _record: dict[str, Any] = PrivateAttr(default_factory=dict)

    @property
    def users(self) -> int:
        """Number of users, N."""
        return len(self.pinned()[0].tasks) if self.pinned() else int(self.system.users or 0)

    @property
    def channels(self) -> int:
        """Number of sub-channels, K."""
        return len(self.pinned()[0].gain[0]) if self.pinned() else int(self.system.channels or 0)

    def pinned(self) -> list[Slot]:
        """Return the slots that the file pins: that of [slot], then those of [queue]."""
        return ([self.slot] if self.slot else []) + ((self.queue and self.queue.slots) or [])

    @property
    def folder(self) -> Path | None:
        """Folder that file names in the scenario are relative to; None where it stands alone."""
        return self._folder

    def shares(self) -> Floats:
        """Return the probability of each kind of task at the head of a queue: (T,) float64."""
        values = [task.share for task in self.tasks.values()]
        shares: Floats = np.array([1.0 if share is None else share for share in values])
        return shares / float(shares.sum())

    @property
    def queue_length(self) -> int:
        """Slots of a queue."""
        if (queue := self.queue) is None:
            return LENGTH
        return queue.length or len(queue.slots or queue.tasks or ()) or LENGTH

    def draw_queue(self, seed: int | None = None) -> tuple[Floats, Integers]:
        """Return the queue that the scenario pins or, with a seed, one drawn from [channel].

        Parameters
        ----------
        seed : of gains and tasks; 0 where none is given and none is pinned

        Returns
        -------
        gain : (T, N, K) float64, linear power gain
        task : (T, N) int64, index into the tasks

        Raises
        ------
        ValueError
            There are neither pinned slots nor a [channel], or its trace is too short
        """
        slots = self.queue and self.queue.slots
        if seed is not None or not slots:
            return self.draw(self.queue_length, seed or 0)
        kinds = list(self.tasks)
        gain = np.array([slot.gain for slot in slots], dtype=float)
        return gain, np.array([[kinds.index(name) for name in slot.tasks] for slot in slots])

    def length(self, part: Part | None = None) -> int | None:
        """Return how many slots can be drawn; None where [channel] is a law without an end.

        Parameters
        ----------
        part : of a trace, "training", "validation" or "evaluation"; all of it unless given
        """
        law = self.channel_law(part)
        ends = [len(rows_of(law))] if law.file else []
        if (listed := self._listed_tasks(law)) is not None:
            ends.append(len(listed))
        return min(ends, default=None)

    @property
    def in_time(self) -> InTime:
        """How slots follow each other: under a correlated law they resemble their neighbours.

        Those of a file, gains or tasks, do too, and all seeds replay them.
        """
        replayed = self.channel is not None and self.channel.file is not None
        replayed |= bool(self.queue and self.queue.tasks)
        if self.channel is None or not (replayed or LAWS[self.channel.model].correlated):
            return InTime(replayed, replayed)
        try:
            return InTime(True, replayed, memory(self.channel_law(), self.users, self.channels))
        except ValueError:  # rows of a study are read where its trace is not: nothing is known then
            return InTime(True, replayed, inf)

    def _listed_tasks(self, law: Channel) -> Integers | None:
        """Return the tasks that [queue] lists, (L, N) int64: of a part of a trace its own."""
        if not (self.queue and self.queue.tasks):
            return None
        kinds, first = list(self.tasks), 0
        if law.file and law.part:
            whole_trace = rows_of(replace(law, part=None))
            first = parts(len(whole_trace), law.split)[law.part].start
        rows = self.queue.tasks[first:]
        return np.array([[kinds.index(name) for name in row] for row in rows]).reshape(
            -1, self.users
        )

    def draw(
        self, slots: int, seed: int, first: int = 0, part: Part | None = None
    ) -> tuple[Floats, Integers]:
        """Draw slots from [channel] and the shares of the tasks.

        Slot s depends on the seed and s alone: a longer draw begins with a shorter one. A trace
        gives its slots in their order, each once; the seed draws the tasks, unless [queue] lists
        them.

        Parameters
        ----------
        slots : how many
        seed : of gains and tasks
        first : slot to begin with
        part : of a trace, "training", "validation" or "evaluation"; all of it unless given

        Returns
        -------
        gain : (S, N, K) float64, linear power gain
        task : (S, N) int64, index into the tasks

        Raises
        ------
        ValueError
            The scenario has no [channel], or its trace fewer slots
        """
        whole("slots", slots, 1)
        whole("seed", seed, 0)
        whole("first", first, 0)
        self._check_memory(slots)
        law, length = self.channel_law(part), self.length(part)
        if length is not None and first + slots > length:
            holder = f"its part for {part} has" if part and law.file else "it has"
            offset = f" after the first {first}" if first else ""
            source = f"channel.file = {law.file}" if law.file else "queue.tasks"
            raise ValueError(
                f"{source}: {slots} slots are asked for{offset}, {holder} "
                f"{length}: ask for at most {max(length - first, 0)}"
                + (", or set channel.split" if part and law.file else "")
            )
        gain = draw_gains(law, seed, first, slots, self.users, self.channels)
        if (listed := self._listed_tasks(law)) is not None:
            return gain, listed[first : first + slots]
        return gain, draw_tasks(self.shares(), seed, first, slots, self.users)

    def _check_memory(self, slots: int) -> None:
        """Raise ValueError for more slots than this machine's memory can hold, solved."""
        need = slots * self.users * 8 * (self.channels + 20)
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        if need > memory:
            raise ValueError(
                f"slots = {slots}: would take about {need / 1e9:.3g} GB of memory, this machine "
                f"has {memory / 1e9:.3g}: at most {slots * memory // need} fit"
            )

    def channel_law(self, part: Part | None = None) -> Channel:
        """Return [channel] in SI units; of a trace one part, where it is named.

        Raises
        ------
        ValueError
            The scenario has no [channel], or names a file without a folder to look in
        """
        if self.channel is None:
            queue = "; its pinned queue is solved by --queue" if self.queue else ""
            raise ValueError(f"scenario {self.name} has no [channel] to draw slots from{queue}")
        if part is not None:
            one_of("part", part, PARTS)
        keys = self.channel.model_dump(exclude_none=True) | self._record
        if self.channel.file:
            keys["part"] = part
            if not Path(keys["file"]).is_absolute():
                raise ValueError(
                    f"channel.file = {keys['file']}: scenario {self.name} does not say in which "
                    "folder: its absolute path is expected"
                )
        return Channel.from_keys(keys)


@lru_cache(maxsize=64)
def memory(law: Channel, users: int, channels: int) -> float:
    """Return the autocorrelation time of gains in slots, 1 where none ever changes."""
    if not LAWS[law.model].correlated:
        return 1.0
    gain = rows_of(law) if law.file else draw_gains(law, 0, 0, REMEMBERED, users, channels)
    links = gain.reshape(len(gain), -1).T
    away = links - links.mean(axis=1, keepdims=True)
    return autocorrelation_time([x / x.std() for x in away if x.any()] or [np.zeros(1)])
