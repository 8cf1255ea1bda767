"""What `verify` reads: files of other shapes are refused, results are held to all that they say."""

import copy
import gzip
import json
import os
import random
import subprocess
import sys
from dataclasses import replace
from math import inf
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import extended
from problems import CASES, EXPECTED, random_problem, replaced
from semopt import Actions, Result, Status, solve
from semopt.certificate import grid, read, reading, search
from semopt.certificate.checker import check_certificate
from semopt.certificate.claims import FalseClaim
from semopt.certificate.exact import spread
from semopt.certificate.format import digest
from semopt.certificate.grid import tabulated
from semopt.certificate.results import check_result
from semopt.certificate.verify import verify
from semopt.cli import app
from semopt.problem import Grid
from semopt.scenario import Scenario
from semopt.solvers.batch import solve_batch
from tolerances import ROUNDING


def run(*arguments, text=None):
    return CliRunner().invoke(app, list(arguments), input=text)


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
    paths = [path for path in leaf_paths(body) if not set(NO_CLAIMS) & set(path)]
    rng, tried = random.Random(0), 0
    for path in rng.sample(paths, min(len(paths), 60)):
        value = body
        for key in path:
            value = value[key]
        others = [None, "x", not value if isinstance(value, bool) else 7, -1.0, [], {}]
        if isinstance(value, float):
            others += [value * (1 + 1e-6) + 1e-7, value * (1 - 1e-6) - 1e-7] * 2
        for other in rng.sample(others, 3):
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
            verify(path)


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
        "cut.json": (b'{"schema": 1', "cut.json is not JSON: "),
        "text.json": (b"schema = 1", "not a JSON"),
        "slots.parquet": (b"PAR1\x15\x04", "Batch.from_parquet"),
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
            verify(name)
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
        with pytest.raises(ValueError, match=r"^(scenario|problem): .*tasks.image.accuracy.file"):
            check_certificate(named | {"digest": digest(named)})
        with pytest.raises(ValueError, match=r"^(scenario|problem): .*tasks.image.accuracy.file"):
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
    assert "is not re-checked: its file is not opened" in check_result(batch)
    one = solve(scenario.problem(gain[0], task[0]), "exact").to_json()
    assert "the decision is feasible" in check_result(one)


def false_batches(body):
    """Give false claims of a file of many slots, and words of the finding."""
    slots = body["slots"]
    yield body | {"slots": [slots[0]] * 40}, r"slots\[1\].slot: it is not slot 1"
    yield body | {"slots": slots[1:]}, "slots"
    yield body | {"slots": slots[::-1]}, "slots"
    yield body | {"slots": [slots[0], slots[2]]}, r"slots\[1\].slot"
    yield body | {"seed": 6}, "seed 6 draws"
    yield replaced(body, "slots", 1, "slot", "tasks", by=lambda tasks: tasks[::-1]), "seed"
    yield replaced(body, "slots", 0, "slot", "gain", 0, 0, by=lambda v: v * 1.001), "seed"
    yield replaced(body, "problem", "channel", "gain_range", by=[0.1, 0.9]), "seed 5 draws"
    yield replaced(body, "readings", "server_share", by="another"), "readings.server_share"
    yield replaced(body, "readings", "another", by="one"), "readings: unknown"
    yield replaced(body, "problem", "slot", by=slots[0]["slot"]), "problem.slot"
    yield replaced(body, "mean", "qoe", by=lambda v: v + 1e-6), "mean.qoe"
    yield replaced(body, "mean", "offload_share", by=0.0), "mean.offload_share"
    yield replaced(body, "mean", "undecided_share", by=0.5), "mean.undecided_share"
    yield replaced(body, "mean", "latency_ms", by=None), "mean.latency_ms None"
    without = {key: value for key, value in body["problem"].items() if key != "channel"}
    without["assumed"] = {}
    yield body | {"problem": without}, r"seed 5: the scenario has no \[channel\]"


