"""Clumsy commands: whatever people type, an answer or one message, never a traceback.

Commands are made of what a command takes, then bent: options of others, values of the wrong kind,
files that are none, outputs that are inputs. They run in this process.
"""

import os
import random
import re
import shlex

import pytest

import semopt.cli
from semopt import Scenario

TEXTS = [
    *("", " ", "-", "--", ".", "..", "/", "x", "0", "-1", "1.5", "1e3", "nan", "inf", "-inf"),
    *("9" * 30, "1e400", "0x10", "1_000", "٣", "²", "true", "None", "null", "[/best]", "[red]"),
    *(":smile:", "a b", "a\tb", "a\nb", "\x1b[31m", "ß", "日本", "\ud800", "%s", "{0}", "~", "*"),
    *("paper", "tiny", "papr", "PAPER", "paper.toml", "exact", "mappo", "policy", "local"),
    *("module:function", "os:system", "semopt:solve", "math:sqrt", "./x.py:f", ":", "a:", ":b"),
    "x" * 300,
]
FILES = [
    *("/dev/null", "/dev/zero", "/dev/full", "/dev/stdin", "/dev/stdout", "/dev/fd/99"),
    *("/nowhere/x.json", "/proc/self/mem", "/etc/passwd", "folder", "pipe", "huge", "empty"),
    *("binary", "bom.toml", "broken.toml", "nested.toml", "list.json", "deep.json", "good.toml"),
    *("named.toml", "result.json", "link.toml", "dangling", "loop", "new.json", "new.parquet"),
    "x" * 300,
]
NUMBERS = ["0", "1", "2", "-1", "3", "1e-9", "0.01", "1e9", "nan", "x", "1.5", "9" * 30, "", "²"]
METHODS = [
    *("reference", "local", "semantic-unaware", "exhaustive", "exact", "global", "relaxation"),
    *("mappo", "dqn", "best", "", "EXACT", "all"),
]
SCENARIOS = ["paper", "tiny", "text", "papr", "good.toml", "named.toml", "-", ""]
COMMANDS = {
    ("solve",): {
        "": SCENARIOS,
        "--method": METHODS,
        "--slots": ["1", "2", "7", "0", "-3", "x", "9" * 20],
        "--seed": ["0", "3", "-1", "9" * 40, "x"],
        "--backend": ["auto", "numpy", "cpu", "cuda", "tpu", ""],
        "--time-limit": ["0.05", "1e-9", "0", "-1", "nan", "x"],
        "--gap": ["1e-3", "0.1", "0", "-1", "nan", "inf"],
        "--certificate": FILES,
        "--checkpoint": FILES,
        "--resume": FILES,
        "--best": NUMBERS,
        "--above": NUMBERS,
        "--histogram": NUMBERS,
        "--json": ["-", *FILES],
        "--explain": None,
        "--prices": None,
        "--ladder": None,
    },
    ("explain",): {"": SCENARIOS, "--user": NUMBERS, "--seed": NUMBERS},
    ("verify",): {"": FILES},
    ("backends",): {"--json": ["-", *FILES]},
    ("examples",): {"": TEXTS},
    ("train",): {
        "": ["mappo", "dqn", "distill", "ppo"],
        "--settings": ["fats", "", "[/x]"],
        "--out": FILES,
        "--device": ["tpu", ""],
        "--observation": ["all", ""],
    },
    ("evaluate",): {
        "": ["exact", "constant", "folder", "os:system", "math:sqrt", "./x.py:f", "relaxation"],
        "--scenario": ["tiny", "papr", "good.toml", "pipe"],
        "--slots": ["1", "5", "0", "x"],
        "--seed": NUMBERS,
        "--refine": None,
        "--json": ["-", *FILES],
    },
    ("bench",): {"": ["nothing", "", "[/x]"], "--compare": FILES, "--json": FILES},
    ("scenario", "list"): {},
    ("scenario", "check"): {"": SCENARIOS + FILES},
    ("scenario", "show"): {"": SCENARIOS + FILES, "--json": None, "--toml": None},
    ("scenario", "new"): {"": FILES, "--from": SCENARIOS, "--force": None},
    ("scenario", "monotone"): {"": FILES, "--out": FILES, "--force": None},
    ("scenario", "compare"): {
        "": SCENARIOS,
        "--slots": ["1", "5", "0", "x"],
        "--seed": NUMBERS,
        "--json": ["-", *FILES],
    },
    ("scenario", "schema"): {},
    ("semantic", "data"): {"": ["nothing", "[/x]"], "--out": ["folder"], "--from": FILES},
    ("semantic", "train"): {"": TEXTS, "--out": FILES, "--epochs": NUMBERS, "--share": NUMBERS},
    ("semantic", "measure"): {"": ["nothing", "[/x]"], "--out": FILES, "--scenario": TEXTS},
    ("semantic", "export"): {"": TEXTS, "--from": FILES, "--out": FILES},
    ("sovle",): {},
    (): {"": TEXTS, "--version": None, "--help": None},
}


