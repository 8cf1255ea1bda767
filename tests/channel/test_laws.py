"""A law is one row and its sampler: who lists laws sees it, and the recipe for one holds."""

import subprocess
import sys

import numpy as np
import pytest

from recipes import Copy
from semopt.channel import Channel, samplers, streams
from semopt.channel.laws import LAWS

MADE_UP = """
from semopt.channel import laws, samplers
from semopt.channel.streams import log


def erlang(u, v, mean, a, b):
    return -0.5 * mean * (log(u) + log(v))


class Erlang(samplers.Independent):
    transform = staticmethod(erlang)

    def parameters(self):
        return 0.0, 0.0


laws.LAWS["erlang"] = laws.Law(Erlang, "two equal parts", needs=("doppler_hz",), mean=True)

import numpy as np
from scipy import stats
from semopt import Scenario
from semopt.channel import Channel
from semopt.env import Environment

tiny = Scenario.load("tiny").to_dict()
tiny["channel"] = {"model": "erlang", "mean_gain": 0.5, "doppler_hz": 1.0}
scenario = Scenario.from_dict(tiny)
plain, _ = scenario.draw(2000, 1)
samplers.worth_compiling = lambda entries: True
assert np.array_equal(plain, scenario.draw(2000, 1)[0])
assert stats.kstest(plain.ravel(), stats.gamma(2, scale=0.25).cdf).pvalue > 1e-3
assert Environment(scenario, 3).gain.shape == (3, 2, 2)
assert Scenario.parse(scenario.to_toml()).to_dict() == scenario.to_dict()
print(scenario.to_toml(optional=True))
print(Scenario.json_schema()["$defs"]["Channel"]["properties"]["model"]["enum"])


def refused(**keys):
    tiny["channel"] = {"model": "erlang", "mean_gain": 0.5, "doppler_hz": 1.0} | keys
    try:
        Scenario.from_dict(tiny)
    except ValueError as error:
        print(error)


refused(slot_ms=1.0)
refused(model="erlan")
try:
    Channel("erlan")
except ValueError as error:
    print(error)
"""


def test_a_made_up_law_is_known_everywhere(tmp_path):
    script = tmp_path / "made_up.py"
    script.write_text(MADE_UP)
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True)
    for words in (
        "# model erlang uses doppler_hz, a mean (mean_gain, or distance_m and path_loss_exponent",
        f"'{list(LAWS)[-1]}', 'erlang']",
        "channel.slot_ms is not used by erlang, which has doppler_hz, a mean",
        "did you mean 'erlang'?",
        f"one of {', '.join(LAWS)}, erlang is expected",
    ):
        assert words in done.stdout


def test_the_recipe_for_a_law(tmp_path):
    copy = Copy(tmp_path, "Add a channel law")
    copy.add(
        "channel/fading.py",
        '''
def weibull(u: Array, v: Array, mean: Array, inverse: Array, gamma: Array) -> Array:
    """Power of a mean, Weibull."""
    return mean / gamma * exp(inverse * log(-log(1.0 - u)))
''',
        counted=False,
    )
    copy.add(
        "channel/samplers.py",
        '''
class Weibull(Independent):
    """Power of a mean, Weibull."""

    transform = staticmethod(fading.weibull)

    def parameters(self) -> tuple[ArrayLike, ArrayLike]:
        """Return 1 / k and the mean that a scale of 1 has."""
        from math import gamma

        k = self.channel.weibull_k or 1.0
        return 1.0 / k, gamma(1.0 + 1.0 / k)
''',
        counted=False,
    )
    copy.add(
        "channel/laws.py",
        """
    "weibull": Law(
        samplers.Weibull, "Weibull power", "Weibull, 1951", needs=("weibull_k",), mean=True
    ),
""",
        before="}\n\n\n@dataclass(frozen=True)\nclass Channel",
    )
    copy.add(
        "channel/keys.py",
        """
    weibull_k: float | None = _key(
        Interval(0.1, 20.0, "a number from 0.1 to 20"), "weibull_k", "shape of Weibull fading"
    )
""",
        before='    slot: float | None = _key(POSITIVE, "slot_ms"',
    )
    assert copy.is_short()
    copy.run(
        "-c",
        """
import numpy as np
from scipy import stats
from semopt import Scenario
from semopt.channel import Channel, samplers

tiny = Scenario.load("tiny").to_dict()
tiny["channel"] = {"model": "weibull", "mean_gain": 0.5, "weibull_k": 2.0}
scenario = Scenario.from_dict(tiny)
gain, _ = scenario.draw(5000, 1)
samplers.worth_compiling = lambda entries: True
assert np.array_equal(gain, scenario.draw(5000, 1)[0])
law = stats.weibull_min(2.0, scale=0.5 / 0.886226925452758).cdf  # Gamma(1.5)
assert stats.kstest(gain.ravel(), law).pvalue > 1e-3
try:
    scenario.replace({"channel.weibull_k": 30.0})
except ValueError as error:
    assert "channel.weibull_k = 30.0: must be a number from 0.1 to 20" in str(error), error
else:
    raise AssertionError("it was not refused")
try:
    scenario.replace({"channel.weibull_k": 0.1}).draw(1, 1)
except ValueError as error:
    assert "channel.weibull_k = 0.1: gains of weibull are drawn from" in str(error), error
else:
    raise AssertionError("it was not refused")
""".lstrip(),
    )
    assert "weibull_k" in copy.run("-m", "semopt", "scenario", "schema")


@pytest.mark.parametrize("exponent", [1.5, 20.0, 100.0, 1e6])
def test_gains_that_no_double_holds_are_refused_by_name(exponent):
    class Steep(samplers.Independent):
        @staticmethod
        def transform(u, v, mean, power, b):
            return mean * streams.exp(power * streams.log(u))

        def parameters(self):
            return exponent, 0.0

    channel, out = Channel("rician", mean_gain=0.5, rician_k=4.0), np.empty((1000, 2, 3))
    if exponent == 1.5:  # 2^-53 to this power is 1e-24
        Steep(channel, 1, 2, 3, 1).write(out, samplers.Rows(0, 0, 1, 0))
        assert (out > 0.0).all()
    else:
        words = "channel.mean_gain = 0.5 and channel.rician_k = 4.0: gains of rician are drawn from"
        with pytest.raises(ValueError, match=words):
            Steep(channel, 1, 2, 3, 1)