def test_slots_are_those_that_the_seed_draws(documents):
    body = documents["slots"]
    for other, words in false_batches(body):
        with pytest.raises(FalseClaim, match=words):
            check_result(other)
    first = body | {"slots": body["slots"][:1], "mean": mean_of(body["slots"][:1])}
    assert "1 of 1 slots" in check_result(first)  # the first slot of a longer draw
    assert "no seed is claimed" in check_result(body | {"seed": None})


def mean_of(slots):
    """Return the means of decided slots, from their own figures."""
    users = [user for slot in slots for user in slot["users"]]
    names = ("qoe", "latency_ms", "energy_mj", "accuracy")
    means = {name: sum(user[name] for user in users) / len(users) for name in names}
    share = sum(user["offload"] for user in users) / len(users)
    return means | {"offload_share": share, "infeasible_share": 0.0, "undecided_share": 0.0}


def test_of_many_slots_each_is_told_twice_and_can_be_interrupted(documents):
    """Once when its shape is known and once when it is re-checked: what bars and Ctrl-C need."""
    told = []
    assert "3 of 3 slots" in check_result(documents["slots"], told.append)
    assert len(told) == 6
    assert told == sorted(set(told))
    assert told[-1] == 1.0
    for stop in range(6):
        shares = iter(range(stop))

        def interrupted(share, shares=shares):
            if next(shares, None) is None:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            check_result(documents["slots"], interrupted)


def test_slots_without_a_decision_have_no_means(tmp_path):
    scenario = Scenario.load("tiny")
    system = scenario.system.model_copy(update={"latency_max_ms": 1e-3})
    scenario = scenario.model_copy(update={"system": system})
    batch = solve_batch(scenario, *scenario.draw(2, 0)).to_json(0)
    assert "0 of 2 slots have a decision" in check_result(batch)
    assert "none of the method's grid is feasible" in check_result(batch)
    with pytest.raises(FalseClaim, match=r"mean.qoe 0.5: it is None"):
        check_result(replaced(batch, "mean", "qoe", by=0.5))
    with pytest.raises(FalseClaim, match=r"mean.infeasible_share"):
        check_result(replaced(batch, "mean", "infeasible_share", by=0.5))


def lies(documents):
    """Give results that lie consistently, and words of the finding."""
    exact, proven = documents["exact"], documents["global"]
    value = exact["objective"]
    # A worse decision is called the optimum.
    local = documents["local"]
    worse = {key: local[key] for key in ("users", "objective", "upper_bound", "gap")}
    yield exact | worse, "a decision is worth 2.1026"
    yield proven | worse | {"continuous_bound": worse["upper_bound"]}, "is worth 2.1026"
    nothing = dict.fromkeys(("objective", "upper_bound", "gap")) | {"users": []}
    nothing |= {"status": "infeasible", "infeasible": {"joint": [0]}}
    yield exact | nothing, "keeps every limit and is worth 2.1026"
    closed = {key: value for key, value in proven.items() if key != "continuous_bound"}
    yield closed | nothing, "keeps every limit and is worth 2.1026"
    yield documents["reference"] | nothing, "reference keeps every limit"
    # A bound that says nothing, or too much.
    for gap in (1e50, 1.0):
        wide = {"upper_bound": value + gap, "gap": gap}
        yield exact | wide, "status 'optimal': the gap is"
        yield proven | wide | {"continuous_bound": value + gap}, "status 'optimal'|gap"
    wide = {"upper_bound": 1e50, "continuous_bound": 1e50, "gap": 1e50}
    yield proven | wide | {"details": {"gap": 1e60}}, "status 'optimal': the gap is 1e.50, above 3"
    yield proven | {"details": {"gap": "1"}}, "details.gap"
    yield replaced(proven, "continuous_bound", by=lambda v: v + 1e-3), "continuous_bound"
    bound = documents["relaxation"]
    low = {"upper_bound": 2.0, "continuous_bound": 2.0}
    yield bound | low, "a decision is worth 2.1026"
    yield bound | {"upper_bound": None, "continuous_bound": None}, "upper_bound: the status"
    yield bound | {"gap": 0.0}, "gap 0.0: it is None"
    yield exact | {"upper_bound": None, "gap": None}, "upper_bound: the status optimal has one"
    # Statuses that the method does not have, and reasons that are none.
    yield documents["reference"] | {"status": "optimal"}, "status 'optimal'"
    yield exact | {"status": "feasible"}, "status 'feasible'"
    yield exact | {"infeasible": {"joint": [0]}}, "infeasible: a reason"
    lacking = documents["infeasible"]
    yield {k: v for k, v in lacking.items() if k != "infeasible"}, "infeasible: a reason"
    yield lacking | {"infeasible": {"joint": [7]}}, r"infeasible\[0\]: user 7"
    yield lacking | {"infeasible": {"joint": [1, 1]}}, "not a set"
    yield lacking | {"infeasible": []}, "not a set"
    yield (
        lacking | {"infeasible": {"joint": [0], "limit": "server_energy_max"}},
        "there is no server",
    )
    yield replaced(lacking, "infeasible", 0, "limits", by=["accuracy"]), "modes have"
    energy = [replaced(lacking["infeasible"][0], "limits", by=["energy"])]
    energy[0]["modes"] = {"local": ["energy"]}
    unlimited = copy.deepcopy(lacking)
    del unlimited["problem"]["user"]["energy_max_mj"]
    unlimited["problem"].pop("users", None)
    yield unlimited | {"infeasible": energy}, "user 0 has no limit on energy"
    yield lacking | {"objective": 1.0}, "objective 1.0: there is no decision"
    yield lacking | {"upper_bound": 1.0}, "upper_bound 1.0: the status is infeasible"
    # Another method's decision.
    yield exact | {"continuous_bound": value + 1.0}, "continuous_bound"
    yield exact | {"method": "local"}, "local sends nothing"
    yield exact | {"method": "semantic-unaware"}, "sends raw"
    yield documents["local"] | {"method": "exact"}, "is worth 2.1026"
    yield proven | {"method": "exact"}, "off the grid|gap"
    yield replaced(documents["reference"], "method", by="local"), "status 'feasible'"


