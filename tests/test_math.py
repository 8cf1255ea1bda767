"""Elementary functions of csrc/math.h, on every instruction set, against wider precision."""

import numpy as np
import pytest

from semopt import _core
from tolerances import ELEMENTARY

COUNT = 40_000
NAMES = ("exp", "log", "log10", "log1p", "pow")


@pytest.fixture(params=_core.instruction_sets())
def instruction_set(request):
    before = _core.instruction_set()
    _core.use_instruction_set(request.param)
    yield request.param
    _core.use_instruction_set(before)


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
