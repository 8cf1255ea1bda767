"""Elementary functions of csrc/model/math.h, on every instruction set, against wider precision."""

import numpy as np
import pytest

from semopt import _core
from tolerances import ELEMENTARY

COUNT = 40_000
NAMES = ("exp", "log", "log10", "log1p", "pow")


def apply(name, x, y):
    out = np.empty_like(x)
    _core.elementary(name, x, y, out)
    return out


def samples(name, dtype, rng):
    """Random arguments over the whole domain, near the roots, and the special values."""
    info = np.finfo(dtype)
    top = np.log(float(info.max))
    lowest = np.log2(float(info.smallest_subnormal))
    wide = np.exp2(rng.uniform(lowest, np.log2(float(info.max)), COUNT).astype(np.longdouble))
    wide = np.clip(wide, info.smallest_subnormal, info.max).astype(dtype)
    tiny = rng.normal(0, 1, COUNT) * 10.0 ** rng.uniform(-18, 0, COUNT)
    near_one = np.abs(1 + tiny * 0.5).astype(dtype)
    special = np.array(
        [0, 1, info.tiny, info.smallest_subnormal, info.max, info.eps, 0.5**0.5, 2, np.inf], dtype
    )
    if name == "exp":
        x = np.r_[rng.uniform(-1.1 * top, 1.1 * top, COUNT), tiny, special, -special, np.nan]
    elif name in ("log", "log10"):
        x = np.r_[wide, near_one, rng.uniform(0.5, 2, 10 * COUNT), special, -1, np.nan]
    elif name == "log1p":
        x = np.r_[
            wide,
            rng.uniform(0, 1, 10 * COUNT),
            np.abs(tiny),
            special,
            -0.5,
            -2,
            np.nan,
        ]
    else:
        x = np.r_[rng.uniform(1e-6, 1, COUNT), wide, near_one, near_one, 1, 0.3, 0.3]
    y = np.zeros(len(x))
    if name == "pow":
        near_one = np.where(near_one == 1, 2, near_one).astype(np.longdouble)
        to_the_ends = rng.uniform(-1.1 * top, 1.1 * top, COUNT) / np.log(near_one)
        y = np.r_[
            rng.uniform(0, 4, COUNT),
            rng.uniform(-1.2, 1.2, COUNT),
            rng.uniform(-50, 50, COUNT),
            np.clip(to_the_ends, -1e15, 1e15),
            [7, 0, 1],
        ]
    return x.astype(dtype), y.astype(dtype)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", NAMES)
def test_within_two_units_in_the_last_place(name, dtype, instruction_set):
    if np.finfo(np.longdouble).nmant < 63:
        pytest.skip("long double is no wider than double on this platform")
    x, y = samples(name, dtype, np.random.default_rng(NAMES.index(name)))
    found = apply(name, x, y)
    arguments = [x.astype(np.longdouble)]
    if name == "pow":
        arguments.append(y.astype(np.longdouble))
    with np.errstate(all="ignore"):
        want = getattr(np, "power" if name == "pow" else name)(*arguments)
        if name == "log1p":
            want[x < 0] = np.nan  # no signal-to-noise ratio
        rounded = want.astype(dtype)
        unit = np.spacing(np.abs(rounded)).astype(np.longdouble)
        error = np.abs(found.astype(np.longdouble) - want) / unit
    same = (found == rounded) | (np.isnan(found) & np.isnan(rounded))
    error = np.where(same, 0, error)
    worst = int(np.argmax(np.where(np.isnan(error), np.inf, error)))
    assert error[worst] <= ELEMENTARY, f"{name}({x[worst]!r}, {y[worst]!r}) = {found[worst]!r}"


def test_longer_and_shorter_loops_agree(instruction_set):
    # What stands beside a number must not change it: vector body and scalar remainder are one.
    rng = np.random.default_rng(0)
    for dtype in (np.float64, np.float32):
        x, y = rng.uniform(0.1, 3, (2, 67)).astype(dtype)
        for name in NAMES:
            alone = np.concatenate([apply(name, x[i : i + 1], y[i : i + 1]) for i in range(67)])
            assert np.array_equal(apply(name, x, y), alone)


@pytest.mark.parametrize("name", ["log10", "log1p"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_logarithms_never_fall(name, dtype, instruction_set):
    """A stronger signal is never slower nor less accurate: the exact solver prunes by it.

    Within a segment of the reduction rounding cannot turn the order round; where one ends and the
    next begins, neighbours are compared one by one, and so they are all over.
    """
    info, word = np.finfo(dtype), np.int64 if dtype == np.float64 else np.int32
    rng = np.random.default_rng(0)
    ends = np.r_[np.arange(43, 87) / 64, 0.5**0.5, 0.5, 1.0]
    low = info.minexp + 30 if name == "log10" else -60
    powers = np.exp2(np.arange(low, min(info.maxexp, 200)).astype(np.longdouble))
    places = (ends[:, None] * powers).ravel()
    if name == "log1p":  # the segments are those of 1 + x
        places = np.r_[places, places - 1]
    places = np.r_[places, np.exp2(rng.uniform(low, 100, 4000)), rng.uniform(0.5, 2, 4000)]
    places = places[(places > float(info.tiny) * 2**10) & (places < float(info.max) / 2)]
    near = places.astype(dtype).view(word)[:, None] + np.arange(-40, 41, dtype=word)
    x = np.ascontiguousarray(near.view(dtype))
    values = apply(name, x.ravel(), np.zeros(x.size, dtype)).reshape(x.shape)
    assert (np.diff(values, axis=1) >= 0).all()


@pytest.mark.long
@pytest.mark.parametrize("name", ["log10", "log1p"])
def test_no_number_of_single_precision_has_a_logarithm_below_its_neighbours(name, instruction_set):
    last = -np.inf
    end = int(np.float32(np.finfo(np.float32).max).view(np.int32))
    for start in range(1, end, 1 << 24):
        x = np.arange(start, min(start + (1 << 24), end), dtype=np.int32).view(np.float32)
        values = apply(name, x, np.zeros_like(x))
        assert values[0] >= last
        assert (np.diff(values) >= 0).all()
        last = values[-1]
