"""Certificates: true ones are accepted, and whatever makes one false is found."""

import copy
import gzip
import json
import math
import random
import sys
from dataclasses import replace

import numpy as np
import pytest
from flint import arb
from scipy.optimize import minimize
from typer.testing import CliRunner

import extended
from problems import CASES, EXPECTED, badly_scaled, random_problem, replaced
from semopt import Actions, Problem, Status, solve
from semopt.certificate import read
from semopt.certificate.balls import Score, precision
from semopt.certificate.checker import check_certificate
from semopt.certificate.claims import FalseClaim
from semopt.certificate.format import digest, problem_from_json, problem_to_json
from semopt.certificate.results import check_result
from semopt.certificate.verify import verify
from semopt.cli import app
from semopt.model import evaluate
from semopt.problem import AccuracyTable
from semopt.scenario import Scenario
from tolerances import GAP, ROUNDING


def certified(problem, folder, **options):
    """Solve with a certificate: (result, certificate)."""
    path = folder / "certificate.json"
    result = solve(problem, "global", certificate=str(path), **options)
    return result, json.loads(path.read_text())


def redigested(body):
    """Return a certificate with the digest made right again."""
    return body | {"digest": digest(body)}


def altered(body, *path, by):
    """Return a copy with one entry replaced, the digest made right again."""
    return redigested(replaced(body, *path, by=by))


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    """A slot with two offloaders of different modes, one local task, and its certificate."""
    problem = Scenario.load(CASES / "n3k2_0015.toml").problem()
    return certified(problem, tmp_path_factory.mktemp("example"))


@pytest.mark.parametrize("name", EXPECTED["cases"])
def test_certificates_of_all_cases_hold(name, tmp_path):
    problem = Scenario.load(CASES / name).problem()
    result, body = certified(problem, tmp_path)
    words = check_certificate(body)
    if result.status is Status.INFEASIBLE:
        assert "no joint action is feasible" in words
    else:
        assert repr(result.objective) in words
        assert repr(result.upper_bound) in words


def test_certificates_of_random_slots_hold(tmp_path):
    for seed in range(60):
        rng = np.random.default_rng(seed)
        users, channels = (int(n) for n in rng.integers(1, 5, 2))
        problem = random_problem(rng, users, channels, own_figures=seed % 3 == 0)
        check_certificate(certified(problem, tmp_path)[1])


def test_certificate_of_a_stopped_search_proves_its_bound(tmp_path):
    problem = random_problem(np.random.default_rng(7), 4, 4)
    result, body = certified(problem, tmp_path, time_limit=1e-9)
    assert result.status is Status.LIMIT_REACHED
    # What its prices prove may lie a margin of rounding above the weights, which are the result's.
    assert 0.0 <= body["upper_bound"] - result.upper_bound <= 1e-9
    assert repr(body["upper_bound"]) in check_certificate(body)
    with pytest.raises(FalseClaim, match="status"):
        check_certificate(altered(body, "status", by="optimal"))


def test_slot_survives_being_written_and_read():
    for seed in range(20):
        problem = random_problem(np.random.default_rng(seed), 2, 3, own_figures=seed % 2 == 0)
        again = problem_from_json(json.loads(json.dumps(problem_to_json(problem))))
        assert problem_to_json(again) == problem_to_json(problem)


def test_slot_that_no_scenario_says_is_certified_without_one(tmp_path):
    problem = Scenario.load("paper").problem()
    assert certified(problem, tmp_path)[1]["scenario"] == problem.to_json()
    of_arrays = replace(problem, gain=problem.gain * 0.9, origin={})
    body = certified(of_arrays, tmp_path)[1]
    again = Scenario.from_dict(body["scenario"]).problem()  # its kinds of task in another order
    assert (again.gain == of_arrays.gain).all()
    assert again.users == of_arrays.users
    assert solve(again).objective == solve(of_arrays).objective
    check_certificate(body)
    changed = certified(problem.without_semantic(), tmp_path)[1]
    assert changed["scenario"] is None
    check_certificate(changed)