def test_consistent_lies_are_found(documents):
    for place, (body, words) in enumerate(lies(documents)):
        with pytest.raises(FalseClaim, match=words):
            print(place, words, check_result(body))


def honest_but(problem, method, **columns):
    """Return the result file of a method with another decision, all that follows made right."""
    result = solve(problem, method)
    columns = {name: np.array(value) for name, value in columns.items()}
    moved = replace(result, actions=replace(result.actions, **columns))
    value = moved.recompute()
    document = replace(moved, objective=value, upper_bound=value).to_json()
    for user in document["users"]:
        user["feasible"] = True
    return document


def test_decisions_that_break_a_limit_or_a_range_are_found():
    """Each is worth what it claims, and is not allowed."""
    problem = SCENARIO.problem()
    best = solve(problem, "exact").actions
    sends = np.flatnonzero(best.channel >= 0)
    assert len(sends) == 2
    shared = best.channel.copy()
    shared[sends] = 0
    with pytest.raises(FalseClaim, match="breaks its sub-channel limit"):
        check_result(honest_but(problem, "exact", channel=shared))
    for factor, name in ((2.0, "power"), (0.5, "frequency"), (0.5, "extraction")):
        values = getattr(best, name) * np.where(best.extraction < 1.0, factor, 1.0)
        with pytest.raises(FalseClaim, match=f"breaks its {name} limit|{name} .* off the grid"):
            check_result(honest_but(problem, "exact", **{name: values}))
    # Between the levels of the grid all limits hold, and the grid's optimum is another.
    values = np.where(best.extraction < 1.0, best.extraction * 0.999, 1.0)
    with pytest.raises(FalseClaim, match=r"extraction .* off the grid"):
        check_result(honest_but(problem, "exact", extraction=values))
    middle = np.where(best.channel < 0, best.frequency * 0.99, best.frequency)
    with pytest.raises(FalseClaim, match=r"frequency .* off the grid"):
        check_result(honest_but(problem, "exact", frequency=middle))
    best = solve(problem, "global").actions
    raw = (best.channel >= 0) & (best.extraction == 1.0)
    for name, value in (("extraction", 1.2), ("extraction", 0.0), ("power", 0.0)):
        document = honest_but(problem, "global", power=best.power)
        user = document["users"][int(np.flatnonzero(raw)[0])]
        user["power_mw" if name == "power" else name] = value
        with pytest.raises(FalseClaim, match="no such action"):
            check_result(document)
    fast = np.where((best.channel >= 0) & (best.extraction == 1.0), 1e9, best.frequency)
    assert (fast != best.frequency).any()
    with pytest.raises(FalseClaim, match="a raw task's is the lowest"):
        check_result(honest_but(problem, "global", frequency=fast))


