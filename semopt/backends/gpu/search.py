"""What both GPU backends share: packing jobs, choosing what to scan, collecting the best of it.

`cuda` has its runtime from the wheel, `cupy` from CuPy and NVRTC. The kernels are in
csrc/gpu/kernels.cuh; their jobs are records of 8-byte fields that are packed here.
"""

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import Any

import numpy as np

from ...grid import NO_CHANNEL, Pattern
from .. import cpu
from ..query import MAX_SIZE, Query, SearchResult, Tables, nothing
from .memory import OnDevice
from .runtime import THREADS, Buffer, Job, Runtime, place, read, shaped, upload, usable

UNIT_HEADS, UNIT_TAIL, MAX_BINS = 256, 4096, 4096  # as in kernels.cuh
MERGED = 1 << 15  # largest tail merged from several users' lists
HEADS = 1 << 20  # heads scanned by one launch
ROOM = 1 << 14  # joint actions that may be collected for the best of them
LOWEST = -float(np.finfo(float).max)  # no score is lower, but for that of infeasible ones
WORTH = 1 << 24  # joint actions of a pattern below which the CPU is done before the launch
SEARCH = (
    "value server_energy size head head_energy tail tail_energy "
    "best collected reached above histogram "
    "server_energy_max above_value slack energy_slack low per_unit bound_value bound_index "
    "users split start first_head heads tail_size capacity bins fairest count"
)
SCORED = np.dtype([("value", "f8"), ("index", "i8")])


