"""Measured gains from files: arrays of shape (S, N, K), or tables with one gain a row.

A trace is read once for each content of its file, converted to linear power gains (`unit`), checked
as all gains are, and known by the SHA-256 of the file. For learning it is split in time: training,
validation and evaluation see different slots.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from math import nan
from pathlib import Path
from stat import S_ISREG
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ..gains import COMPLEX, DECIBELS, HIGH, LOW, check_shape, converted, within
from ..problem import Floats
from ..records import Record
from ..rows import number, plain, read_rows

COLUMNS = ("slot", "user", "channel")  # of a table, beside the gains; they count from 0
ENDINGS = (".npy", ".npz", ".mat", ".csv", ".parquet")
MOST = 2**31  # slots, users or sub-channels that an index of a table may name

Part = Literal["training", "validation", "evaluation"]
PARTS: tuple[Part, ...] = get_args(Part)
SPLIT = (0.6, 0.2, 0.2)  # shares of the slots, in the order of PARTS


@dataclass(frozen=True)
class Trace(Record):
    """The gains of a file.

    Attributes
    ----------
    gain : (S, N, K) float64, linear power gains, read-only
    sha256 : of the file
    """

    gain: Floats
    sha256: str


def load_trace(
    file: Path, unit: str = "linear", variable: str | None = None, sha256: str | None = None
) -> Trace:
    """Return the trace of a file, kept until the file changes.

    Parameters
    ----------
    file : NPY, NPZ, MAT, CSV or Parquet
    unit : of the numbers: linear, db, amplitude or complex
    variable : the name of the array in NPZ and MAT, of the column of gains in CSV and Parquet
    sha256 : that the file must have, if given

    Raises
    ------
    ValueError
        Naming the file and what was expected of it.
    """
    try:
        trace = read_trace(file, unit, variable)
    except ValueError as error:
        reason = str(error)
        if sha256 is not None and not Path(file).exists():
            reason += f", where the trace of SHA-256 {sha256} was when it was recorded"
        raise ValueError(f"channel.file = {file}: {reason}") from None
    if sha256 is not None and trace.sha256 != sha256:
        raise ValueError(
            f"channel.file = {file}: is another file than the one recorded: its SHA-256 is "
            f"{trace.sha256}, not {sha256}: put that one back, or take this one by leaving "
            "channel.sha256 and channel.shape out"
        )
    return trace


def read_trace(file: Path, unit: str = "linear", variable: str | None = None) -> Trace:
    """Return the trace of a file as `load_trace` does, its faults without the file's name."""
    file = Path(file)
    try:
        stamp = file.stat()
    except (OSError, ValueError) as error:
        raise ValueError(getattr(error, "strerror", None) or str(error)) from None
    if not S_ISREG(stamp.st_mode):
        raise ValueError("is not a regular file")
    return _read(file.absolute(), unit, variable, (stamp.st_mtime_ns, stamp.st_size, stamp.st_ino))


@lru_cache(maxsize=4)
def _read(file: Path, unit: str, variable: str | None, stamp: tuple[int, int, int]) -> Trace:
    ending = file.suffix.lower()
    if ending not in ENDINGS:
        raise ValueError(f"the endings {', '.join(ENDINGS)} are expected")
    try:
        data = file.read_bytes()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what matters is said in words of our own
            stored = _READERS[ending](data, variable, unit)
            gain = converted(stored, unit)
    except OSError as error:
        raise ValueError(error.strerror or str(error)) from None
    except MemoryError:
        raise ValueError("does not fit into memory") from None
    except ValueError as error:
        raise ValueError(str(error).lstrip()) from None
    check_shape(gain.shape, (None, None, None), "the array")
    if not within(gain):
        raise ValueError(_first_fault(gain, stored, unit))
    gain = np.ascontiguousarray(gain)
    gain.setflags(write=False)
    return Trace(gain, hashlib.sha256(data).hexdigest())


def _first_fault(gain: Floats, stored: NDArray[Any], unit: str) -> str:
    """Return a sentence on the gains out of range, with the first in the words of the file."""
    wrong = np.argwhere(~((gain >= LOW) & (gain <= HIGH)))
    slot, user, channel = first = tuple(wrong[0].tolist())
    value = stored[first].item()
    words = f"slot {slot}, user {user}, channel {channel} has gain {value!r}"
    if len(wrong) > 1:
        words += f" (and {len(wrong) - 1} more are out of range)"
    if unit != "linear":
        return f"{words}: {gain[first]:g} as a linear power gain, {LOW:g} to {HIGH:g} are expected"
    hint = f'; {DECIBELS}, which unit = "db" does' if (stored < 0).any() else ""
    return f"{words}: finite gains above 0 are expected ({LOW:g} to {HIGH:g}){hint}"


def other_shape(shape: tuple[int, ...], users: int, channels: int) -> str:
    """Return a sentence on a trace of other users or sub-channels than expected."""
    return (
        f"gains of {users} users on {channels} channels are expected, got {shape[1]} and {shape[2]}"
    )