def test_extraction_above_its_upper_end_breaks_its_range():
    """Measured models end below 1: semantic mode at 0.99 is no action of theirs."""
    scenario = Scenario.load(CASES / "n3k2_0015.toml").to_dict()
    scenario["tasks"]["image"] |= {"extraction_max": 0.9}
    problem = Scenario.from_dict(scenario).problem()
    best = solve(problem, "exact").actions
    offload = best.channel >= 0
    for level, broken in ((0.9, []), (0.95, ["extraction"]), (0.29, ["extraction"])):
        actions = replace(best, extraction=np.where(offload, level, 1.0))
        actions = replace(actions, frequency=np.full(3, 1e9))
        found = Result(problem, "exact", "cpu", Status.FEASIBLE, actions).broken()
        assert sorted({name for _, name in found}) == broken
        assert [user for user, _ in found] == np.flatnonzero(offload).tolist() * len(broken)


def test_methods_of_a_ladder_answer_for_each_other(documents):
    body = documents["ladder"]
    exact, reference = body["methods"]["exact"], body["methods"]["reference"]
    other = solve(SCENARIO.problem(), "exact").to_json()
    with pytest.raises(FalseClaim, match=r"methods.exact.problem: it is not that of reference"):
        check_result(replaced(body, "methods", "exact", by=other))
    with pytest.raises(FalseClaim, match=r"methods.local.method 'exact'"):
        check_result(replaced(body, "methods", "local", by=exact))
    with pytest.raises(FalseClaim, match="exact: it has an answer and is refused"):
        check_result(body | {"refused": {"exact": "it does not apply"}})
    some = {name: body["methods"][name] for name in ("exact", "global")}
    assert "exact: the decision is feasible" in check_result(body | {"methods": some})
    assert reference["status"] == "feasible"


def test_a_decision_refutes_the_bound_of_another_method(documents, monkeypatch):
    """Where the grid is too large to be scored again, methods still answer for each other."""
    monkeypatch.setattr("semopt.certificate.results.MOST_SCORED", 0)
    body = documents["ladder"]
    check_result(body)
    low = {"upper_bound": 1.2, "continuous_bound": 1.2}
    for name, words in (("relaxation", "upper_bound 1.2: .* reaches"),):
        entry = body["methods"][name] | low
        with pytest.raises(FalseClaim, match=f"methods.{name}.{words}"):
            check_result(replaced(body, "methods", name, by=entry))
    nothing = {"status": "infeasible", "users": [], "infeasible": {"joint": [0]}}
    nothing |= dict.fromkeys(("objective", "upper_bound", "gap"))
    for name in ("exact", "global"):
        entry = {k: v for k, v in body["methods"][name].items() if k != "continuous_bound"}
        with pytest.raises(FalseClaim, match=f"methods.{name}.status: there is the decision"):
            check_result(replaced(body, "methods", name, by=entry | nothing))
    local = body["methods"]["local"]
    worse = {key: local[key] for key in ("users", "objective", "upper_bound", "gap")}
    with pytest.raises(FalseClaim, match=r"methods.exact.upper_bound 1.0: .* reaches"):
        check_result(replaced(body, "methods", "exact", by=body["methods"]["exact"] | worse))
    assert "only a certificate of method global proves it" in check_result(body["methods"]["exact"])


OFF_GRID = [
    name
    for name, case in EXPECTED["cases"].items()
    if (case["continuous_at_least"] or 0.0) > case.get("grid_optimum", inf) + 1e-4
]


