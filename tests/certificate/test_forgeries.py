"""Forged files: what `verify` accepts, an independent evaluation in 600 bits does not refute."""

import copy
import json
import random
from dataclasses import asdict
from functools import lru_cache

import numpy as np
import pytest
from typer.testing import CliRunner

from problems import CASES
from semopt import Actions, solve
from semopt.certificate.checker import check_certificate
from semopt.certificate.claims import FalseClaim
from semopt.certificate.format import closed, digest, problem_from_json
from semopt.certificate.results import check_result
from semopt.cli import app
from semopt.problem import Readings
from semopt.scenario import Scenario

extended = pytest.importorskip("extended", reason="python-flint judges what was accepted")

TRUE = 2e-9  # what a claim may miss: a checker's tolerance, and the units of a file
METHODS = ("reference", "local", "semantic-unaware", "exhaustive", "exact", "global", "relaxation")
GRID = METHODS[1:5]


def tightened(name):
    """Return a case that no joint action is feasible in."""
    scenario = Scenario.load(CASES / name)
    system = scenario.system.model_copy(update={"latency_max_ms": 1e-3})
    return scenario.model_copy(update={"system": system}).problem()


@pytest.fixture(scope="module")
def honest(tmp_path_factory):
    """Return honest certificates and results of every kind."""
    folder = tmp_path_factory.mktemp("honest")

    def proof(problem, **options):
        path = folder / "proof.json"
        solve(problem, "global", certificate=str(path), **options)
        return json.loads(path.read_text())

    def written(*arguments):
        path = folder / "result.json"
        ended = CliRunner().invoke(app, [*arguments, "--json", str(path)])
        assert ended.exit_code == 0, ended.output
        return json.loads(path.read_text())

    names = (
        "n1k1_0002.toml",
        "n2k2_0004.toml",
        "n2k2_0024.toml",
        "n2k4_0007.toml",
        "n3k2_0015.toml",
    )
    problems = [Scenario.load(CASES / name).problem() for name in names]
    proofs = [proof(problem) for problem in problems]
    proofs += [proof(tightened(names[1])), proof(problems[3], gap=0.1)]
    proofs.append(proof(problems[3], time_limit=1e-9))
    proofs += [body | {"scenario": None} for body in proofs]
    results = [solve(problem, method).to_json() for problem in problems[1:] for method in METHODS]
    results += [solve(tightened(names[1]), method).to_json() for method in METHODS]
    results.append(written("solve", "tiny", "--slots", "4", "--seed", "9"))
    results.append(written("solve", "tiny", "--slots", "2", "--method", "global", "--gap", "0.01"))
    results.append(written("solve", "tiny", "--ladder"))
    return [json.loads(json.dumps(body)) for body in proofs + results]


def places(body, path=()):
    """Give the path of everything in a document."""
    yield path
    if isinstance(body, dict | list):
        for key, value in body.items() if isinstance(body, dict) else enumerate(body):
            yield from places(value, (*path, key))


def at(body, path):
    """Return what stands at a path."""
    for key in path:
        body = body[key]
    return body


def put(body, path, value):
    """Write what stands at a path."""
    at(body, path[:-1])[path[-1]] = value