def test_compressed_certificate_is_read_too(tmp_path):
    problem = Scenario.load("tiny").problem()
    for name in ("a.json", "a.json.gz"):
        solve(problem, "global", certificate=str(tmp_path / name))
    plain = read(tmp_path / "a.json")
    assert read(tmp_path / "a.json.gz") == plain
    assert json.loads(gzip.decompress((tmp_path / "a.json.gz").read_bytes())) == plain
    assert verify(tmp_path / "a.json") == verify(tmp_path / "a.json.gz")


def leaf_paths(body, path=()):
    """Give the path of every number, string and null of a document."""
    if isinstance(body, dict | list) and body:
        for key, value in body.items() if isinstance(body, dict) else enumerate(body):
            yield from leaf_paths(value, (*path, key))
    else:
        yield path


def changed(value, rng):
    """Return another value of a JSON entry."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return rng.choice([0, 1.5, "other", [1]])
    shift = rng.choice([1e-6, 1e-3, 0.1, 1.0])
    others = [value * (1 + shift), value * (1 - shift), -value - shift, value + 1, None, "1", [1]]
    return rng.choice([other for other in others if other != value])


def test_no_change_goes_unnoticed(example):
    """Without a new digest every changed entry is found, whether it matters or not."""
    _, body = example
    rng = random.Random(0)
    for path in leaf_paths(body):
        other = copy.deepcopy(body)
        owner = other
        for key in path[:-1]:
            owner = owner[key]
        owner[path[-1]] = changed(owner[path[-1]], rng)
        with pytest.raises((FalseClaim, ValueError)):
            check_certificate(other)


def test_what_is_accepted_is_true(example):
    """With a new digest, any change is either found or leaves claims that are true."""
    _, body = example
    rng = random.Random(1)
    paths = [path for path in leaf_paths(body) if path != ("digest",)]
    accepted = 0
    for path in rng.choices(paths, k=400):
        other = altered(body, *path, by=lambda value: changed(value, rng))
        try:
            check_certificate(other)
        except (FalseClaim, ValueError):
            continue
        accepted += 1
        truth = solve(problem_from_json(other["problem"]), "global")
        assert other["upper_bound"] >= truth.objective - ROUNDING
        assert other["objective"] <= truth.upper_bound + GAP
    assert accepted < 250


def first(body, size):
    """Return the first cover of a size with a leaf in semantic mode: place, place of the leaf."""
    for place, cover in enumerate(body["sizes"][size]["covers"]):
        tree = cover[3].get("semantic", [])
        for spot, entry in enumerate(tree):
            if len(entry) == 7:
                return place, spot
    raise AssertionError


def false_claims(body):
    """Give named ways to make each part of a certificate false, and words of the finding."""
    place, spot = first(body, 2)
    cover = ("sizes", 2, "covers", place)
    leaf = (*cover, 3, "semantic", spot)
    used = max(k for k in body["decision"]["channel"])
    yield "problem: bandwidth", ("problem", "system", "bandwidth"), lambda v: v * 1.5, "objective"
    yield "problem: server limit", ("problem", "system", "server_energy_max"), 1.0, "server"
    yield "problem: objective", ("problem", "objective"), "min", "objective"
    yield "scenario: another slot", ("scenario", "slot", "gain", 0, 0), 0.123, "scenario"
    yield "scenario: another system", ("scenario", "system", "noise_mw"), 0.77, "scenario"
    yield "status", ("status",), "infeasible", "status"
    yield "objective above", ("objective",), lambda v: v + 1e-7, "objective"
    yield "objective below", ("objective",), lambda v: v - 1e-7, "objective"
    yield "objective missing", ("objective",), None, "objective"
    yield "bound below", ("upper_bound",), lambda v: v - 1e-5, "upper_bound"
    yield "bound the objective", ("upper_bound",), body["objective"], "sizes prove"
    yield "bound missing", ("upper_bound",), None, "upper_bound"
    yield "gap", ("gap",), 1e-12, "gap"
    yield "channel twice", ("decision", "channel"), [used] * 3, "used twice"
    yield "channel unknown", ("decision", "channel", 0), 7, "channel"
    yield "power out of range", ("decision", "power"), [9.0] * 3, "power"
    yield "frequency out of range", ("decision", "frequency"), [1.0] * 3, "frequency"
    yield "extraction out of range", ("decision", "extraction"), [0.01] * 3, "extraction"
    yield "decision too short", ("decision", "power"), [0.1], "power"
    yield "decision missing", ("decision",), None, "objective"
    yield "local cover missing", ("local",), lambda covers: covers[1:], "not covered"
    yield "local cover too low", ("local", 0, 2), lambda v: v - 1e-4, "proven"
    yield "local cover infeasible", ("local", 0, 2), None, "proven"
    yield "local cover of nobody", ("local", 0, 0), 3, "user"
    yield "local cover of a channel", ("local", 0, 1), 0, "sub-channel"
    yield "local tree missing", ("local", 0, 3), {}, "trees"
    yield "size missing", ("sizes",), lambda sizes: sizes[:-1], "numbers of offloaders"
    yield "size bound", ("sizes", 2, "bound"), lambda v: v - 1e-3, "prices prove"
    yield "size bound infeasible", ("sizes", 2, "bound"), -1.0, "prices prove"
    yield "price negative", ("sizes", 2, "channel", 0), -0.1, "negative"
    yield "price too high", ("sizes", 2, "channel", 0), 0.5, "prices prove"
    yield "price missing", ("sizes", 2, "channel"), [], "price"
    yield "offloader price low", ("sizes", 2, "offloader"), lambda v: v - 0.1, "prices prove"
    yield "offloader price high", ("sizes", 2, "offloader"), lambda v: v + 0.1, "prices prove"
    yield "covers missing", ("sizes", 2, "covers"), [], "prices prove"
    yield "covers of size 0", ("sizes", 0, "covers"), lambda _: [body["local"][0]], "sizes"
    yield "cover too low", (*cover, 2), lambda v: v - 0.01, "proven"
    yield "cover infeasible", (*cover, 2), None, "proven"
    yield "cover of nobody", (*cover, 0), -1, "user"
    yield "mode missing", (*cover, 3), lambda trees: {"raw": trees["raw"]}, "trees"
    yield "mode too much", (*cover, 3), lambda trees: trees | {"local": []}, "trees"
    yield "leaf missing", (*cover, 3, "semantic"), lambda tree: tree[:-1], "no proof"
    yield "leaf too much", (*cover, 3, "semantic"), lambda tree: [*tree, tree[-1]], "left over"
    yield "leaf empty", leaf, [], "numbers"
    yield "leaf short", leaf, lambda numbers: numbers[:6], "numbers"
    yield "leaf not a number", (*leaf, 0), "power", "number"
    for place, price in enumerate(("latency", "energy", "accuracy")):
        yield f"price of {price} negative", (*leaf, place), -1e-30, "negative"
    yield "prices zero", leaf, lambda numbers: [0.0] * 5 + numbers[5:], "proven"
    yield "plane slope", (*leaf, 4), lambda v: v + 5.0, "proven"
    yield "plane touches nowhere", (*leaf, 5), 0.0, "touches"
    yield "axis a number", (*cover, 3, "semantic"), lambda tree: [[1.0, 1.0], *tree], "axis"
    yield (
        "split outside",
        (*cover, 3, "semantic"),
        lambda tree: [["power", 99.0], *tree, *tree],
        "does not split",
    )


NAMES = [
    name
    for name, *_ in false_claims(
        {
            "sizes": [{}, {}, {"covers": [[0, 0, 1, {"semantic": [[0] * 7]}]]}],
            "decision": {"channel": [0]},
            "objective": 0.0,
            "local": [0],
        }
    )
]


@pytest.mark.parametrize("name", NAMES)
def test_false_claim_is_named(example, name):
    _, body = example
    path, by, words = next(rest for found, *rest in false_claims(body) if found == name)
    if path[0] == "problem":
        body = body | {"scenario": None}  # which would be found first
    with pytest.raises(FalseClaim, match=words):
        check_certificate(altered(body, *path, by=by))


def test_a_weaker_channel_does_not_cover_a_stronger_one(example):
    """A cover of a user's weakest sub-channel alone leaves the stronger cells at their most."""
    result, body = example
    other = copy.deepcopy(body)
    covers = other["sizes"][2]["covers"]
    user = covers[0][0]
    weakest = int(result.problem.gain[user].argmin())
    kept = [c for c in covers if c[0] != user or c[1] == weakest]
    assert len(kept) < len(covers)
    other["sizes"][2]["covers"] = kept
    with pytest.raises(FalseClaim, match="prices prove"):
        check_certificate(redigested(other))