def parts(length: int, split: Sequence[float] | None = None) -> dict[Part, range]:
    """Return the slots of a trace's parts: blocks in the order of time.

    Where there are as many slots as parts with a share above 0, each of these has at least one.
    """
    shares = split or SPLIT
    total, ends = sum(shares), [0, 0, 0]
    before = 0
    for i, share in enumerate(shares):
        later = sum(s > 0 for s in shares[i + 1 :])
        end = round(length * sum(shares[: i + 1]) / total)
        before = max(min(max(end, before + (share > 0)), length - later), before)
        ends[i] = before
    starts = (0, *ends)
    return {name: range(starts[i], ends[i]) for i, name in enumerate(PARTS)}


def autocorrelation(gain: Floats, lag: int) -> float:
    """Return how alike gains are that lie `lag` slots apart: 1 alike, 0 unrelated.

    The autocovariance of each link (user and sub-channel) over its variance, in the mean over the
    links; for Rayleigh fading of Jakes' spectrum J0(2 pi f_D tau)^2 (Clarke, 1968).

    Parameters
    ----------
    gain : (S, N, K) float64
    lag : from 0 to S - 1

    Returns
    -------
    NaN where no gain ever changes
    """
    away = gain - gain.mean(axis=0)
    variance = (away**2).mean(axis=0)
    changing = variance > 0
    covariance = (away[: len(away) - lag] * away[lag:]).mean(axis=0)
    return float((covariance[changing] / variance[changing]).mean()) if changing.any() else nan


def _read_npy(data: bytes, variable: str | None, unit: str) -> NDArray[Any]:
    if variable is not None:
        raise ValueError(f"variable = {variable!r}: an NPY file has one array, without a name")
    if not data.startswith(b"\x93NUMPY"):
        raise ValueError("is not an NPY file: numpy.save(file, gain) writes one")
    return _array(BytesIO(data))


def _read_npz(data: bytes, variable: str | None, unit: str) -> NDArray[Any]:
    from zipfile import BadZipFile, ZipFile

    try:
        with ZipFile(BytesIO(data)) as archive:
            names = [name.removesuffix(".npy") for name in archive.namelist()]
            name = _chosen(names, variable)
            return _array(BytesIO(archive.read(f"{name}.npy")))
    except (BadZipFile, KeyError, EOFError, NotImplementedError, RuntimeError):
        raise ValueError("is not an NPZ file: numpy.savez(file, gain=gain) writes one") from None


def _array(file: BytesIO) -> NDArray[Any]:
    try:
        array: NDArray[Any] = np.load(file, allow_pickle=False)
    except (ValueError, EOFError, OSError, SyntaxError, TypeError) as error:
        if "Object arrays" in str(error):
            raise ValueError(
                "holds Python objects, not numbers: save numpy.asarray(gain, dtype=float)"
            ) from None
        raise ValueError("is not a whole NPY file: numpy.save(file, gain) writes one") from None
    return array


def _read_mat(data: bytes, variable: str | None, unit: str) -> NDArray[Any]:
    from scipy.io import loadmat

    if b"MATLAB 7.3" in data[:128]:
        return _read_mat_73(data, variable)
    try:
        variables = loadmat(BytesIO(data))
    except Exception as error:  # scipy raises what it happens to meet in a broken file
        if isinstance(error, MemoryError):
            raise
        raise ValueError("is not a whole MAT file: save(file, 'gain', '-v7') writes one") from None
    arrays = {name: value for name, value in variables.items() if not name.startswith("__")}
    return np.asarray(arrays[_chosen(list(arrays), variable)])


def _read_mat_73(data: bytes, variable: str | None) -> NDArray[Any]:
    """Read HDF5 as MATLAB writes it: axes in reverse, complex numbers as pairs."""
    try:
        import h5py
    except ImportError:
        raise ValueError(
            "is a MATLAB 7.3 file (HDF5), which h5py reads (pip install h5py); save(file, 'gain', "
            "'-v7') writes an older one"
        ) from None
    try:
        with h5py.File(BytesIO(data)) as file:
            arrays = {name: item for name, item in file.items() if isinstance(item, h5py.Dataset)}
            stored = arrays[_chosen(list(arrays), variable)]
            text = stored.attrs.get("MATLAB_class") == b"char"
            array = np.asarray(stored).T
    except (OSError, RuntimeError):
        raise ValueError("is not a whole MAT file: save(file, 'gain', '-v7') writes one") from None
    if text:
        raise ValueError("holds text, not numbers")
    if array.dtype.names == ("real", "imag"):
        return np.asarray(array["real"] + 1j * array["imag"])
    return array


def read_mat(file: str | Path, variable: str | None = None) -> NDArray[Any]:
    """Return the array of a MATLAB file in MATLAB's order of axes; faults name the file."""
    try:
        return _read_mat(Path(file).read_bytes(), variable, "")
    except OSError as error:
        raise ValueError(f"{file}: {error.strerror or error}") from None
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from None


def _chosen(names: list[str], variable: str | None) -> str:
    """Return the name of the array that is meant, the only one unless named."""
    if variable is None and len(names) == 1:
        return names[0]
    contents = f"the file holds {', '.join(names)}" if names else "the file holds no array"
    if variable is None:
        raise ValueError(
            f'{contents}: say which is meant, as in variable = "{(names or ["h"])[0]}"'
        )
    if variable not in names:
        raise ValueError(f"has no variable {variable!r}: {contents}")
    return variable


