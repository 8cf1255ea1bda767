"""What both GPU backends share: packing jobs, choosing what to scan, settling what the scan leaves.

`cuda` has its runtime from the wheel, `cupy` from CuPy and NVRTC. The kernels are in
csrc/gpu/kernels.cuh; their jobs are records of 8-byte fields that are packed here.
"""

from __future__ import annotations

from dataclasses import replace
from math import inf, prod
from typing import Any

import numpy as np

from ...grid import NO_CHANNEL, Pattern
from ...problem import Floats
from .. import cpu
from ..query import Found, Query, Tables, nothing
from .memory import OnDevice
from .runtime import THREADS, Buffer, Job, Runtime, meet, place, read, shaped, upload

UNIT_HEADS, UNIT_TAIL, MAX_BINS = 256, 4096, 4096  # as in kernels.cuh
MERGED = 1 << 15  # largest tail merged from several users' lists
HEADS = 1 << 20  # heads scanned by one launch
CAPACITY = 1 << 16  # joint actions that may be collected for the best of them
WORTH = 1 << 24  # joint actions of a pattern below which the CPU is done before the launch
SEARCH = (
    "value server_energy size head head_energy tail tail_energy "
    "best peak settled collected above histogram "
    "server_energy_max above_value slack energy_slack floor low per_unit "
    "users split start first_head heads tail_size capacity bins fairest count"
)
SCORED = np.dtype([("value", "f8"), ("index", "i8")])


