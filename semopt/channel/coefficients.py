"""Complex channel coefficients, of simulators and measurements, become linear power gains.

A gain is what the access point receives on a sub-channel over what the user sends, both powers.
The coefficients h of a response are its square root, so that three sums lead from h to gains:

- over paths of an impulse response: their powers add, since paths that differ in delay are
  independent over a wide band;
- over antennas: "mrc", maximum-ratio combining, adds the powers that the access point's antennas
  receive (Brennan, "Linear diversity combining techniques", 1959), from a user that shares its
  power among its antennas, as space-time codes do (Alamouti, 1998); "power" is the mean over all
  pairs of antennas, what one antenna receives of one;
- over the sub-carriers of a sub-channel: their mean.

Gains keep the unit of h. Where h has the path loss in it (ray tracers), gains are far below 1: then
`noise_mw` of the scenario is the receiver's thermal noise, or `mean` scales all gains by one factor
to a mean such as the scenario's `mean_gain`, which leaves alone how users and slots differ.

    gain = from_coefficients(h, "user rx tx time subcarrier", channels=4)
    numpy.save("gains.npy", gain)  # [channel] model = "trace", file = "gains.npy"
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..allowed import POSITIVE, one_of, whole
from ..arguments import array as number
from ..gains import gains
from ..problem import Floats
from .readers import read_array

Antennas = Literal["mrc", "power"]
AXES = {  # in the order to which arrays are brought
    "batch": "independent realisations, which follow each other as slots",
    "time": "slots",
    "user": "users",
    "rx": "antennas of the access point, which receive",
    "tx": "antennas of a user, which send",
    "path": "paths or taps of an impulse response",
    "subcarrier": "frequencies of a frequency response",
}
ONE = "one"  # an axis of length 1 that means nothing
FREQUENCIES = 16  # of a sub-channel at which a response is taken from paths and their delays

Complex = NDArray[np.complexfloating[Any, Any]]


def from_coefficients(
    h: ArrayLike,
    axes: str | Sequence[str] = "user rx tx time subcarrier",
    *,
    channels: int | None = None,
    antennas: Antennas = "mrc",
    mean: float | None = None,
) -> Floats:
    """Return the linear power gains of complex coefficients: (S, N, K) float64, a trace.

    Parameters
    ----------
    h : complex array or tensor, an impulse or a frequency response
    axes : a word for each of its axes: "user", which must be there; "time" and "batch", which
        become slots; "rx", antennas of the access point, and "tx", of a user; "path", paths or taps
        of an impulse response; "subcarrier", frequencies of a frequency response; "one", an axis of
        length 1 that means nothing
    channels : K, sub-channels of equally many neighbouring sub-carriers; each sub-carrier is one
        unless given
    antennas : "mrc" adds the powers that the access point's antennas receive (maximum-ratio
        combining); "power" is the mean over all pairs of antennas
    mean : to which all gains are scaled by one factor, noise x SNR / power for the mean SNR that is
        wanted at a power; they keep the unit of h unless given

    Raises
    ------
    ValueError
        Naming the axis, the place or the option that is wrong, and what is expected

    Examples
    --------
    >>> h = [[3 + 4j, 1j], [0.5, 0.5j]]  # two users, two antennas of the access point
    >>> from_coefficients(h, "user rx").tolist()
    [[[26.0], [0.5]]]
    """
    array = _array(h)
    words = _words(axes, array.shape)
    _check_finite(array, words)
    one_of("antennas", antennas, get_args(Antennas))
    with np.errstate(over="ignore"):
        power = array.real.astype(float) ** 2 + array.imag.astype(float) ** 2
    ones = tuple(i for i, word in enumerate(words) if word == ONE)
    power, words = power.squeeze(ones), [word for word in words if word != ONE]
    power = power.transpose([words.index(word) for word in AXES if word in words])
    power = np.expand_dims(power, [i for i, word in enumerate(AXES) if word not in words])
    power = power.sum(axis=5)
    power = power.sum(axis=3).mean(axis=3) if antennas == "mrc" else power.mean(axis=(3, 4))
    power = power.reshape(-1, *power.shape[2:])  # realisations and slots
    gain = _mean_of_sub_channels(power, channels, "subcarrier" in words)
    silent = np.flatnonzero(~gain.any(axis=(0, 2)))
    if silent.size:
        raise ValueError(
            f"user {silent[0]} has no power in any slot, as one whom no path reaches: leave "
            f"{'it' if silent.size == 1 else f'the {silent.size} such users'} out"
        )
    if mean is not None:
        gain *= float(number("mean", mean, POSITIVE, 0)) / gain.mean()
    return gains(gain, (None, None, None))


def from_sionna(
    h: ArrayLike,
    tau: ArrayLike | None = None,
    *,
    users: Literal["tx", "rx"] = "tx",
    station: int = 0,
    bandwidth: float | None = None,
    channels: int | None = None,
    **rules: Any,
) -> Floats:
    """Return the gains of what Sionna 2 writes: (S, N, K) float64.

    Parameters
    ----------
    h : without `tau` a frequency response, (batch, receivers, their antennas, transmitters, their
        antennas, time steps, sub-carriers), of `GenerateOFDMChannel` or `cir_to_ofdm_channel`; with
        it the path coefficients of a channel model, (..., paths, time steps). Sionna RT's
        `Paths.cfr` and `Paths.cir` have no batch
    tau : path delays in s, (batch, receivers, transmitters, paths), or with antennas as of `h`
    users : "tx" in the uplink; "rx" in the downlink, whose channel is by reciprocity the uplink's
    station : which one of the other side is the access point
    bandwidth : Hz, of all sub-channels, for path coefficients with `channels` above 1
    channels, rules : as of `from_coefficients`

    Notes
    -----
    Shapes: nvlabs.github.io/sionna, `sionna.phy.channel.cir_to_ofdm_channel`, `sionna.rt.Paths`.

    Examples
    --------
    >>> h = np.ones((1, 1, 4, 2, 1, 3, 12), complex)  # four antennas, two users, three slots
    >>> gain = from_sionna(h, channels=2)
    >>> gain.shape, gain[0, 0].tolist()
    ((3, 2, 2), [4.0, 4.0])
    """
    array = _array(h)
    if array.ndim == 6:
        array = array[None]
    if array.ndim != 7:
        raise ValueError(
            f"h has shape {array.shape}: Sionna writes (batch, receivers, their antennas, "
            "transmitters, their antennas, time steps, sub-carriers), or (..., paths, time steps) "
            "with tau, and Sionna RT the same without batch"
        )
    one_of("users", users, ("tx", "rx"))
    whole("station", station, 0, array.shape[1 if users == "tx" else 3] - 1)
    last = "time subcarrier" if tau is None else "path time"
    if tau is not None and channels not in (None, 1):
        array = _response(array, _array(tau, real=True), channels, bandwidth)
        last = "time subcarrier"
    if users == "tx":
        array, sides = array[:, station], "rx user tx"
    else:
        array, sides = array[:, :, :, station], "user tx rx"
    return from_coefficients(array, f"batch {sides} {last}", channels=channels, **rules)


def from_deepmimo(
    h: ArrayLike, *, paths: bool = False, subcarriers: int | None = None, **rules: Any
) -> Floats:
    """Return the gains of what DeepMIMO writes: (S, N, K) float64.

    Users receive there, and channels are reciprocal: the base station is the access point.

    Parameters
    ----------
    h : of `dataset.compute_channels()`: (users, their antennas, antennas of the base station,
        sub-carriers), or (..., sub-carriers, times)
    paths : whether it was computed with freq_domain=False, with paths in place of sub-carriers
    subcarriers : `ofdm.subcarriers`, among which DeepMIMO shares the power of a path, so that
        gains are |h|^2 times their number; as many as h has unless given
    rules : channels, antennas, mean, as of `from_coefficients`

    Notes
    -----
    Shapes and power: github.com/DeepMIMO/DeepMIMO (version 4), `Dataset.compute_channels` and
    `OFDMPathGenerator`; version 3 has the array as dataset[i]["user"]["channel"].

    Examples
    --------
    >>> h = np.full((2, 1, 8, 64), 1e-5 + 0j)  # two users, eight antennas, 64 sub-carriers
    >>> from_deepmimo(h, channels=4).shape
    (1, 2, 4)
    """
    array = _array(h)
    if array.ndim not in (4, 5):
        raise ValueError(
            f"h has shape {array.shape}: DeepMIMO writes (users, their antennas, antennas of the "
            "base station, sub-carriers), with times behind where there are several"
        )
    if subcarriers is not None:
        whole("subcarriers", subcarriers, array.shape[3], hint=", as many as h has")
        if paths:
            raise ValueError(f"subcarriers = {subcarriers}: paths share no power, leave it out")
    share = 1 if paths else subcarriers or array.shape[3]
    axes = f"user tx rx {'path' if paths else 'subcarrier'}" + " time" * (array.ndim == 5)
    return from_coefficients(array * np.sqrt(share), axes, **rules)


def from_mat(
    file: str | Path,
    axes: str | Sequence[str] = "subcarrier time rx tx",
    variable: str | None = None,
    **rules: Any,
) -> Floats:
    """Return the gains of coefficients in a MATLAB file, -v7 or -v7.3: (S, N, K) float64.

    Parameters
    ----------
    file : written by MATLAB's `save`
    axes : in MATLAB's order; the default is that of `nrPerfectChannelEstimate`, for one user. Path
        gains of `nrTDLChannel`, `nrCDLChannel` and `comm.MIMOChannel` are "time path tx rx"
    variable : its name, where the file holds several
    rules : channels, antennas, mean, as of `from_coefficients`

    Notes
    -----
    Axes: mathworks.com/help, pages of `nrPerfectChannelEstimate` and `channelDelay`.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from scipy.io import savemat
    >>> with TemporaryDirectory() as folder:
    ...     savemat(f"{folder}/h.mat", {"h": np.ones((12, 14, 2), complex)})
    ...     from_mat(f"{folder}/h.mat", channels=3).shape
    (14, 1, 3)
    """
    array, words = _array(read_array(file, variable, ".mat")), _listed(axes)
    lacking = max(0, len(words) - array.ndim)  # MATLAB drops axes of length 1 at the end
    array = array.reshape(*array.shape, *[1] * lacking)
    if "user" not in words:
        array, words = array[..., None], [*words, "user"]
    return from_coefficients(array, words, **rules)


def from_file(
    file: str | Path, axes: str | Sequence[str], variable: str | None = None, **rules: Any
) -> Floats:
    """Return the gains of coefficients in a file, NPY, NPZ or MAT: (S, N, K) float64.

    Parameters
    ----------
    file : a MAT file is read as `from_mat` does
    axes : as of `from_coefficients`
    variable : its name, where the file holds several
    rules : channels, antennas, mean, as of `from_coefficients`
    """
    if Path(file).suffix.lower() == ".mat":
        return from_mat(file, axes, variable, **rules)
    return from_coefficients(read_array(file, variable), axes, **rules)


def _array(value: Any, real: bool = False) -> NDArray[Any]:
    """Return numbers of any library as an array: complex ones, unless real ones are expected."""
    if isinstance(value, str | Path):
        words = f"an array is expected, not a file's name: numpy.load({str(value)!r}) reads one"
        raise ValueError(f"{'tau' if real else 'h'}: {words}")
    if hasattr(value, "detach"):  # a tensor of PyTorch, on whatever device
        value = value.detach().cpu().resolve_conj()
    try:
        array = np.asarray(value)
    except ValueError:  # lists of different lengths
        array = np.asarray(None)
    if array.dtype.kind not in ("fiu" if real else "c"):
        what = "real numbers, in s, are" if real else "complex coefficients are"
        hint = "; power gains are a trace as they are" if array.dtype.kind in "fiu" else ""
        hint = "; of a structure, take the field that holds them" if array.dtype.names else hint
        name = "tau" if real else "h"
        raise ValueError(f"{name}: {what} expected, got an array of {array.dtype}{hint}")
    return array


def _listed(axes: str | Sequence[str]) -> list[str]:
    words = axes.replace(",", " ").split() if isinstance(axes, str) else axes
    if not isinstance(words, (list, tuple)) or not all(isinstance(word, str) for word in words):
        raise ValueError(f"axes = {axes!r}: words are expected, such as 'user rx time subcarrier'")
    return [word.lower() for word in words]


def _words(axes: str | Sequence[str], shape: tuple[int, ...]) -> list[str]:
    """Return the words of axes, or raise ValueError unless they fit an array."""
    words = _listed(axes)
    for word in words:
        if word not in (*AXES, ONE):
            known = ", ".join((*AXES, ONE))
            raise ValueError(f"axes = {axes!r}: {word!r} is not one of {known}")
        if word != ONE and words.count(word) > 1:
            raise ValueError(f"axes = {axes!r}: {word} is named twice")
    if "user" not in words:
        raise ValueError(
            f"axes = {axes!r}: user is missing; of one user, h[None] has it as its first axis"
        )
    if len(words) != len(shape):
        raise ValueError(
            f"axes = {axes!r}: a word for each axis is expected, these are {len(words)} and h has "
            f"shape {shape}"
        )
    for word, length in zip(words, shape, strict=True):
        if length == 0:
            raise ValueError(f"h has shape {shape}: {word} is empty, at least 1 is expected")
        if word == ONE and length > 1:
            raise ValueError(f"h has shape {shape}: an axis called {ONE} has length {length}")
    return words


def _check_finite(array: Complex, words: list[str]) -> None:
    """Raise ValueError for the first coefficient that is NaN or infinite."""
    wrong = np.argwhere(~np.isfinite(array))
    if not len(wrong):
        return
    place = ", ".join(f"{word} {i}" for word, i in zip(words, wrong[0], strict=True))
    others = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
    raise ValueError(
        f"h at {place} is {array[tuple(wrong[0])]}{others}: finite numbers are expected; leave out "
        "slots that were not measured"
    )


def _mean_of_sub_channels(power: Floats, channels: int | None, responses: bool) -> Floats:
    """Return the means of neighbouring sub-carriers of (S, N, F): (S, N, K)."""
    slots, users, subcarriers = power.shape
    count = subcarriers if channels is None else channels
    whole("channels", count, 1)
    if subcarriers % count:
        hint = (
            f"{subcarriers} sub-carriers are not a multiple of it: {_dividing(subcarriers, count)}"
            if responses
            else "h has no axis subcarrier that could be divided: take its frequency response"
        )
        raise ValueError(f"channels = {channels}: {hint}")
    return np.asarray(power.reshape(slots, users, count, -1).mean(axis=-1))


def _dividing(subcarriers: int, count: int) -> str:
    """Return which numbers of sub-channels would do in place of `count`."""
    divisors = [k for k in range(1, subcarriers + 1) if subcarriers % k == 0]
    near = [max(k for k in divisors if k < count), *(k for k in divisors if k > count)][:2]
    words = f"{' or '.join(map(str, near))} would do"
    rest = subcarriers % count
    if rest >= subcarriers:
        return words
    return f"{words}, or cut {rest} at the edges off the array before"


def _response(a: Complex, tau: Floats, channels: int | None, bandwidth: float | None) -> Complex:
    """Return sum a e^(-j 2 pi f tau) over paths: (batch, ..., time, channels FREQUENCIES)."""
    if bandwidth is None:
        raise ValueError(f"bandwidth: paths need one, in Hz, to become {channels} sub-channels")
    if not np.isfinite(tau).all():
        raise ValueError("tau: finite delays, in s, are expected")
    whole("channels", channels, 1)
    count = (channels or 1) * FREQUENCIES
    hertz = float(number("bandwidth", bandwidth, POSITIVE, 0))
    frequency = ((np.arange(count) + 0.5) / count - 0.5) * hertz
    if tau.ndim == a.ndim - 4:  # Sionna RT's has no batch
        tau = tau[None]
    if tau.ndim == 4:  # the same for all antennas
        tau = tau[:, :, None, :, None]
    if tau.shape == a.shape[1:-1]:
        tau = tau[None]
    try:
        turns = np.broadcast_to(tau, a.shape[:-1])[..., None] * frequency
    except ValueError:
        raise ValueError(
            f"tau has shape {tau.shape}: (batch, receivers, transmitters, paths) of h, which has "
            f"{a.shape}, is expected"
        ) from None
    rotation = np.exp(-2j * np.pi * turns)
    return np.asarray(np.einsum("...pt,...pf->...tf", a, rotation))