def test_another_slot_is_not_proven(example):
    """The same proof over a slot with stronger channels."""
    result, body = example
    bound_only = {"decision": None, "objective": None, "status": "limit_reached"}
    body = body | bound_only | {"scenario": None}
    check_certificate(redigested(body))
    stronger = body["problem"] | {"gain": (result.problem.gain * 1.2).tolist()}
    with pytest.raises(FalseClaim, match="proven"):
        check_certificate(redigested(body | {"problem": stronger}))


def run(*arguments):
    return CliRunner().invoke(app, list(arguments))


def test_verify_prints_what_is_proven_or_the_first_false_claim(example, tmp_path):
    _, body = example
    (tmp_path / "good.json").write_text(json.dumps(body))
    (tmp_path / "bad.json").write_text(json.dumps(altered(body, "objective", by=lambda v: v + 1)))
    (tmp_path / "other.json").write_text("{}")
    good = run("verify", str(tmp_path / "good.json"))
    assert good.exit_code == 0
    assert good.output.startswith(
        "verified: the slot of the file's scenario: the decision is worth 2.10262"
    )
    bad = run("verify", str(tmp_path / "bad.json"))
    assert bad.exit_code == 1
    assert bad.output.startswith("false: objective 3.1")
    for name in ("other.json", "missing.json"):
        with pytest.raises(ValueError, match=name):
            verify(tmp_path / name)