def search(
    runtime: Runtime, tables: Tables, start: int, stop: int, query: Query, threads: int = 0
) -> Found:
    """Scan joint actions start..stop-1: whole heads of long patterns here, the rest on the CPU.

    Tables on the device are scanned where they lie; the CPU's share needs a copy of them. The
    answer lies where the first of them does.
    """
    lists = Lists(runtime, tables)
    tables, given = lists.on_host(tables), tables
    space, found = tables.space, nothing(query.bins)
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
                parts.append(scan.heads(block, min(heads, last - block), threads))
        for part in parts:
            found = found.merged(part, query.keep)
        start = end
    if not isinstance(given.value[0], OnDevice):
        return found
    sent: dict[str, Any] = {}
    for name in ("value", "index", "histogram"):
        part = getattr(found, name)
        sent[name] = shaped(runtime, upload(runtime, part), part)
    return replace(found, **sent)


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
                place(runtime, meet(runtime, f"{name}[{n}]", values))
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
        self.counts = Buffer(runtime, 24)  # the rank of the peak, numbers above and collected
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
            settled=Buffer(runtime, SCORED.itemsize * max(units, CAPACITY)),
            peak=self.counts.address,
            above=self.counts.address + 8,
            collected=self.counts.address + 16,
            histogram=Buffer(runtime, 8 * max(query.bins, 1)),
            server_energy_max=float(tables.server_energy_max),
            above_value=0.0 if query.above is None else float(query.above),
            slack=slack,
            energy_slack=energy_slack,
            floor=0.0,
            low=float(query.low),
            per_unit=query.bins / (query.high - query.low),
            users=len(sizes),
            split=split,
            start=space.pattern_start(pattern),
            first_head=0,
            heads=0,
            tail_size=tail,
            capacity=CAPACITY,
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

    def heads(self, first: int, count: int, threads: int) -> Found:
        """Return what heads first..first+count-1 with the whole tail hold."""
        job, query = self.job, self.query
        units = -(-count // UNIT_HEADS) * self.tiles
        job.update(first_head=first, heads=count)
        histogram = job.values["histogram"]
        for buffer in (self.counts, histogram):
            self.runtime.clear(buffer.address, buffer.size)
        job.launch("heads", -(-count // THREADS))
        job.launch(self.kernel, units)
        if query.bins:
            job.launch("histogram", units)
        peak, above = self.counts.read(np.uint64, 2).tolist()
        kept = nothing()
        if query.keep == 1:
            kept = self.settle(unranked(peak), units)
        elif query.keep > 1:
            kept = self.settle_many(units, threads)
        bins = histogram.read(np.int64, max(query.bins, 1))[: query.bins]
        return Found(kept.value, kept.index, above, bins, count * job.values["tail_size"])

    def settle(self, peak: float, units: int) -> Found:
        """Return the best joint action, given the largest scanned score."""
        if peak == -inf:
            return nothing()
        floor = peak - self.tables.slack[0]
        found = self.best_of(floor, units)
        # With a limit on energy the peak may prove too costly, and the best lie further below.
        value = float(found.value[0]) if len(found.value) else -inf
        return found if value >= floor else self.best_of(value, units)

    def best_of(self, floor: float, units: int) -> Found:
        """Return the best of the joint actions that may score `floor` or more."""
        self.job.update(floor=floor)
        blocks = self.job.launch("settle", units)
        settled = self.job.values["settled"].read(SCORED, blocks)
        settled = settled[settled["value"] > -inf]
        best = np.lexsort((settled["index"], -settled["value"]))[:1]
        return replace(nothing(), value=settled["value"][best], index=settled["index"][best])

    def settle_many(self, units: int, threads: int) -> Found:
        """Return the `keep` best joint actions."""
        keep, values = self.query.keep, self.job.values
        if units < keep:  # few joint actions
            start = values["start"] + values["first_head"] * values["tail_size"]
            stop = start + values["heads"] * values["tail_size"]
            return cpu.search(self.tables, start, stop, Query(keep=keep), threads)
        best = values["best"].read(np.float32, units).astype(float)
        # Each of the `keep` best units holds a joint action at least this good, unless its server
        # energy proves too high.
        floor = float(np.partition(best, -keep)[-keep]) - self.tables.slack[0]
        found = self.collect(floor, units) if floor > -inf else nothing()
        return found if len(found.value) == keep else self.settle_on_host(best, threads)

    def collect(self, floor: float, units: int) -> Found:
        """Return the best joint actions that score `floor` or more; none if there is no room."""
        self.job.update(floor=floor)
        self.job.launch("collect", units)
        count = int(self.counts.read(np.uint64, 3)[2])
        if count > CAPACITY:
            return nothing()
        found = self.job.values["settled"].read(SCORED, count)
        return replace(nothing(), value=found["value"], index=found["index"]).merged(
            nothing(), self.query.keep
        )

    def settle_on_host(self, best: Floats, threads: int) -> Found:
        """Return the `keep` best joint actions, given the largest scanned score of each unit."""
        keep, slack = self.query.keep, self.tables.slack[0]
        found = nothing()
        for unit in np.argsort(-best, kind="stable").tolist():
            if best[unit] == -inf:
                break
            if len(found.value) == keep and best[unit] + slack < found.value[-1]:
                break
            for start, stop in self.ranges(unit):
                part = cpu.search(self.tables, start, stop, Query(keep=keep), threads)
                found = found.merged(part, keep)
        return found

    def ranges(self, unit: int) -> list[tuple[int, int]]:
        """Return the ranges of flat indices that a unit covers."""
        values = self.job.values
        tail, last = values["tail_size"], values["first_head"] + values["heads"]
        first = values["first_head"] + unit // self.tiles * UNIT_HEADS
        at = unit % self.tiles * UNIT_TAIL
        end = min(at + UNIT_TAIL, tail)
        rows, start = range(first, min(first + UNIT_HEADS, last)), values["start"]
        if self.tiles == 1:  # rows follow one another
            return [(start + rows.start * tail, start + rows.stop * tail)]
        return [(start + head * tail + at, start + head * tail + end) for head in rows]


def unranked(rank: int) -> float:
    """Return the float whose `rank` in kernels.cuh this is."""
    bits = rank ^ 0x80000000 if rank >> 31 else rank ^ 0xFFFFFFFF
    return float(np.uint32(bits).view(np.float32))