def clumsy(rng):
    """Return the words of one command."""
    words = rng.choice(list(COMMANDS))
    knows = COMMANDS[words]
    command = list(words)
    for _ in range(rng.choice((0, 1, 1, 2, 2, 3, 4))):
        if rng.random() < 0.08 or not knows:
            option, values = rng.choice(list(COMMANDS["solve",].items()))
        else:
            option, values = rng.choice(list(knows.items()))
        command += [option] if option else []
        if values is not None and rng.random() > 0.03:
            command.append(rng.choice(TEXTS + NUMBERS if rng.random() < 0.15 else values))
    # The learners' packages take seconds to load: what trains or is measured is refused before.
    if words[:1] == ("train",) and not {"--settings", "--device", "--observation"} & set(command):
        command += ["--observation", "all"]
    if words == ("semantic", "measure") and "--scenario" not in command:
        command += ["--scenario", "nowhere"]
    if words in (("bench",), ("semantic", "data")):
        command += ["nothing", "nothing"]  # an option without its value takes the first
    if words == ("evaluate",) and "--slots" not in command:
        command += ["--slots", "2"]
    return command


def furnish(folder):
    """Put files of every kind into the working folder."""
    (folder / "folder").mkdir()
    os.mkfifo(folder / "pipe")
    (folder / "huge").touch()
    os.truncate(folder / "huge", 10**10)
    for name, content in {
        "empty": b"",
        "binary": bytes(range(256)),
        "bom.toml": b"\xef\xbb\xbf[system]\n",
        "broken.toml": b"[system\nusers = 1\n",
        "nested.toml": b"x = " + b"[" * 3000 + b"]" * 3000,
        "list.json": b"[1, 2]",
        "deep.json": b"[" * 10**5,
        "x.py": b"def f(gain, task):\n    return None\n",
    }.items():
        (folder / name).write_bytes(content)
    text = Scenario.load("tiny").to_toml()
    (folder / "good.toml").write_text(text)
    (folder / "named.toml").write_text(
        text.replace('name = "tiny"', 'name = "[/best] \\u001b[31m"')
    )
    (folder / "link.toml").symlink_to("good.toml")
    (folder / "dangling").symlink_to("nothing")
    (folder / "loop").symlink_to("loop")
    semopt.cli.run(["solve", "tiny", "--json", str(folder / "result.json")])


def check(command, capsys, monkeypatch):
    """Run a command; return what is wrong with how it ended, if anything."""
    import io
    import sys

    stdin = io.TextIOWrapper(io.BytesIO(b"x = ["))
    monkeypatch.setattr(sys, "stdin", stdin)
    try:
        code = semopt.cli.run(command)
    except BaseException as fault:  # a traceback
        capsys.readouterr()
        return f"{type(fault).__name__}: {fault}"
    out, said = capsys.readouterr()
    if code not in (0, 1, 2, 130):
        return f"exit code {code}"
    if "Traceback" in out + said:
        return "a traceback"
    if code == 2 and not re.search(r"^error: .", said, re.MULTILINE) and "Usage" not in out + said:
        return f"exit code 2 without a message: {said!r}"
    if any(len(line) > 2000 for line in said.splitlines()):
        return f"a message of {len(said)} characters"
    if "\x1b" in out + said:
        return "control characters"
    return ""


@pytest.mark.parametrize("count", [60, pytest.param(1000, marks=pytest.mark.long)])
def test_no_command_ends_in_a_traceback(count, tmp_path, monkeypatch, capsys):
    furnish(tmp_path)
    capsys.readouterr()
    monkeypatch.chdir(tmp_path)
    rng, faults = random.Random(count), []
    for _ in range(count):
        command = clumsy(rng)
        if fault := check(command, capsys, monkeypatch):
            faults.append(f"{shlex.join(command)}: {fault}")
    assert not faults, "\n".join(faults)