def test_verify_without_arb_says_what_to_install(example, monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == "flint"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "semopt.certificate.balls", raising=False)
    monkeypatch.setitem(sys.modules, "flint", None)
    with pytest.raises(ValueError, match=r"semopt\[verify\]"):
        check_certificate(example[1])


@pytest.fixture(scope="module")
def document():
    """Return a result file."""
    return solve(Scenario.load(CASES / "n3k2_0015.toml").problem(), "exact").to_json()


def test_result_file_is_evaluated_again(document):
    assert "the decision is feasible" in check_result(document)


@pytest.mark.parametrize(
    ("path", "by", "words"),
    [
        (("objective",), lambda v: v + 1e-6, "objective"),
        (("upper_bound",), lambda v: v - 0.01, "upper_bound"),
        (("continuous_bound",), 0.1, "continuous_bound"),
        (("gap",), 0.5, "gap"),
        (("joint_actions",), 5, "joint_actions"),
        (("joint_actions",), "x", "joint_actions"),
        (("readings", "server_share"), "another", "readings"),
        (("status",), "infeasible", "status"),
        (("users", 0, "qoe"), lambda v: v + 1e-6, "qoe"),
        (("users", 0, "latency_ms"), lambda v: v * 1.01, "latency_ms"),
        (("users", 1, "energy_mj"), 0.0, "energy_mj"),
        (("users", 1, "accuracy"), 1.0, "accuracy"),
        (("users", 0, "power_mw"), 2501.0, "power"),
        (("users", 1, "power_mw"), 1.0, "local"),
        (("users", 0, "task"), "another", "task"),
        (("users", 0, "offload"), False, "disagree"),
        (("users", 0, "feasible"), False, "feasible"),
        (("users",), lambda users: users[:2], "users"),
    ],
)
def test_false_result_is_named(document, path, by, words):
    with pytest.raises(FalseClaim, match=words):
        check_result(replaced(document, *path, by=by))


