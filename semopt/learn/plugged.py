"""A policy of the user's own: code that may do anything, and answers that may be anything.

Whatever it raises or returns instead of decisions is one sentence, and what it prints goes to
standard error, where it spoils no JSON.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from inspect import iscoroutine
from pathlib import Path
from traceback import extract_tb
from typing import TYPE_CHECKING, Any

import numpy as np

from ..actions import SKIP, Actions, ranges
from ..arrays import Flags
from ..battery import in_place_of_skips
from ..limits import has_battery
from ..model import exceeds
from ..online.policy import Policy as QueuePolicy
from ..problem import Floats, Integers, Problem
from ..scenario import Scenario
from ..strict import shortened
from .refine import Decider

if TYPE_CHECKING:
    from ..env.batteries import Ahead
    from ..env.decisions import Decisions

PLAIN = "plain"  # observes gains, tasks, energy left and tasks left as they are
SHOWN = 200  # characters of what a user's code says of itself


UNITS = {"power": " W", "frequency": " Hz", "extraction": ""}  # of the fields of Actions


def plugged(name: str, scenario: Scenario) -> Decider:
    """Return the policy of a name, "module:function" or "path/to/file.py:function"."""
    function, file = loaded(name)
    return policy(function, scenario, name, file)


def plugged_for_queues(name: str, scenario: Scenario) -> QueuePolicy:
    """Return the same as a policy for queues with batteries."""
    function, file = loaded(name)
    return queue_policy(function, scenario, name, file)


def policy(
    function: Callable[..., Any], scenario: Scenario, name: str = "", file: str = ""
) -> Decider:
    """Return a user's own function, of observations as `evaluate.evaluate` says, as one of slots.

    Parameters
    ----------
    name, file : what messages call it, and the file whose lines they name
    """
    answer = answering(function, scenario, name, file)
    return lambda gain, task: answer(gain, task, None)[0]


def queue_policy(
    function: Callable[..., Any], scenario: Scenario, name: str = "", file: str = ""
) -> QueuePolicy:
    """Return the same as a policy for queues with batteries."""
    from ..env.batteries import Ahead

    answer = answering(function, scenario, name, file)
    return lambda gain, task, left, tasks_left: answer(
        gain, task, Ahead(left, np.full(len(task), tasks_left))
    )


def answering(
    function: Callable[..., Any], scenario: Scenario, name: str, file: str
) -> Callable[[Floats, Integers, Ahead | None], tuple[Actions, Flags]]:
    """Return a user's own function as one of slots and of what queues with batteries have ahead."""
    from ..env.decisions import LEADING_SHARES
    from ..env.environment import Environment

    name = name or function_name(function)
    file = file or getattr(getattr(function, "__code__", None), "co_filename", "")
    with guarded(name, file):
        observation = getattr(function, "observation", "shared")
    queued = has_battery(scenario.template())
    known = ("own", "shared", *([PLAIN] if queued else []))
    if not (isinstance(observation, str) and observation in known):
        *first, last = map(repr, known)
        raise ValueError(f"{name}.observation = {shown(observation)}: {', '.join(first)} or {last}")
    plain = observation == PLAIN
    env = Environment(scenario, 1, observation="own" if observation == "own" else "shared")

    def answer(gain: Floats, task: Integers, ahead: Ahead | None) -> tuple[Actions, Flags]:
        if plain and ahead:
            seen: tuple[Any, ...] = gain, task, ahead.left, int(ahead.tasks[0])
        else:
            seen = (np.empty((*task.shape, env.observation_size), np.float32),)
            env.observe(gain, task, seen[0], ahead)
        with guarded(name, file):
            value = function(*seen)
        if iscoroutine(value):
            value.close()  # else Python warns that nobody waited for it
            raise ValueError(f"{name}: is async: a function that returns decisions is expected")
        skipped = np.zeros(task.shape, bool)
        if ahead and isinstance(value, tuple) and len(value) == 2:
            value, skipped = value[0], as_skips(name, file, value[1], task.shape)
        if isinstance(value, Actions):
            played = as_arrays(name, file, value)
            if skipped.any() and played.channel.shape == task.shape:
                played = in_place_of_skips(env.problem, played, skipped)
            return checked(env.problem, played, gain, task, name), skipped
        shape = (*task.shape, LEADING_SHARES + env.channels)
        decisions = as_shares(name, file, value, shape, len(env.modes), scenario)
        actions = Actions.empty(*task.shape)
        env.decide(decisions, task, actions)
        return actions, skipped | (decisions.mode == SKIP)

    return answer