def _read_csv(data: bytes, variable: str | None, unit: str) -> NDArray[Any]:
    rows, delimiter = read_rows(data)
    header = [name.lower() for name in rows[0]] if rows else []
    places = _columns(header, variable, ", ".join(rows[0][:6]) if rows else "nothing")
    table = np.empty((len(rows) - 1, 4), dtype=complex if unit == "complex" else float)
    for i, row in enumerate(rows[1:]):
        for j, place in enumerate(places):
            cell = row[place] if place < len(row) else ""
            try:
                table[i, j] = (
                    _complex(cell) if j == 3 and unit == "complex" else number(cell, delimiter)
                )
            except ValueError:
                name = header[place]
                raise ValueError(_no_number(name, cell, i + 1, gain=j == 3)) from None
    return _pivot(table[:, :3].real, table[:, 3])


def _complex(cell: str) -> complex:
    return complex(plain(cell.strip("()").replace(" ", "").replace("i", "j")))


def _no_number(column: str, cell: str, row: int, gain: bool) -> str:
    """Return a sentence on a cell of a table that is no number."""
    words = f"row {row} below the header has {column} = {cell[:40]!r}"
    if gain:
        try:
            _complex(cell)
        except ValueError:
            pass
        else:
            return f'{words}: {COMPLEX}, which unit = "complex" does'
    return f"{words}: a number is expected"


def _columns(header: Sequence[str], variable: str | None, first: str) -> list[int]:
    """Return where a table has slot, user, channel and the gains."""
    gain = (variable or "gain").lower()
    missing = [name for name in (*COLUMNS, gain) if name not in header]
    if not missing:
        return [list(header).index(name) for name in (*COLUMNS, gain)]
    words = (
        f"a header with the columns {', '.join((*COLUMNS, gain))} is expected, "
        f"missing: {', '.join(missing)}; the first row is {first}"
    )
    if missing == [gain]:
        names = [name for name in header if name not in COLUMNS]
        for name in names:
            if name.replace("[", "_").replace("(", "_").rstrip(")] ").endswith("_db"):
                raise ValueError(
                    f'{words}; {DECIBELS}, which unit = "db" with variable = "{name}" does'
                )
        if names:
            words += f'; variable = "{names[0]}" names the column of gains'
    raise ValueError(words)


def _read_parquet(data: bytes, variable: str | None, unit: str) -> NDArray[Any]:
    try:
        import pyarrow
        import pyarrow.parquet as parquet
    except ImportError:
        raise ValueError("reading Parquet needs pyarrow (pip install pyarrow)") from None
    try:
        table = parquet.read_table(BytesIO(data))
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise ValueError(f"is not a Parquet file: {str(error).splitlines()[0]}") from None
    names = [name.lower() for name in table.column_names]
    places = _columns(names, variable, ", ".join(table.column_names[:6]))
    columns = [table.column(place).to_numpy() for place in places]
    for place, column in zip(places, columns, strict=True):
        if column.dtype.kind not in "iuf":
            raise ValueError(f"column {names[place]} holds {column.dtype}: numbers are expected")
    return _pivot(np.stack(columns[:3], axis=1).astype(float), columns[3])


def _pivot(rows: Floats, values: NDArray[Any]) -> NDArray[Any]:
    """Turn rows (slot, user, channel) and values into (S, N, K); every place exactly once."""
    if len(rows) == 0:
        raise ValueError("at least one row is expected")
    if not ((rows >= 0) & (rows < MOST)).all():
        raise ValueError("slot, user and channel are expected to count from 0")
    index = rows.astype(np.int64)
    if (index != rows).any():
        raise ValueError("slot, user and channel are expected to be whole numbers")
    for name, least in zip(COLUMNS, index.min(axis=0).tolist(), strict=True):
        if least:
            raise ValueError(f"{name} counts from {least}: slot, user and channel count from 0")
    shape = tuple(int(n) for n in index.max(axis=0) + 1)
    expected = (
        f"one row for each of {shape[0]} slots x {shape[1]} users x {shape[2]} channels is expected"
    )
    if shape[0] * shape[1] * shape[2] != len(rows):
        raise ValueError(f"{expected}, got {len(rows)} rows")
    flat = (index[:, 0] * shape[1] + index[:, 1]) * shape[2] + index[:, 2]
    order, counts = np.unique(flat, return_counts=True)
    if len(order) != len(rows):
        slot, user, channel = np.unravel_index(order[counts > 1][0], shape)
        raise ValueError(f"{expected}, got several of slot {slot}, user {user}, channel {channel}")
    gain = np.empty(len(rows), dtype=values.dtype)
    gain[flat] = values
    return gain.reshape(shape)


_READERS: dict[str, Callable[[bytes, str | None, str], NDArray[Any]]] = {
    ".npy": _read_npy,
    ".npz": _read_npz,
    ".mat": _read_mat,
    ".csv": _read_csv,
    ".parquet": _read_parquet,
}