def test_result_file_of_many_slots_is_evaluated_again(tmp_path):
    path = tmp_path / "many.json"
    assert run("solve", "tiny", "--slots", "5", "--json", str(path)).exit_code == 0
    assert "5 of 5 slots" in verify(path)
    body = json.loads(path.read_text())
    for entry, by, words in (
        (("slots", 3, "objective"), 9.0, r"slots\[3\].objective"),
        (("mean", "qoe"), 0.99, "mean.qoe"),
        (("mean", "infeasible_share"), 0.2, "mean.infeasible_share"),
    ):
        with pytest.raises(FalseClaim, match=words):
            check_result(replaced(body, *entry, by=by))


def test_ladder_file_is_evaluated_again(tmp_path):
    path = tmp_path / "ladder.json"
    assert run("solve", "tiny", "--ladder", "--json", str(path)).exit_code == 0
    assert "global: the decision is feasible" in verify(path)


def test_prices_cannot_overflow_into_a_proof(tmp_path):
    """A user that must offload, at prices whose difference is no number: once taken for a proof."""
    problem = Scenario.load(CASES / "n2k2_0024.toml").problem()
    _, body = certified(problem, tmp_path)
    for price in (1e100, 1e99):
        other = copy.deepcopy(body)
        for size in other["sizes"][1:]:
            size |= {"channel": [price] * 2, "offloader": price, "bound": -1.0}
        nothing = {"decision": None, "objective": None, "status": "infeasible"}
        with pytest.raises(FalseClaim):
            check_certificate(redigested(other | nothing | {"upper_bound": None}))


@pytest.mark.parametrize(
    "data", [gzip.compress(b"{}" * 500)[:20] + b"\xff" * 30, b"[" * 100_000, b'{"schema": NaN}']
)
def test_file_that_is_none_is_refused_by_name(tmp_path, data):
    (tmp_path / "broken.json").write_bytes(data)
    with pytest.raises(ValueError, match=r"broken\.json"):
        verify(tmp_path / "broken.json")


def test_file_that_nests_too_deep_is_refused_by_name(tmp_path):
    (tmp_path / "deep.json").write_text(
        '{"format": "semopt-certificate", "version": 1, "digest": ' + "[" * 970 + "]" * 970 + "}"
    )
    with pytest.raises((ValueError, FalseClaim), match=r"deep\.json|missing"):
        verify(tmp_path / "deep.json")


def inside():
    """Return a slot whose best frequencies lie inside their range: time and energy have prices."""
    rows = [[0.3, 0.4], [0.8, 0.9], [0.82, 0.92]]
    table = AccuracyTable.from_arrays([0.2, 0.5, 1.0], [0.0, 30.0], rows)
    return Problem.from_arrays(
        gain=[[0.5]],
        bits=80e3,
        semantic_bits=8e3,
        extraction_max=0.95,
        local_flop=6e6,
        extract_flop=1e6,
        server_flop=4e6,
        local_accuracy=0.5,
        accuracy=table,
        latency_max=1.0,
        slope_latency=300.0,
        slope_energy=60.0,
        slope_accuracy=6.0,
        frequency_min=1e8,
        frequency_max=4e9,
        reference_frequency=1e9,
        power_min=1e-3,
        power_max=1.0,
        extraction_min=0.2,
    )


@pytest.mark.parametrize("size", [0, 1])
def test_a_bound_just_below_the_truth_is_refused(tmp_path, size):
    """Each cover is tight where the optimum is inside: what proves less than the truth is wrong."""
    problem = inside()
    _, body = certified(problem, tmp_path, gap=1e-9)
    covers = body["sizes"][1]["covers"] if size else body["local"]
    assert len(covers) == 1
    best = cell_optimum(problem, size)
    assert covers[0][2] - best < 1e-6  # so the cover says no more than is needed
    where = ("sizes", 1, "covers", 0, 2) if size else ("local", 0, 2)
    check_certificate(body)
    with pytest.raises(FalseClaim, match="proven"):
        check_certificate(altered(body, *where, by=best - 1e-7))