def nudged(value, rng):
    """Return another value in place of one."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return rng.choice([True, False, None, 0, 1, 1.0, "optimal", "exact", "", [], {}])
    if isinstance(value, int | float):
        step = 10.0 ** rng.uniform(-12, 1)
        near = [value * (1 + step), value * (1 - step), value + step, value - step]
        return rng.choice([*near, *near, -value, 0, 0.0, 1e50, int(value), None, str(value), True])
    return rng.choice([[], {}, None, 0])


def forged(body, rng, others):
    """Return a document in which a few things were changed, digested anew."""
    body = copy.deepcopy(body)
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        every = [path for path in places(body) if path]
        path = rng.choice(every)
        # Numbers of a decision and its claims are few beside those of trees and tables.
        if rng.random() < 0.5:
            path = rng.choice([p for p in every if len(p) <= 4])
        owner, value = at(body, path[:-1]), at(body, path)
        kind = rng.randrange(6)
        if kind == 0 and isinstance(owner, list):
            owner.insert(path[-1], copy.deepcopy(value))
        elif kind == 1:
            del owner[path[-1]]
        elif kind == 2:
            like = [p for p in every if p[-1] == path[-1] or type(at(body, p)) is type(value)]
            other = rng.choice(like)
            first, second = copy.deepcopy(value), copy.deepcopy(at(body, other))
            shorter, longer = sorted((path, other), key=len)
            if longer[: len(shorter)] != shorter:
                put(body, path, second)
                put(body, other, first)
        elif kind == 3:
            stranger = rng.choice(others)
            same = [p for p in places(stranger) if p and p[-1] == path[-1]]
            if same:
                put(body, path, copy.deepcopy(at(stranger, rng.choice(same))))
        elif kind == 4 and isinstance(owner, list):
            rng.shuffle(owner)
        else:
            put(body, path, nudged(value, rng))
    if "digest" in body:
        body["digest"] = digest(body)
    return body


def lie(body, rng):
    """Return a document that tells a consistent lie, which a mere change of a number is not."""
    body = copy.deepcopy(body)
    kind = rng.randrange(4)
    if "format" in body:
        if kind == 0 and body["objective"] is not None:
            body |= {"upper_bound": body["objective"], "status": "optimal"}
            for size in body["sizes"]:
                size["bound"] = min(size["bound"], body["objective"])
        elif kind == 1:
            body |= {"objective": None, "decision": None, "status": "infeasible"}
            body["upper_bound"] = None
            for size in body["sizes"]:
                size["bound"] = -1.0
        elif kind == 2 and body["objective"] is not None:
            body |= {"status": "optimal", "gap": body["gap"] * 10}
            body["objective"] += 10.0 ** rng.uniform(-9, -1)
        else:
            size = rng.choice(body["sizes"])
            size["bound"] -= 10.0 ** rng.uniform(-9, 0)
            body["upper_bound"] = max(size["bound"] for size in body["sizes"])
        body["digest"] = digest(body)
        return body
    entries = list(body["methods"].values()) if "methods" in body else body.get("slots", [body])
    entry = rng.choice(entries)
    if kind == 0 and entry["objective"] is not None:  # worth more than it is
        more = 10.0 ** rng.uniform(-8, -1)
        entry["users"][0]["qoe"] += more
        for name in ("objective", "upper_bound", "continuous_bound"):
            if entry.get(name) is not None:
                entry[name] += more
    elif kind == 1 and entry["upper_bound"] is not None:  # a bound that is lower, or an optimum
        less = 10.0 ** rng.uniform(-8, 0)
        for name in ("upper_bound", "continuous_bound"):
            if entry.get(name) is not None:
                entry[name] -= less
        if entry["gap"] is not None:
            entry["gap"] = entry["upper_bound"] - entry["objective"]
    elif kind == 2:  # nothing is feasible
        entry |= {"status": "infeasible", "users": [], "infeasible": {"joint": [0]}}
        entry |= dict.fromkeys(("objective", "upper_bound", "gap"))
        entry.pop("continuous_bound", None)
    elif entry["users"] and "problem" in entry:  # another decision is called the optimum
        problem = closed(entry["problem"]).problem()
        worse = solve(problem, rng.choice(("reference", "local", "semantic-unaware")))
        if worse.actions is not None:
            entry["users"], value = worse.users_json(), worse.recompute()
            entry |= {"objective": value, "upper_bound": value, "gap": 0.0, "status": "optimal"}
            if "continuous_bound" in entry:
                entry["continuous_bound"] = value
    return body


@lru_cache(maxsize=512)
def known(text, method):
    """Return the best decision that a method has for a slot, by 600 bits, and what it is worth.

    None where there is no decision, "unknown" where the method does not apply.
    """
    data = json.loads(text)
    problem = problem_from_json(data) if "gain" in data else closed(data).problem()
    try:
        result = solve(problem, method)
    except ValueError:
        return "unknown"
    if result.actions is None or not extended.keeps_limits(problem, result.actions, 0.0):
        return None
    return extended.worth(problem, result.actions)


def refute_bound(data, method, bound, infeasible):
    """Fail where a decision is worth more than a bound, or is feasible where none is said to be."""
    best = known(json.dumps(data), method)
    if best is not None and best != "unknown":
        assert not infeasible
        assert bound is None or best <= bound + TRUE


def refute_certificate(body):
    """Fail where a claim of an accepted certificate is false."""
    problem = problem_from_json(body["problem"])
    bound, value = body["upper_bound"], body["objective"]
    refute_bound(body["problem"], "global", bound, body["status"] == "infeasible")
    if body["scenario"] is not None:
        named = closed(body["scenario"]).problem()
        order = [named.tasks.names.index(name) for name in problem.tasks.names]
        assert [order[kind] for kind in problem.task] == named.task.tolist()
        np.testing.assert_array_equal(named.gain, problem.gain)
        assert named.system == problem.system
    if value is not None:
        columns = body["decision"]
        actions = Actions(*(np.array(columns[name]) for name in asdict_names(Actions)))
        assert extended.keeps_limits(problem, actions)
        assert abs(extended.worth(problem, actions) - value) <= TRUE
        assert body["status"] != "optimal" or bound - value <= body["gap"]
    else:
        assert body["decision"] is None
        assert body["status"] != "optimal"


def asdict_names(kind):
    """Return the names of a dataclass's fields."""
    return tuple(kind.__dataclass_fields__)