@pytest.mark.parametrize("name", OFF_GRID[::3])
def test_a_bound_between_the_grid_and_the_continuous_optimum_is_refuted(name):
    """Known values on both sides; each file says the same of the grid's optimum, or of less."""
    case = EXPECTED["cases"][name]
    known, best = case["continuous_at_least"], case["grid_optimum"]
    problem = Scenario.load(CASES / name).problem()
    exact, bound = (solve(problem, method).to_json() for method in ("exact", "relaxation"))
    assert abs(exact["objective"] - best) <= ROUNDING
    claim = {"method": "global", "continuous_bound": best}
    middle, near = (best + known) / 2, known - 1e-5
    stopped = {"status": "limit_reached", "upper_bound": middle, "gap": middle - best}
    for body in (
        exact | claim | {"upper_bound": best},
        exact | claim | stopped | {"continuous_bound": middle},
        bound | {"upper_bound": near, "continuous_bound": near},
    ):
        with pytest.raises(FalseClaim, match=r"upper_bound .*: a decision is worth"):
            check_result(json.loads(json.dumps(body)))


def test_a_search_off_the_grid_finds_the_continuous_optimum_of_almost_every_slot():
    """Against bounds that certificates prove: never above them, and hardly ever below."""
    lacking = []
    for seed in range(25):
        rng = np.random.default_rng(seed)
        problem = random_problem(
            rng, *(int(n) for n in rng.integers(1, 4, 2)), own_figures=seed % 3 == 0
        )
        proven = solve(problem, "global", gap=1e-9).upper_bound
        value = search.searched(problem).optimum("sum").certain
        if value > -inf:
            assert value <= proven + ROUNDING
            lacking.append(proven - value)
    assert len(lacking) > 15
    assert np.mean(np.array(lacking) > 1e-8) < 0.1


def test_no_more_is_said_than_what_was_proven(documents):
    """Whatever is beyond a decision's worth is called unproven, whoever solved the slot."""
    for kind in ("global", "relaxation", "stopped"):
        assert "is not proven here: only a certificate" in check_result(documents[kind])
    assert "all were scored again" in check_result(documents["exact"])


@pytest.mark.parametrize("objective", ["sum", "min"])
def test_grid_optimum_is_that_of_the_solvers(objective):
    """Independent code: scored by `model.py` and assigned by SciPy, against the compiled search."""
    for seed in range(40):
        rng = np.random.default_rng(seed)
        users, channels = (int(n) for n in rng.integers(1, 4, 2))
        problem = random_problem(rng, users, channels, own_figures=seed % 3 == 0)
        problem = replace(problem, objective=objective)
        for method in ("exact", "local", "semantic-unaware"):
            optimum = tabulated(problem, method).optimum(objective)
            found = solve(problem, method)
            value = -inf if found.actions is None else found.recompute()
            assert optimum.certain <= value + 1e-12
            assert optimum.possible >= value - 1e-12
            if value > -inf:
                assert optimum.possible - optimum.certain < 1e-9


def test_grid_optimum_is_that_of_plain_enumeration():
    """Every joint action of small grids, scored one by one."""
    for seed in range(12):
        rng = np.random.default_rng(seed)
        problem = random_problem(rng, 2, int(rng.integers(1, 3)), grid=Grid(2, 2, 2))
        found = solve(problem, "exhaustive", backend="numpy")
        value = -inf if found.actions is None else found.recompute()
        optimum = tabulated(problem).optimum("sum")
        assert optimum.certain <= value + 1e-12
        assert optimum.possible >= value - 1e-12


def test_rounding_that_moves_a_score_is_covered_by_its_spread():
    """`model.py` in doubles against 600 bits, with slopes up to 1e12 times those of the paper."""
    wide = 0
    for seed in range(150):
        rng = np.random.default_rng(seed)
        problem = random_problem(rng, 2, 2)
        steep = 10.0 ** rng.uniform(0, 12, 3)
        system = problem.system
        system = replace(
            system,
            slope_latency=system.slope_latency * steep[0],
            slope_energy=system.slope_energy * steep[1],
            slope_accuracy=system.slope_accuracy * steep[2],
        )
        problem = replace(problem, system=system)
        found = solve(problem, "exact")
        if found.actions is None:
            continue
        error = spread(problem, found.outcome())
        exact = [float(task[3]) for task in extended.evaluated(problem, found.actions)]
        assert (np.abs(found.outcome().qoe - exact) <= error + 1e-12).all()
        wide += error.max() > 1e-9
    assert wide > 5


