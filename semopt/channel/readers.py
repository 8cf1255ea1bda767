"""Readers of measured gains and responses: NPY, NPZ, MAT, CSV and Parquet, each in its own layout.

Faults are in words for whoever wrote the file, and do not name it: who calls does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..gains import COMPLEX, DECIBELS
from ..problem import Floats
from ..rows import number, plain, read_rows

COLUMNS = ("slot", "user", "channel")  # of a table, beside the gains; they count from 0
ARRAYS = (".npy", ".npz", ".mat")
MOST = 2**31  # slots, users or sub-channels that an index of a table may name


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


def read_array(
    file: str | Path, variable: str | None = None, ending: str | None = None
) -> NDArray[Any]:
    """Return the array of a file of NumPy or MATLAB, axes in their own order; faults name the file.

    Parameters
    ----------
    variable : its name, where the file holds several
    ending : what the file is, whatever its name: one of `ARRAYS`
    """
    kind = ending or Path(file).suffix.lower()
    try:
        if kind not in ARRAYS:
            raise ValueError(f"the endings {', '.join(ARRAYS)} are expected")
        if Path(file).exists() and not Path(file).is_file():
            raise ValueError("is not a regular file")
        return READERS[kind](Path(file).read_bytes(), variable, "")
    except OSError as error:
        raise ValueError(f"{file}: {error.strerror or error}") from None
    except MemoryError:
        raise ValueError(f"{file}: does not fit into memory") from None
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


READERS: dict[str, Callable[[bytes, str | None, str], NDArray[Any]]] = {
    ".npy": _read_npy,
    ".npz": _read_npz,
    ".mat": _read_mat,
    ".csv": _read_csv,
    ".parquet": _read_parquet,
}