def refute_answer(data, entry, method):
    """Fail where a claim about one slot is false."""
    problem = closed(data).problem()
    assert str(entry["joint_actions"]) == str(problem.joint_actions())
    infeasible = entry["status"] == "infeasible"
    if method in METHODS[1:]:
        # A bound on the continuous problem "only a certificate proves": the grid may refute it.
        own = method if method in ("local", "semantic-unaware") else "exact"
        refute_bound(data, own, entry["upper_bound"], infeasible)
        refute_bound(data, "exact", entry.get("continuous_bound"), False)
    if not entry["users"]:
        assert entry["objective"] is None
        assert entry["gap"] is None
        assert entry["status"] in ("infeasible", "bound_only", "limit_reached")
        return
    users = entry["users"]
    actions = Actions(
        np.array([-1 if user["channel"] is None else user["channel"] for user in users]),
        np.array([user["power_mw"] for user in users]) / 1e3,
        np.array([user["frequency_ghz"] for user in users]) * 1e9,
        np.array([user["extraction"] for user in users]),
    )
    assert extended.keeps_limits(problem, actions) or method == "reference"
    assert [user["task"] for user in users] == [problem.tasks.names[k] for k in problem.task]
    assert all(user["feasible"] is True for user in users)
    for n, (t, e, a, qoe) in enumerate(extended.evaluated(problem, actions)):
        user = users[n]
        assert user["offload"] is (user["channel"] is not None)
        for name, exact in (
            ("latency_ms", 1e3 * t),
            ("energy_mj", 1e3 * e),
            ("accuracy", a),
            ("qoe", qoe),
        ):
            assert abs(user[name] - float(exact)) <= TRUE * max(1.0, abs(float(exact)))
    value = extended.worth(problem, actions)
    assert abs(entry["objective"] - value) <= TRUE
    if entry["status"] == "optimal" and method in GRID:
        assert abs(entry["upper_bound"] - value) <= 2 * TRUE


def refute_result(body):
    """Fail where a claim of an accepted result is false."""
    assert set(body) <= ALLOWED
    if "methods" in body:
        assert body["methods"]
        assert (
            len({json.dumps(e["problem"], sort_keys=True) for e in body["methods"].values()}) == 1
        )
        for name, entry in body["methods"].items():
            assert entry["method"] == name
            refute_result(entry)
        return
    assert body["readings"] == asdict(Readings())
    if "slots" not in body:
        refute_answer(body["problem"], body, body["method"])
        return
    entries = body["slots"]
    for entry in entries:
        refute_answer(body["problem"] | {"slot": entry["slot"]}, entry, body["method"])
    if body["seed"] is not None:
        scenario = closed(body["problem"] | {"slot": entries[0]["slot"]})
        gain, _ = scenario.draw(len(entries), body["seed"])
        np.testing.assert_allclose([e["slot"]["gain"] for e in entries], gain, rtol=2e-9)
    users = [user for entry in entries for user in entry["users"]]
    for name in ("qoe", "latency_ms", "energy_mj", "accuracy"):
        mean = sum(user[name] for user in users) / len(users) if users else None
        assert body["mean"][name] == pytest.approx(mean, rel=TRUE)


ALLOWED = {
    *("schema", "method", "backend", "status", "objective", "upper_bound", "gap", "seconds"),
    *("joint_actions", "readings", "problem", "users", "continuous_bound", "infeasible"),
    *("details", "methods", "refused", "seed", "mean", "slots"),
}


def forge(honest, count, seed):
    """Forge so many files, judge those that are accepted, and return how many these were."""
    rng, accepted = random.Random(seed), 0
    for _ in range(count):
        body = rng.choice(honest)
        other = lie(body, rng) if rng.random() < 0.25 else forged(body, rng, honest)
        proof = "format" in other
        try:
            (check_certificate if proof else check_result)(other)
        except (FalseClaim, ValueError):
            continue
        accepted += 1
        (refute_certificate if proof else refute_result)(other)
    return accepted


def test_honest_files_are_accepted_and_not_refuted(honest):
    for body in honest:
        if "digest" in body:
            body = body | {"digest": digest(body)}
            check_certificate(body)
            refute_certificate(body)
        else:
            check_result(body)
            refute_result(body)


def test_no_forgery_is_accepted_that_is_false(honest):
    accepted = forge(honest, 500, seed=0)
    assert 10 < accepted < 250  # what claims nothing, or less than the truth, may be changed


@pytest.mark.long
def test_none_of_ten_thousand_forgeries_is_accepted_that_is_false(honest):
    for seed in range(1, 11):
        accepted = forge(honest, 1000, seed)
        assert 20 < accepted < 500