def steep_result(slope):
    """Return a lone user's result at a slope per ms, best at its reference frequency."""
    scenario = Scenario.load("tiny").to_dict()
    scenario["qoe"] |= {"slope_latency_per_ms": slope, "weight_latency": 1.0}
    scenario["qoe"] |= {"weight_energy": 0.0, "weight_accuracy": 0.0}
    problem = Scenario.from_dict(scenario).problem()
    return problem, solve(problem, "reference").to_json()


def test_steep_results_are_re_checked_in_balls():
    """Doubles cannot tell what a step is worth beside its edge; balls can."""
    problem, body = steep_result(1e20)
    assert [user["qoe"] for user in body["users"]] == [0.5, 0.5]
    check_result(body)  # at the edge itself all cancels
    moved = replaced(body, "users", 0, "frequency_ghz", by=lambda f: f * (1 + 2**-52))
    outcome = Actions(
        np.array([-1, -1]),
        np.zeros(2),
        np.array([user["frequency_ghz"] * 1e9 for user in moved["users"]]),
        np.ones(2),
    )
    exact = float(extended.evaluated(problem, outcome)[0][3])
    assert exact > 0.99  # a faster clock by one ulp
    with pytest.raises(FalseClaim, match=r"users\[0\].qoe 0.5: it is"):
        check_result(moved)


def test_users_are_blamed_who_cannot_be_served():
    """One user whose limit nothing keeps, and three who need more than two sub-channels."""
    tiny = Scenario.load("tiny").to_dict()
    tiny |= {"users": [{"energy_max_mj": 1e3}, {"energy_max_mj": 1e-6}]}
    lone = solve(Scenario.from_dict(tiny).problem(), "exact").to_json()
    assert [entry["user"] for entry in lone["infeasible"]] == [1]
    check_result(lone)
    with pytest.raises(FalseClaim, match=r"users \[0\] can be served, the others aside"):
        check_result(replaced(lone, "infeasible", 0, "user", by=0))
    joint = solve(Scenario.load(CASES / "n3k2_0036.toml").problem(), "exact").to_json()
    assert joint["infeasible"] == {"joint": [0, 1, 2]}
    check_result(joint)
    for users in ([0, 1], [2]):
        with pytest.raises(FalseClaim, match="can be served, the others aside"):
            check_result(replaced(joint, "infeasible", "joint", by=users))
    check_result(replaced(joint, "infeasible", "joint", by=[]))  # nobody is blamed


def test_tolerance_is_1e_9_of_a_score_and_in_proportion_for_costs(documents):
    body = documents["slots"]
    assert 0.5 < body["mean"]["qoe"] < 0.9
    check_result(replaced(body, "mean", "qoe", by=lambda v: v + 0.95e-9))
    with pytest.raises(FalseClaim, match=r"mean.latency_ms"):
        check_result(replaced(body, "mean", "latency_ms", by=lambda v: v * (1 + 1.1e-9)))
    for name in ("qoe", "accuracy", "offload_share"):
        with pytest.raises(FalseClaim, match=rf"mean.{name}"):
            check_result(replaced(body, "mean", name, by=lambda v: v - 1.2e-9))
    one = documents["exact"]
    for name, moved in (("qoe", 1.2e-9), ("accuracy", -1.2e-9)):
        check_result(replaced(one, "users", 1, name, by=lambda v, m=moved: v + 0.7 * m))
        with pytest.raises(FalseClaim, match=rf"users\[1\].{name}"):
            check_result(replaced(one, "users", 1, name, by=lambda v, m=moved: v + m))
    for name in ("latency_ms", "energy_mj"):
        check_result(replaced(one, "users", 1, name, by=lambda v: v * (1 + 0.9e-9)))
        with pytest.raises(FalseClaim, match=rf"users\[1\].{name}"):
            check_result(replaced(one, "users", 1, name, by=lambda v: v * (1 + 1.1e-9)))