def function_name(function: Callable[..., Any]) -> str:
    """Return what messages and scores call a function, or an object that is called like one."""
    return str(getattr(function, "__name__", type(function).__name__))


def is_plug(name: str) -> bool:
    """Say whether a name on the command line has the form of a user's own policy."""
    return ":" in name.strip(":")


def loaded(name: str) -> tuple[Callable[..., Any], str]:
    """Return the function of a name, and the file that its module was read from."""
    place, _, attribute = name.rpartition(":")
    with guarded(name, place, "cannot be imported"):
        if is_file(place):
            module = from_file(Path(place))
        else:
            search_working_folder()
            module = importlib.import_module(place)
        found = hasattr(module, attribute)  # a module may make its names when asked
    if not found:
        own = [
            key
            for key, value in vars(module).items()
            if callable(value) and getattr(value, "__module__", None) == module.__name__
        ]
        raise ValueError(
            f"{name}: {place} has no function {attribute}; it has {', '.join(own) or 'none'}"
        )
    function = getattr(module, attribute)
    if not callable(function):
        raise ValueError(f"{name} is no function: {type(function).__name__}")
    return function, str(file_of(name) or place)


def file_of(name: str) -> Path | None:
    """Return the file that holds a function; None where there is none, as loading it says."""
    place = name.rpartition(":")[0]
    if is_file(place):
        return Path(place)
    search_working_folder()
    try:
        with guarded(name, place, "cannot be imported"):  # the packages of a module are imported
            spec = find_spec(place)
    except ValueError:
        return None
    return Path(spec.origin) if spec and spec.has_location and spec.origin else None


def is_file(place: str) -> bool:
    """Say whether the part of a name before its function is a file, not a module."""
    return place.endswith(".py") or "/" in place or "\\" in place


def search_working_folder() -> None:
    """Let modules of the working folder be imported."""
    if "" not in sys.path:
        sys.path.insert(0, "")


def from_file(file: Path) -> Any:
    """Import a file by its place; what lies beside it can be imported from it."""
    if not file.is_file():
        raise FileNotFoundError(f"there is no file {file}")
    spec = spec_from_file_location(f"policy_{file.stem}", file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} is no Python file (*.py)")
    folder = str(file.resolve().parent)
    if folder not in sys.path:
        sys.path.append(folder)
    module = module_from_spec(spec)
    sys.modules[spec.name] = module  # as dataclasses and pickle want it
    # Not by its loader, which trusts compiled code of the same second and size: this is edited.
    exec(compile(file.read_bytes(), str(file), "exec"), module.__dict__)
    return module


@contextmanager
def guarded(name: str, file: str, what: str = "raised") -> Iterator[None]:
    """Turn whatever a user's own code raises, but Ctrl-C, into a ValueError of one line.

    An exit counts: `evaluate` does not end with code 0 because a policy says so.
    """
    try:
        with redirect_stdout(sys.stderr), np.errstate():
            yield
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        reason = "ended Python" if isinstance(error, SystemExit) else what
        place = line_of(error, file)
        raise ValueError(
            f"{name}: {reason}: {type(error).__name__}{place}: {words(error)}"
        ) from None


def words(error: BaseException) -> str:
    """Return the first line of what an exception says."""
    try:
        lines = str(error).splitlines()
    except Exception:  # its own __str__ fails
        lines = []
    return shortened(lines[0], SHOWN) if lines else "no reason given"


def line_of(error: BaseException, file: str) -> str:
    """Return the line of the user's file in which something was raised; "" if unknown."""
    lines = [f.lineno for f in extract_tb(error.__traceback__) if same_file(f.filename, file)]
    return f" in line {lines[-1]}" if lines else ""


def same_file(one: str, other: str) -> bool:
    """Say whether two names are of one file."""
    return Path(one).absolute() == Path(other).absolute()


def shown(value: Any) -> str:
    """Return a value as a message shows it, whatever it is."""
    try:
        return shortened(repr(value).splitlines()[0], SHOWN)
    except Exception:  # its own __repr__ fails
        return f"a {type(value).__name__}"


