"""What `verify` reads: files of other shapes are refused, results are held to all that they say."""

import copy
import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from semopt import solve
from semopt.certificate import digest, read
from semopt.certificate.checker import check_certificate
from semopt.certificate.claims import FalseClaim
from semopt.certificate.results import check_result
from semopt.certificate.verify import check
from semopt.cli import app
from semopt.scenario import Scenario
from semopt.solvers.batch import solve_batch
from test_cases import CASES


def run(*arguments, text=None):
    return CliRunner().invoke(app, list(arguments), input=text)


def replaced(body, *path, by):
    """Return a copy with one entry replaced, or added."""
    body = copy.deepcopy(body)
    owner = body
    for key in path[:-1]:
        owner = owner[key]
    owner[path[-1]] = by(owner[path[-1]]) if callable(by) else by
    return body


def leaf_paths(body, path=()):
    """Give the path of every number, string and null of a document."""
    if isinstance(body, dict | list) and body:
        for key, value in body.items() if isinstance(body, dict) else enumerate(body):
            yield from leaf_paths(value, (*path, key))
    else:
        yield path


def one_limit(name, **changes):
    """Return a case's slot, its limits tightened until nothing is feasible."""
    scenario = Scenario.load(CASES / name)
    system = scenario.system.model_copy(update=changes)
    return scenario.model_copy(update={"system": system}).problem()


METHODS = ("reference", "local", "semantic-unaware", "exhaustive", "exact", "global", "relaxation")
SCENARIO = Scenario.load(CASES / "n3k2_0015.toml")


@pytest.fixture(scope="module")
def documents(tmp_path_factory):
    """Return honest files of every kind: name -> document."""
    folder = tmp_path_factory.mktemp("documents")
    problem = SCENARIO.problem()
    found = {method: solve(problem, method).to_json() for method in METHODS}
    found["infeasible"] = solve(one_limit("n3k2_0015.toml", latency_max_ms=1e-3), "exact").to_json()
    found["no reference"] = solve(
        one_limit("n3k2_0015.toml", latency_max_ms=2.5), "reference"
    ).to_json()
    found["stopped"] = solve(
        Scenario.load(CASES / "n6k6_0001.toml").problem(), "global", time_limit=1e-9
    ).to_json()
    for name, arguments in {
        "slots": ("solve", "tiny", "--slots", "3", "--seed", "5"),
        "ladder": ("solve", "tiny", "--ladder"),
    }.items():
        path = folder / f"{name}.json"
        assert run(*arguments, "--json", str(path)).exit_code == 0
        found[name] = json.loads(path.read_text())
    path = folder / "proof.json"
    solve(Scenario.load("tiny").problem(), "global", certificate=str(path))
    found["certificate"] = json.loads(path.read_text())
    return found


def checked(body):
    """Return what is found about a document."""
    return check_certificate(body) if "format" in body else check_result(body)


KINDS = (*METHODS, "infeasible", "no reference", "stopped", "slots", "ladder", "certificate")


@pytest.mark.parametrize("kind", KINDS)
def test_honest_file_is_accepted(documents, kind):
    checked(json.loads(json.dumps(documents[kind])))