def cell_optimum(problem, m):
    """Return the largest QoE of a lone user at home (0) or offloading (1), by plain descent."""
    users = problem.users

    def loss(x):
        f = users.frequency_min[0] * (users.frequency_max[0] / users.frequency_min[0]) ** x[0]
        p = users.power_min[0] * (users.power_max[0] / users.power_min[0]) ** x[1]
        mu = 0.2 + x[2] * (0.95 - 0.2)
        parts = ([p], [f], [mu]) if m else ([0.0], [f], [1.0])
        actions = Actions(np.array([m - 1]), *map(np.array, parts))
        return -float(evaluate(problem, actions).qoe[0])

    starts = [np.full(3, start) for start in (0.2, 0.5, 0.8)]
    options = {"xatol": 1e-10, "fatol": 1e-14, "maxiter": 5000}
    bounds = [(0.0, 1.0)] * 3
    found = [
        minimize(loss, x, method="Nelder-Mead", bounds=bounds, options=options) for x in starts
    ]
    best = min(found, key=lambda each: each.fun)
    assert 0.01 < best.x[0] < 0.99
    return -best.fun


def test_conjugate_is_the_largest_of_all_points():
    """Against plain sampling: prices that put the largest value at either end and in between."""
    rng = np.random.default_rng(0)
    between = 0
    with precision():
        for _ in range(300):
            weight, slope = float(rng.uniform(0.1, 1)), float(10 ** rng.uniform(-1, 2))
            middle = float(rng.uniform(-1, 1))
            low = float(middle + rng.uniform(-8, 4) / slope)
            high = float(low + rng.uniform(0, 8) / slope)
            price = float(weight * slope * rng.choice([0.0, rng.uniform(0, 0.3)]))
            u = np.linspace(low, high, 4001)
            sampled = weight / (1 + np.exp(slope * (u - middle))) + price * u
            score = Score(weight, slope, arb(middle), math.inf)
            found = float(score.conjugate(arb(price), arb(low), arb(high)))
            step = (high - low) / 4000
            assert sampled.max() - ROUNDING <= found
            assert found <= sampled.max() + weight * slope**2 * step**2 + ROUNDING
            between += 0 < sampled.argmax() < 4000
    assert between > 20


def test_steep_slope_is_worth_what_600_bits_say():
    """With a slope of 1e32 /s the centre of a ball lies 0.13 above the value that it encloses."""
    body = read(CASES / "reported" / "forged-value.json")
    assert body["objective"] == pytest.approx(0.5002364)
    with pytest.raises(FalseClaim, match=r"objective 0\.5002364.*worth 0\.369175"):
        check_certificate(body)
    problem = problem_from_json(body["problem"])
    actions = decision(body)
    assert extended.worth(problem, actions) == pytest.approx(0.3691755, abs=1e-7)
    true = altered(body, "objective", by=extended.worth(problem, actions))
    assert "worth 0.36917" in check_certificate(true)


def test_certificates_of_slots_with_extreme_figures_hold(tmp_path):
    """Balls too wide at first are computed again with more bits, not refused."""
    for seed in range(60):
        rng = np.random.default_rng(seed)
        users, channels = (int(n) for n in rng.integers(1, 4, 2))
        problem = badly_scaled(rng, users, channels)
        _, body = certified(problem, tmp_path, time_limit=2.0)
        check_certificate(body)
        if body["decision"] is not None:
            found = extended.worth(problem, decision(body))
            assert found == pytest.approx(body["objective"], abs=2e-9)


def decision(body):
    """Return the decision of a certificate."""
    names = ("channel", "power", "frequency", "extraction")
    return Actions(*(np.array(body["decision"][name]) for name in names))


def test_certificate_of_an_infeasible_slot_says_so(tmp_path):
    problem = Scenario.load(CASES / "n1k1_0002.toml").problem()
    result, body = certified(problem, tmp_path)
    assert result.status is Status.INFEASIBLE
    for status in ("optimal", "limit_reached"):
        with pytest.raises(FalseClaim, match=f"status '{status}'"):
            check_certificate(altered(body, "status", by=status))