def test_method_that_was_stopped_without_a_bound_refutes_nobody(documents):
    body = documents["ladder"]
    stopped = body["methods"]["exact"] | {"status": "limit_reached"}
    stopped |= {"upper_bound": None, "gap": None}
    check_result(replaced(body, "methods", "exact", by=stopped))


def test_a_file_may_unpack_to_16_mib_or_200_times_its_size(monkeypatch):
    assert (reading.USUAL, reading.LARGEST_FILE) == (16 * 2**20, 512 * 2**20)
    monkeypatch.setattr(reading, "USUAL", 10)
    start, kept = np.random.default_rng(0).bytes(500), []
    for size in range(100_000, 250_000, 1_000):
        content = start + b" " * size
        data = gzip.compress(content)
        kept.append(len(content) <= 200 * len(data))
        if kept[-1]:
            assert reading.unpacked(data) == content
        else:
            with pytest.raises(ValueError, match="it unpacks to over"):
                reading.unpacked(data)
    assert 10 < sum(kept) < 140
    monkeypatch.setattr(reading, "LARGEST_FILE", 999)
    with pytest.raises(ValueError, match="it unpacks to over 0 MiB"):
        reading.unpacked(gzip.compress(start * 2))


def test_effort_counts_the_actions_that_are_scored(monkeypatch):
    right, scored = grid.evaluate, []

    def count(problem, actions, *rest, **options):
        scored.append(np.size(actions.channel))
        return right(problem, actions, *rest, **options)

    for seed in range(6):
        problem = random_problem(np.random.default_rng(seed), 3, 1 + seed % 4)
        monkeypatch.setattr(grid, "spread", lambda problem, outcome: 0.0 * outcome.qoe)
        monkeypatch.setattr(grid, "evaluate", count)
        scored.clear()
        tabulated(problem)
        calls = 4 * 1000 * 3  # as long as 4,000 actions a user, whatever else there is
        assert grid.effort(problem) == sum(scored) + calls


def test_effort_counts_what_a_search_off_the_grid_scores(monkeypatch):
    right, scored = search.values, []

    def count(problem, actions, *rest):
        scored.append(np.size(actions.power))
        return right(problem, actions, *rest)

    monkeypatch.setattr(search, "values", count)
    problem = random_problem(np.random.default_rng(1), 3, 2)
    search.searched(problem)
    calls = 4 * 1000 * 50  # as long as 4,000 actions each time, whatever else there is
    assert search.effort(problem) == sum(scored) + calls


def test_bounds_are_held_to_within_the_tolerance(documents, monkeypatch):
    """A gap of 1e-6 is `global`'s unless it says another; a grid's optimum has none but 1e-9."""
    proven, exact, bound = (documents[name] for name in ("global", "exact", "relaxation"))
    value = proven["objective"]
    proven = {key: entry for key, entry in proven.items() if key != "details"}

    def claims(body, gap):
        upper = body["objective"] + gap
        body = body | {"upper_bound": upper, "gap": gap}
        return body | ({"continuous_bound": upper} if "continuous_bound" in body else {})

    for body, gap, more in ((proven, 1e-6, 1.1e-6), (exact, 0.9e-9, 1.2e-9)):
        check_result(claims(body, gap))
        with pytest.raises(FalseClaim, match="status 'optimal': the gap is"):
            check_result(claims(body, more))
    check_result(claims(proven | {"details": {"gap": 1e-3}}, 0.9e-3))
    with pytest.raises(FalseClaim, match="status 'optimal': the gap is"):
        check_result(claims(proven | {"details": {"gap": 1e-3}}, 1.1e-3))
    check_result(claims(exact, -0.9e-9))
    with pytest.raises(FalseClaim, match=r"upper_bound .*: the decision is worth"):
        check_result(claims(exact, -1.2e-9))
    assert value >= exact["objective"]
    monkeypatch.setattr(search, "MOST_SEARCHED", 0)  # what is left is the optimum of the grid
    best = exact["objective"]
    check_result(bound | dict.fromkeys(("upper_bound", "continuous_bound"), best - 0.9e-9))
    with pytest.raises(FalseClaim, match="a decision is worth"):
        check_result(bound | dict.fromkeys(("upper_bound", "continuous_bound"), best - 1.2e-9))


