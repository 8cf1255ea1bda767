"""Grids of scenarios: `--vary KEY=V1,V2,...`, every value with every value of the others.

A key is a path in a scenario file, as messages write it (`system.bandwidth_mhz`), or one of
`SHORT`: several keys at once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from difflib import get_close_matches
from itertools import product
from typing import Any

from ...channel.keys import keys
from ...channel.laws import LAWS
from ...scenario import Scenario, toml
from ...scenario.sections import keys_of, section_at

LOAD = (  # keys of a task that its load multiplies
    *("data_kbit", "semantic_kbit"),
    *("local_mflop", "extract_mflop", "server_mflop", "server_raw_mflop"),
)
WEIGHTS = ("qoe.weight_latency", "qoe.weight_energy", "qoe.weight_accuracy")


def users(scenario: Scenario, value: Any) -> dict[str, Any]:
    """Change the number of users, whose sub-channels stay what they are."""
    return {"users": value}


def channels(scenario: Scenario, value: Any) -> dict[str, Any]:
    """Change the number of sub-channels."""
    return {"channels": value}


def weights(scenario: Scenario, value: Any) -> dict[str, Any]:
    """Change the weights of latency, energy and accuracy: "0.6/0.2/0.2"."""
    parts = str(value).split("/")
    if len(parts) != len(WEIGHTS):
        raise ValueError("three numbers are expected, latency/energy/accuracy: 0.6/0.2/0.2")
    return dict(zip(WEIGHTS, map(number, parts), strict=True))


def number(word: Any) -> float:
    """Return a value as a number, or raise ValueError where it is none."""
    try:
        return float(word)
    except (TypeError, ValueError):
        raise ValueError(f"{word} is no number: one such as 0.5 is expected") from None


def load(scenario: Scenario, value: Any) -> dict[str, Any]:
    """Multiply the data and the FLOP of every task."""
    factor = number(value)
    return {
        f"tasks.{name}.{key}": task[key] * factor
        for name, task in scenario.to_dict()["tasks"].items()
        for key in LOAD
        if key in task
    }


def law(scenario: Scenario, value: Any) -> dict[str, Any]:
    """Change the channel law; what the other one does not take is left out."""
    if value not in LAWS:
        raise ValueError(f"is not one of {', '.join(LAWS)}")
    before = scenario.to_dict().get("channel", {})
    taken = set(keys([*LAWS[value].takes]))
    return {"channel": {k: v for k, v in before.items() if k in taken} | {"model": value}}


SHORT: dict[str, Callable[[Scenario, Any], dict[str, Any]]] = {
    "users": users,
    "channels": channels,
    "weights": weights,
    "load": load,
    "law": law,
}

LISTED = {
    "users": "the number of users, as in users=2,4",
    "channels": "the number of sub-channels, as in channels=2,4",
    "weights": "of latency, energy and accuracy, as in weights=0.6/0.2/0.2,0.2/0.2/0.6",
    "load": "a factor on the data and the FLOP of every task, as in load=1,2",
    "law": "of the channel, as in law=rayleigh,uniform",
}
# As some write all numbers between two.
RANGE = re.compile(r"(\d{1,4})\s*(?:-|:|\.\.+)\s*(\d{1,4})")
MOST = 20  # numbers that a message lists


def varied(scenarios: Sequence[Scenario], options: Sequence[str]) -> list[Scenario]:
    """Return each scenario with every combination of the values of `--vary`.

    Raises
    ------
    ValueError
        For an option that is none, a key that is given twice, or a value that makes no scenario.
    """
    given = [axis(option) for option in options]
    keys = [key for key, _ in given]
    for key in keys:
        if keys.count(key) > 1:
            raise ValueError(f"--vary {key} is given twice: give all values in one, {key}=V1,V2")
    axes = [[(key, word, value) for word, value in values] for key, values in given]
    return [changed(scenario, combined) for scenario in scenarios for combined in product(*axes)]


def axis(option: str) -> tuple[str, list[tuple[str, Any]]]:
    """Return the key of "KEY=V1,V2", and its values beside their words."""
    key, equals, text = option.partition("=")
    words = [word.strip() for word in parts(text)]
    if not equals or not key.strip() or not all(words):
        raise ValueError(f"--vary {option}: KEY=VALUE,VALUE is expected, such as users=2,4,8")
    return key.strip(), [(word, value_of(word)) for word in words]


def parts(text: str) -> Iterator[str]:
    """Yield what stands between the commas that are in no bracket."""
    depth, start = 0, 0
    for place, letter in enumerate(text):
        depth += (letter in "[{") - (letter in "]}")
        if letter == "," and depth == 0:
            yield text[start:place]
            start = place + 1
    yield text[start:]


def value_of(word: str) -> Any:
    """Return a value as TOML has it; what is none is a word."""
    try:
        return toml.value(word)
    except ValueError as error:
        raise ValueError(f"--vary {word}: {error}") from None


def changed(scenario: Scenario, combined: Sequence[tuple[str, str, Any]]) -> Scenario:
    """Return a scenario with some keys changed, which its name says."""
    name = scenario.name
    for key, word, value in combined:
        name = f"{name}, {key}={word}"
        try:
            changes = SHORT[key](scenario, value) if key in SHORT else {key: value}
            scenario = scenario.replace(changes, name=name)
        except ValueError as error:
            raise ValueError(f"--vary {key}={word}: {error}{hint(key, word)}") from None
    return scenario


def meaning(key: str) -> str:
    """Return what a key is of, with its unit, as the axis of a figure names it."""
    if key in LISTED:
        return LISTED[key].partition(", as in")[0].removeprefix("the ")
    *path, name = key.split(".")
    section = section_at(tuple(path))
    words = keys_of(section).get(name, "") if section else ""
    return words.partition(";")[0] or key


def hint(key: str, word: str) -> str:
    """Return what was perhaps meant by a key or a value that made no scenario; "" of no idea."""
    if key in SHORT:
        ends = RANGE.fullmatch(word)
        if ends is None or not 0 <= int(ends[2]) - int(ends[1]) < MOST:
            return ""
        listed = ",".join(map(str, range(int(ends[1]), int(ends[2]) + 1)))
        return f"; values stand between commas: {key}={listed}"
    near = get_close_matches(key, SHORT, 1)
    return "".join(f"; perhaps {name} was meant: {LISTED[name]}" for name in near)