def search(
    runtime: Runtime, tables: Tables, start: int, stop: int, query: Query, threads: int = 0
) -> SearchResult:
    """Scan joint actions start..stop-1: whole heads of long patterns here, the rest on the CPU.

    Tables on the device are scanned where they lie; the CPU's share needs a copy of them. The
    answer lies where the first of them does.
    """
    lists = Lists(runtime, tables)
    tables, original = lists.on_host(tables), tables
    space, result = tables.space, nothing(query.bins)
    while start < stop:
        pattern, first = space.pattern_at(start)
        end = min(stop, first + prod(space.sizes(pattern)))
        split, tail = split_pattern(space.sizes(pattern))
        head, last = -(-(start - first) // tail), (end - first) // tail
        if query.bins > MAX_BINS or (last - head) * tail < WORTH:
            parts = [cpu.search(tables, start, end, query, threads)]
        else:
            low, high = first + head * tail, first + last * tail
            parts = [
                cpu.search(tables, *ends, query, threads) for ends in ((start, low), (high, end))
            ]
            scan = PatternScan(runtime, tables, lists, pattern, query, split, tail)
            # A block counts its bins in 32 bits.
            heads = min(HEADS, 2**32 // tail) if query.bins else HEADS
            for block in range(head, last, heads):
                parts.append(scan.heads(block, min(heads, last - block)))
        for part in parts:
            result = result.merged(part, query.keep)
        start = end
    if not isinstance(original.value[0], OnDevice):
        return result
    sent: dict[str, Any] = {}
    for name in ("value", "index", "histogram"):
        part = getattr(result, name)
        sent[name] = shaped(runtime, upload(runtime, part), part)
    return replace(result, **sent)


def split_pattern(sizes: tuple[int, ...]) -> tuple[int, int]:
    """Return from which user on lists form the tail, and its length."""
    split, tail = len(sizes) - 1, sizes[-1]
    while split > 0 and tail * sizes[split - 1] <= MERGED:
        split -= 1
        tail *= sizes[split]
    return split, tail


class Lists:
    """All users' scores on the device."""

    def __init__(self, runtime: Runtime, tables: Tables) -> None:
        self.runtime = runtime
        self.value, self.energy = (
            [
                place(runtime, usable(runtime, f"{name}[{n}]", values))
                for n, values in enumerate(getattr(tables, name))
            ]
            for name in ("value", "server_energy")
        )

    def on_host(self, tables: Tables) -> Tables:
        """Return the tables themselves, or a copy where some lie on the device."""
        if not any(isinstance(a, OnDevice) for a in (*tables.value, *tables.server_energy)):
            return tables
        value, energy = (
            tuple(read(self.runtime, values) for values in lists)
            for lists in (tables.value, tables.server_energy)
        )
        return replace(tables, value=value, server_energy=energy)


class PatternScan:
    """The heads of one channel pattern against its tail."""

    def __init__(
        self,
        runtime: Runtime,
        tables: Tables,
        lists: Lists,
        pattern: Pattern,
        query: Query,
        split: int,
        tail: int,
    ) -> None:
        space = tables.space
        self.runtime, self.tables, self.query = runtime, tables, query
        offloaders = sum(k != NO_CHANNEL for k in pattern)
        at = [8 * space.list_start(n, k, offloaders) for n, k in enumerate(pattern)]
        limited = bool(tables.server_energy)

        def addresses(buffers: list[Buffer]) -> Buffer:
            return upload(
                runtime, np.array([b.address + o for b, o in zip(buffers, at, strict=True)])
            )

        def floats(count: int) -> Buffer:
            return Buffer(runtime, 4 * count)

        sizes = space.sizes(pattern)
        most = min(HEADS, prod(sizes[:split]))
        self.tiles = -(-tail // UNIT_TAIL)
        units = -(-most // UNIT_HEADS) * self.tiles
        slack, energy_slack = tables.slack
        capacity = max(ROOM, 2 * query.keep)
        self.job = Job(
            runtime,
            SEARCH,
            value=addresses(lists.value),
            server_energy=addresses(lists.energy) if limited else None,
            size=upload(runtime, np.array(sizes)),
            head=floats(most),
            head_energy=floats(most) if limited else None,
            tail=floats(tail),
            tail_energy=floats(tail) if limited else None,
            best=floats(units),
            collected=Buffer(runtime, SCORED.itemsize * capacity),
            reached=Buffer(runtime, 8),
            above=Buffer(runtime, 8),
            histogram=Buffer(runtime, 8 * query.bins),
            server_energy_max=float(tables.server_energy_max),
            above_value=0.0 if query.above is None else float(query.above),
            slack=slack,
            energy_slack=energy_slack,
            low=float(query.low),
            per_unit=query.bins / (query.high - query.low),
            bound_value=LOWEST,
            bound_index=MAX_SIZE,
            users=len(sizes),
            split=split,
            start=space.pattern_start(pattern),
            first_head=0,
            heads=0,
            tail_size=tail,
            capacity=capacity,
            bins=query.bins,
            fairest=int(tables.fairest),
            count=int(query.above is not None),
        )
        self.kernel = "scan_" + "_".join(
            ["min" if tables.fairest else "sum"]
            + ["limited"] * limited
            + ["count"] * (query.above is not None)
        )
        self.job.launch("tail", -(-tail // THREADS))

    def heads(self, first: int, count: int) -> SearchResult:
        """Return what heads first..first+count-1 with the whole tail hold."""
        job, query = self.job, self.query
        units = -(-count // UNIT_HEADS) * self.tiles
        job.update(first_head=first, heads=count)
        self.clear("above", "histogram")
        job.launch("heads", -(-count // THREADS))
        job.launch(self.kernel, units)
        if query.bins:
            job.launch("histogram", units)
        above = 0 if query.above is None else int(job.values["above"].read(np.uint64, 1)[0])
        bins = job.values["histogram"].read(np.int64, query.bins)
        best = self.best_of(units) if query.keep else nothing()
        return SearchResult(best.value, best.index, above, bins, count * job.values["tail_size"])

    def clear(self, *names: str) -> None:
        """Set the arrays of the job with these names to zero."""
        for name in names:
            buffer = self.job.values[name]
            self.runtime.clear(buffer.address, buffer.size)

    def best_of(self, units: int) -> SearchResult:
        """Return the `keep` best joint actions.

        Each of the `keep` best units holds one that scores, but for `slack`, what its scan says,
        unless that takes too much server energy: then more units are asked.
        """
        scanned = np.sort(self.job.values["best"].read(np.float32, units).astype(float))[::-1]
        rank, keep = self.query.keep, self.query.keep
        while True:
            least = float(scanned[rank - 1]) - self.tables.slack[0] if rank <= units else LOWEST
            result = self.collect(max(least, LOWEST))
            if len(result.value) == keep or least <= LOWEST:
                return result
            rank *= 8

    def collect(self, value: float) -> SearchResult:
        """Return the `keep` best of the joint actions that score so much or more.

        Where more reach the bound than there is room for, the worst of the `keep` best among those
        that were collected is a better bound: each round leaves at most a part of what reaches it.
        """
        index, values = MAX_SIZE, self.job.values
        while True:
            self.job.update(bound_value=value, bound_index=index)
            self.clear("reached")
            self.job.launch("collect", -(-values["heads"] // UNIT_HEADS) * self.tiles)
            reached = int(values["reached"].read(np.uint64, 1)[0])
            scored = values["collected"].read(SCORED, min(reached, values["capacity"]))
            result = replace(nothing(), value=scored["value"], index=scored["index"])
            result = result.merged(nothing(), self.query.keep)
            if reached <= values["capacity"]:
                return result
            value, index = float(result.value[-1]), int(result.index[-1])