def as_array(name: str, file: str, words: str, value: Any) -> Any:
    """Return what was given as an array of numbers."""
    with guarded(name, file, f"{words} is no array"):
        array = np.asarray(value)
        masked = np.ma.is_masked(value)
    if masked:
        raise ValueError(f"{name}: {words} has masked entries: numbers are expected")
    return array


def as_arrays(name: str, file: str, actions: Actions) -> Actions:
    """Return actions whose fields are arrays."""
    fields = ("channel", "power", "frequency", "extraction")
    return Actions(*(as_array(name, file, f, getattr(actions, f)) for f in fields))


def as_skips(name: str, file: str, value: Any, shape: tuple[int, ...]) -> Flags:
    """Return which tasks a policy skips."""
    array = as_array(name, file, "the second thing that it returned", value)
    if array.shape != shape or array.dtype.kind != "b":
        raise ValueError(
            f"{name}: which tasks are skipped has shape {array.shape} of {array.dtype}: booleans "
            f"of shape {shape} are expected"
        )
    flags: Flags = array
    return flags


def as_shares(
    name: str, file: str, value: Any, shape: tuple[int, ...], modes: int, scenario: Scenario
) -> Decisions:
    """Return decisions from what a policy returned, shares of ranges."""
    from ..env.decisions import LEADING_SHARES, Decisions, outside

    array = as_array(name, file, f"a {type(value).__name__} that it returned", value)
    if array.shape != shape or array.dtype.kind not in "fiu":
        kind = "" if isinstance(value, np.ndarray) else f"a {type(value).__name__}: "
        sizes = f"{scenario.users} users, {scenario.channels} sub-channels"
        raise ValueError(
            f"{name} returned {kind}{array.dtype} of shape {array.shape}: Actions, or numbers of "
            f"shape {shape}, are expected in scenario {scenario.name} ({sizes})"
        )
    if place := outside(array):
        row, user, i = place
        raise ValueError(
            f"{name} returned {array[row, user, i]} as entry {i} of user {user} in slot {row}: "
            "numbers from 0 to 1 are expected"
        )
    decisions = Decisions.empty(shape[0], shape[1], shape[2] - LEADING_SHARES)
    decisions.take(array.astype(np.float32), modes)
    return decisions


def checked(problem: Problem, actions: Actions, gain: Floats, task: Integers, name: str) -> Actions:
    """Return actions (S, N) that can be carried out; raise ValueError naming what cannot."""
    slots, users, channels = gain.shape
    for field, array in vars(actions).items():
        if array.shape != (slots, users) or array.dtype.kind not in "fiu":
            raise ValueError(
                f"{name}: {field} has shape {array.shape} of {array.dtype}: numbers of shape "
                f"{(slots, users)} are expected"
            )
        if not np.isfinite(array).all():
            row, user = np.argwhere(~np.isfinite(array))[0].tolist()
            raise ValueError(f"{name}: {field} of user {user} in slot {row} is {array[row, user]}")
    channel = actions.channel
    if channel.dtype.kind not in "iu" or ((channel < -1) | (channel >= channels)).any():
        raise ValueError(f"{name}: channel must hold integers from -1 (local) to {channels - 1}")
    for k in range(channels):
        used = (channel == k).sum(axis=1)
        if (used > 1).any():
            row = int((used > 1).argmax())
            both = " and ".join(map(str, np.flatnonzero(channel[row] == k).tolist()))
            raise ValueError(f"{name}: users {both} share sub-channel {k} in slot {row}")
    for field, (applies, low, high) in ranges(problem, actions, task).items():
        value = getattr(actions, field)
        outside = applies & (exceeds(low, value) | exceeds(value, high))
        if outside.any():
            row, user = np.argwhere(outside)[0].tolist()
            least, most = (np.broadcast_to(x, value.shape)[row, user] for x in (low, high))
            raise ValueError(
                f"{name}: {field} of user {user} in slot {row} is {value[row, user]:g}"
                f"{UNITS[field]}: must be from {least:g} to {most:g}{UNITS[field]}"
            )
    return Actions(
        channel.astype(np.int64),
        actions.power.astype(np.float64),
        actions.frequency.astype(np.float64),
        np.minimum(actions.extraction.astype(np.float64), 1.0),
    )