# What claims nothing: it is neither re-checked nor repeated (`semopt.certificate.schema`).
NO_CLAIMS = ("backend", "seconds", "details", "refused", "limits", "modes", "problem", "scenario")
WEAKER = {("seed",): None}  # no seed is claimed


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "certificate"])
def test_every_claim_of_a_result_is_held_to(documents, kind):
    """Whatever stands in a file is refused when it is changed, but for what claims nothing."""
    body = documents[kind]
    tried = 0
    paths = list(leaf_paths(body))
    for path in paths[:: max(1, len(paths) // 150)]:
        if not set(NO_CLAIMS) & set(path):
            value = body
            for key in path:
                value = value[key]
            others = [None, "x", not value if isinstance(value, bool) else 7, -1.0, [], {}]
            if isinstance(value, float):
                others += [value * (1 + 1e-6) + 1e-7, value * (1 - 1e-6) - 1e-7]
            for other in others:
                if other != value and (path, other) not in WEAKER.items():
                    with pytest.raises((FalseClaim, ValueError)):
                        print(path, value, other, check_result(replaced(body, *path, by=other)))
                    tried += 1
    assert tried > 30


def test_no_name_is_repeated(documents):
    """Nothing proves what a scenario is called: whoever writes the file may call it anything."""
    for kind in ("certificate", "exact"):
        body = copy.deepcopy(documents[kind])
        owner = body["scenario" if kind == "certificate" else "problem"]
        owner |= {"name": "the moon", "description": "the moon"}
        if kind == "certificate":
            body["digest"] = digest(body)
        assert "moon" not in checked(body)


def shape_faults(documents):
    """Give documents of a shape that no file of semopt has, and words of the message."""
    exact, slots, ladder = (documents[kind] for kind in ("exact", "slots", "ladder"))
    proof = documents["certificate"] | {"scenario": None}
    yield replaced(exact, "schema", by=99), "schema = 99"
    yield replaced(exact, "schema", by=True), "schema = True"
    yield replaced(exact, "users", 0, "offload", by=1), "users.0.offload = 1"
    yield replaced(exact, "users", 0, "offload", by="yes"), "offload = 'yes'"
    yield replaced(exact, "users", 0, by={}), "task is missing"
    yield replaced(exact, "users", 0, "note", by=1), "note is an unknown key"
    yield replaced(exact, "objective", by="2.1"), "objective = '2.1'"
    yield replaced(exact, "upper_bound", by=10**400), "upper_bound"
    yield replaced(exact, "upper_bound", by=1e101), "upper_bound = 1e.101"
    yield replaced(exact, "seconds", by=-1.0), "seconds = -1.0"
    yield replaced(exact, "note", by="trust me"), "note is an unknown"
    yield replaced(exact, "method", by="magic"), "method = 'magic'"
    yield replaced(slots, "slots", by=[]), "slots = .*at least 1"
    yield replaced(slots, "slots", 0, "slot", "note", by=1), "note"
    yield replaced(slots, "seed", by="5"), "seed = '5'"
    yield replaced(slots, "seed", by=5.0), "seed = 5.0"
    yield replaced(slots, "objective", by=1.0), "objective"
    yield replaced(ladder, "methods", by={}), "methods = {}.*at least 1"
    yield replaced(ladder, "objective", by=9.0), "objective is an unknown"
    yield replaced(ladder, "methods", "magic", by=ladder["methods"]["exact"]), "magic"
    yield replaced(proof, "version", by=2), "version = 2"
    yield replaced(proof, "version", by=1.0), "version = 1.0"
    yield replaced(proof, "note", by=1), "note"
    yield replaced(proof, "status", by="proven"), "status"
    yield replaced(proof, "gap", by=None), "gap"
    yield replaced(proof, "decision", "channel", 0, by=0.5), "channel"
    yield replaced(proof, "problem", "system", "bandwidth", by="2e6"), "bandwidth = '2e6'"
    yield replaced(proof, "problem", "system", "noise", by=True), "noise = True"
    yield replaced(proof, "problem", "system", "note", by=1.0), "system.note"
    yield replaced(proof, "problem", "users", "power_max", by=0.1), "power_max"
    yield replaced(proof, "problem", "users", "note", by=[0.0]), "users.note"
    yield replaced(proof, "problem", "users", "power_max", 0, by=None), "power_max"
    yield replaced(proof, "problem", "tasks", "note", by=1), "tasks.note"
    yield replaced(proof, "problem", "grid", "power", by=True), "grid.power"
    yield replaced(proof, "problem", "note", by=1), "problem.note"
    yield replaced(proof, "problem", "gain", 0, 0, by="1"), "gain"
    yield replaced(proof, "sizes", 1, "note", by=1), "note"
    yield replaced(proof, "sizes", 1, "channel", 0, by=1.7e308), "channel"
    yield replaced(proof, "sizes", 1, "offloader", by=10**400), "offloader"
    yield replaced(proof, "local", 0, by=lambda cover: cover[:3]), "local"
    yield replaced(proof, "local", 0, 0, by=False), "local"
    yield replaced(proof, "local", 0, 3, by={"local": [["time", 1.0]]}), "local"
    yield replaced(proof, "local", 0, 3, by={"other": []}), "other"
    yield [exact], "neither"
    yield "exact", "neither"
    yield {}, "neither"


def test_a_file_of_another_shape_is_refused_not_false(documents):
    for body, words in shape_faults(documents):
        if isinstance(body, dict) and "digest" in body:
            body["digest"] = digest(body)
        entry = check_certificate if isinstance(body, dict) and "format" in body else check_result
        with pytest.raises(ValueError, match=words):
            print(words, entry(body))


def test_what_other_commands_write_is_no_result(tmp_path):
    """`evaluate` and `scenario compare` write figures, which `verify` cannot re-check."""
    evaluated, compared = tmp_path / "evaluated.json", tmp_path / "compared.json"
    arguments = ("evaluate", "exact", "--scenario", "tiny", "--slots", "2", "--json")
    assert run(*arguments, str(evaluated)).exit_code == 0
    compared.write_text(json.dumps({"schema": 1, "scenarios": ["tiny"], "rows": []}))
    for path in (evaluated, compared):
        with pytest.raises(ValueError, match=f"{path.name}.*no result"):
            check(path)


def command(*arguments, **options):
    """Run the command line in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "semopt", *arguments], capture_output=True, timeout=60, **options
    )


def test_bad_input_is_one_message_and_exit_code_2(tmp_path):
    """Each is refused at once: a pipe that nobody writes to, a device without an end, a folder."""
    os.mkfifo(tmp_path / "pipe")
    files = {
        "/dev/zero": "a device",
        str(tmp_path / "pipe"): "a pipe",
        str(tmp_path): "a folder",
        str(tmp_path / "absent"): "No such file",
    }
    contents = {
        "twins.json": (b'{"schema": 1, "schema": 1}', "'schema' twice"),
        "inner.json": (b'{"a": {"b": 1, "c": 2, "b": 3}}', "'b' twice"),
        "nan.json": (b'{"schema": NaN}', "NaN"),
        "cut.json": (b'{"schema": 1', "not a JSON file"),
        "text.json": (b"schema = 1", "not a JSON"),
        "empty.json": (b"", "not a JSON file"),
        "deep.json": (b'{"a":' * 100_000, "too deeply"),
        "broken.json.gz": (gzip.compress(b"{}" * 500)[:20] + b"\xff" * 30, "not a JSON file"),
        "bomb.json.gz": (gzip.compress(b'{"a":"' + b" " * (1 << 25)), "over 16 MiB"),
    }
    for name, (data, words) in contents.items():
        (tmp_path / name).write_bytes(data)
        files[str(tmp_path / name)] = words
    for name, words in files.items():
        with pytest.raises(ValueError, match=words) as fault:
            check(name)
        assert name in str(fault.value)
        assert "\n" not in str(fault.value)
    ended = command("verify", "/dev/zero")
    assert ended.returncode == 2
    assert ended.stderr.count(b"\n") == 1
    assert not ended.stdout


def test_standard_input_is_a_file_too(documents):
    text = json.dumps(documents["exact"])
    good = command("verify", "-", input=text.encode())
    assert (good.returncode, good.stderr) == (0, b"")
    assert good.stdout.startswith(b"verified: the decision is feasible")
    assert command("verify", "-", input=gzip.compress(text.encode())).returncode == 0
    false = json.dumps(replaced(documents["exact"], "objective", by=3.0))
    bad = command("verify", "-", input=false.encode())
    assert (bad.returncode, bad.stderr) == (1, b"")
    assert bad.stdout.startswith(b"false: objective 3.0")
    with Path("/dev/zero").open("rb") as endless:
        ended = command("verify", "-", stdin=endless)
    assert ended.returncode == 2
    assert b"standard input" in ended.stderr


def test_dense_file_of_usual_size_is_read(tmp_path):
    (tmp_path / "dense.json.gz").write_bytes(gzip.compress(b'{"a":"' + b" " * 1_000_000 + b'"}'))
    assert read(tmp_path / "dense.json.gz") == {"a": " " * 1_000_000}


def test_no_file_is_opened_that_a_document_names(documents, tmp_path, monkeypatch):
    """The very table, in a file beside: named by a document it is not looked at."""
    table = SCENARIO.to_dict()["tasks"]["image"]["accuracy"]
    rows = [["extraction", *table["snr_db"]]]
    rows += [[mu, *row] for mu, row in zip(table["extraction"], table["table"], strict=True)]
    file = tmp_path / "surface.csv"
    file.write_text("\n".join(",".join(map(str, row)) for row in rows))
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "proof.json"
    solve(SCENARIO.problem(), "global", certificate=str(path))
    proof = json.loads(path.read_text())
    where = ("tasks", "image", "accuracy")
    for name in ("surface.csv", str(file), "/dev/zero", 7):
        named = replaced(proof, "scenario", *where, by={"file": name})
        with pytest.raises(FalseClaim, match=r"tasks.image.accuracy.file"):
            check_certificate(named | {"digest": digest(named)})
        with pytest.raises(FalseClaim, match=r"tasks.image.accuracy.file"):
            check_result(replaced(documents["exact"], "problem", *where, by={"file": name}))


def test_slots_of_a_trace_are_verified_without_it(tmp_path, monkeypatch):
    """The slots stand in the result; that they are the trace's is not claimed to be proven."""
    trace = np.random.default_rng(0).uniform(0.2, 0.9, (5, 2, 2))
    np.save(tmp_path / "trace.npy", trace)
    tiny = Scenario.load("tiny").to_dict()
    tiny.pop("assumed")
    tiny["channel"] = {"model": "trace", "file": "trace.npy"}
    scenario = Scenario.from_dict(tiny, tmp_path)
    gain, task = scenario.draw(3, 0)
    batch = solve_batch(scenario, gain, task).to_json(0)
    (tmp_path / "trace.npy").unlink()
    assert "is not re-checked: it is another file" in check_result(batch)
    one = solve(scenario.problem(gain[0], task[0]), "exact").to_json()
    assert "the decision is feasible" in check_result(one)