def malformed(problem):
    """Give problems of a scenario that are none, and what is said of each."""
    yield replaced(problem, "slot", "gain", by=[[1.0], [1.0, 2.0]]), "slot.gain"
    yield replaced(problem, "slot", "gain", by=[[1.0]]), "slot.gain"
    yield replaced(problem, "system", by={}), "system.bandwidth_mhz"
    yield replaced(problem, "grid", "power", by=0), "grid.power"
    yield replaced(problem, "tasks", by={}), "tasks"
    axis = ("tasks", "image", "accuracy", "snr_db")
    yield replaced(problem, *axis, by=[1.0]), "accuracy"


def malformed_in_si(problem):
    """Give problems of a certificate that are none, and what is said of each."""
    yield replaced(problem, "gain", by=[[1.0], [1.0, 2.0]]), "problem: "
    yield replaced(problem, "gain", 0, 0, by=-1.0), "gain"
    yield replaced(problem, "system", "noise", by=0.0), "noise"
    yield replaced(problem, "grid", "power", by=0), "grid.power"
    yield replaced(problem, "tasks", "accuracy", by=[]), "problem: "
    yield replaced(problem, "tasks", "accuracy", 0, "snr", by=[1.0]), "accuracy"
    yield replaced(problem, "users", "power_min", by=[1.0]), "power_min"


def test_a_problem_that_is_none_is_bad_input_and_no_false_claim(documents, tmp_path):
    file, proof = tmp_path / "bad.json", tmp_path / "proof.json"
    solve(SCENARIO.problem(), "global", certificate=str(proof))
    whole = json.loads(proof.read_text())
    cases = []
    for changed, words in malformed(documents["exact"]["problem"]):
        cases.append((documents["exact"] | {"problem": dict(changed)}, words))
        if changed.pop("slot") == documents["exact"]["problem"]["slot"]:
            cases.append((documents["slots"] | {"problem": changed}, words))
    ragged = [[1.0], [1.0, 2.0]]
    cases.append((replaced(documents["slots"], "slots", 0, "slot", "gain", by=ragged), "slots"))
    cases += [
        (whole | {"scenario": c}, f"scenario: .*{w}") for c, w in malformed(whole["scenario"])
    ]
    cases += [(whole | {"problem": c}, w) for c, w in malformed_in_si(whole["problem"])]
    for body, words in cases:
        sealed = body | {"digest": digest(body)} if "digest" in body else body
        file.write_text(json.dumps(sealed))
        with pytest.raises(ValueError, match=rf"(?s)bad\.json: .*{words}"):
            print(words, verify(file))
    code = f"import sys; from semopt.cli import run; sys.exit(run(['verify', {str(file)!r}]))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 2


@pytest.mark.parametrize("slope", [1e8, 1e13])
@pytest.mark.parametrize("method", ["global", "exact", "local", "reference"])
def test_results_of_steep_slopes_say_what_they_are_worth_as_written(tmp_path, method, slope):
    document = Scenario.load("tiny").to_dict()
    document["qoe"] |= {"slope_latency_per_ms": slope, "slope_energy_per_mj": slope}
    problem = Scenario.from_dict(document).problem()
    file = tmp_path / "result.json"
    body = solve(problem, method, **({"time_limit": 5.0} if method == "global" else {})).to_json()
    assert body["objective"] == pytest.approx(sum(u["qoe"] for u in body["users"]), abs=ROUNDING)
    file.write_text(json.dumps(body))
    assert "the decision is feasible and worth" in verify(file)
    body["users"][0]["qoe"] += 1e-6
    body["objective"] += 1e-6
    file.write_text(json.dumps(body))
    with pytest.raises(FalseClaim):
        verify(file)
