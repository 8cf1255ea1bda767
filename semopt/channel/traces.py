"""Measured gains from files: NPY of shape (S, N, K), or CSV or Parquet with one gain a row."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np

from ..problem import Floats

COLUMNS = ("slot", "user", "channel", "gain")  # of a table; the first three count from 0


def load_trace(file: Path) -> Floats:
    """Return the gains of a file, (S, N, K) float64, read-only and kept until the file changes.

    Raises
    ------
    ValueError
        Naming the file and what was expected of it.
    """
    file = Path(file)
    try:
        stamp = file.stat()
    except OSError as error:
        raise ValueError(f"channel.file = {file}: {error.strerror}") from None
    return _load_trace(file, stamp.st_mtime_ns, stamp.st_size)


@lru_cache(maxsize=4)
def _load_trace(file: Path, changed: int, size: int) -> Floats:
    readers = {".npy": _read_npy, ".csv": _read_csv, ".parquet": _read_parquet}
    if file.suffix.lower() not in readers:
        raise ValueError(f"channel.file = {file}: the endings {', '.join(readers)} are expected")
    try:
        gain = readers[file.suffix.lower()](file)
    except (ValueError, OSError, EOFError) as error:
        raise ValueError(f"channel.file = {file}: {error}") from None
    if gain.ndim != 3 or 0 in gain.shape:
        raise ValueError(
            f"channel.file = {file}: shape (slots, users, channels) is expected, got {gain.shape}"
        )
    wrong = np.argwhere(~((gain > 0) & np.isfinite(gain)))
    if len(wrong):
        i, n, k = wrong[0]
        raise ValueError(
            f"channel.file = {file}: slot {i}, user {n}, channel {k} has gain {gain[i, n, k]}; "
            "finite gains above 0 are expected"
        )
    gain.setflags(write=False)
    return gain


def _read_npy(file: Path) -> Floats:
    gain = np.load(file, allow_pickle=False)
    if not np.issubdtype(gain.dtype, np.floating):
        raise ValueError(f"floating-point gains are expected, got dtype {gain.dtype}")
    return np.ascontiguousarray(gain, dtype=np.float64)


def _read_csv(file: Path) -> Floats:
    with file.open(encoding="utf-8") as lines:
        header = [name.strip() for name in lines.readline().split(",")]
        missing = [name for name in COLUMNS if name not in header]
        if missing:
            raise ValueError(
                f"a header with the columns {', '.join(COLUMNS)} is expected, "
                f"missing: {', '.join(missing)}"
            )
        order = [header.index(name) for name in COLUMNS]
        rows = np.loadtxt(lines, delimiter=",", usecols=order, ndmin=2)
    return _pivot(rows)


def _read_parquet(file: Path) -> Floats:
    try:
        import pyarrow.parquet as parquet
    except ImportError:
        raise ValueError("reading Parquet needs pyarrow (pip install pyarrow)") from None
    table = parquet.read_table(file)
    missing = [name for name in COLUMNS if name not in table.column_names]
    if missing:
        raise ValueError(
            f"the columns {', '.join(COLUMNS)} are expected, missing: {', '.join(missing)}"
        )
    return _pivot(np.stack([table[name].to_numpy() for name in COLUMNS], axis=1))


def _pivot(rows: Floats) -> Floats:
    """Turn rows (slot, user, channel, gain) into (S, N, K); every place exactly once."""
    if len(rows) == 0:
        raise ValueError("at least one row is expected")
    if not (np.isfinite(rows[:, :3]).all() and (rows[:, :3] >= 0).all()):
        raise ValueError("slot, user and channel are expected to count from 0")
    index = rows[:, :3].astype(np.int64)
    if (index != rows[:, :3]).any():
        raise ValueError("slot, user and channel are expected to be whole numbers")
    shape = tuple(int(n) for n in index.max(axis=0) + 1)
    places = shape[0] * shape[1] * shape[2]
    flat = (index[:, 0] * shape[1] + index[:, 1]) * shape[2] + index[:, 2]
    if places != len(rows) or len(np.unique(flat)) != places:
        raise ValueError(
            f"one row for each of {shape[0]} slots x {shape[1]} users x {shape[2]} channels is "
            f"expected, got {len(rows)} rows"
        )
    gain = np.empty(places)
    gain[flat] = rows[:, 3]
    return gain.reshape(shape)
