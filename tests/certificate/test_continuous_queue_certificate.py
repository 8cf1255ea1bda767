"""Certificates of queues off the grid: true ones are accepted, false ones found."""

import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from typer.testing import CliRunner

from problems import replaced
from queues import altered, certified, drawn, mixtures, random_queue, refuses
from semopt import Scenario, solve, solve_queue
from semopt.certificate.claims import FalseClaim
from semopt.certificate.queue_certificate import check_queue_certificate
from semopt.certificate.queue_format import queue_from_json
from semopt.certificate.queue_ranges import Proven
from semopt.certificate.queue_ranges import Ranges as Cases
from semopt.certificate.verify import verify
from semopt.cli import app, entry
from semopt.solvers.queue import search
from semopt.solvers.queue.ranges import Ranges

CLOSED = 1e-3  # of a queue: some dozens of cases


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    """A queue of several cases, and its certificate."""
    folder = tmp_path_factory.mktemp("example")
    result, body = certified(folder, *drawn(0), "global", gap=CLOSED)
    assert result.status.word == "optimal"
    assert sum(case["split"] is not None for case in body["cases"]) > 2
    return result, body


@pytest.mark.parametrize("pays", ["task", "device"])
def test_certificates_of_random_queues_hold(tmp_path, pays):
    rng, split = np.random.default_rng(3), 0
    for users, channels, slots in [(1, 1, 4), (2, 1, 4), (2, 2, 3), (3, 2, 3)] * 2:
        queue = random_queue(rng, users, channels, slots)
        options = {"gap": 3e-4, "battery_pays": pays, "time_limit": 2.0}
        result, body = certified(tmp_path, *queue, "global", **options)
        words = check_queue_certificate(body)
        assert repr(result.objective) in words
        assert f"no policy within the batteries is worth more than {result.upper_bound!r}" in words
        on_grid = solve_queue(*queue, gap=1e-4, battery_pays=pays)
        assert on_grid.objective <= result.upper_bound + 1e-12
        split += len(body["cases"]) > 1
    assert split > 1


def test_the_bound_of_a_certificate_cannot_be_lowered(example):
    result, body = example
    below = result.upper_bound - 1e-5
    for upper in (below, result.objective):
        with pytest.raises(FalseClaim, match=r"cases\[\d+\]: its proofs prove"):
            check_queue_certificate(altered(body, "upper_bound", by=upper))


def test_a_search_without_the_time_for_any_case_proves_its_bound(tmp_path):
    scenario, gain, task = queue = drawn(0)
    result, body = certified(tmp_path, *queue, "global", gap=1e-6, time_limit=1e-6)
    assert result.status.word == "limit_reached"
    assert len(body["cases"]) == 1
    assert repr(result.upper_bound) in check_queue_certificate(body)
    slots = [scenario.template().with_slot(*slot) for slot in zip(gain, task, strict=True)]
    alone = sum(solve(slot, "global").upper_bound for slot in slots)  # as if batteries were full
    assert result.upper_bound < alone + 1e-4
    with pytest.raises(FalseClaim, match="status 'optimal'"):
        check_queue_certificate(altered(body, "status", by="optimal"))


@pytest.mark.parametrize("slope", [1e6, 1e12, 1e40])
def test_where_doubles_do_not_tell_what_a_decision_is_worth_its_certificate_does(tmp_path, slope):
    scenario, gain, task = drawn(0, 3)
    problem = scenario.template()
    steep = replace(problem.system, slope_latency=slope, slope_energy=slope)
    queue = replace(problem, system=steep), gain, task
    result, body = certified(tmp_path, *queue, "global", time_limit=0.5)
    assert repr(body["objective"]) in check_queue_certificate(body)
    assert abs(body["objective"] - result.objective) < 1e-3
    assert result.objective > 3.0


def test_open_cases_are_proven_too_and_more_of_them_prove_more(tmp_path, monkeypatch):
    run, bounds = Ranges.run, []
    for most in (1, 6, 25):

        def few(self, dual, most=most):
            self.most = most
            run(self, dual)

        monkeypatch.setattr(Ranges, "run", few)
        result, body = certified(tmp_path, *drawn(0), "global", gap=1e-6)
        assert result.details["stopped"] == "limit of cases"
        assert repr(result.upper_bound) in check_queue_certificate(body)
        bounds.append(result.upper_bound)
    assert all(more < less for less, more in pairwise(bounds))


def test_ctrl_c_leaves_a_certificate(tmp_path, monkeypatch):
    part, calls = Ranges.part, []

    def interrupted(self, *arguments):
        calls.append(self)
        if len(calls) == 4:  # between the two parts of a case
            raise KeyboardInterrupt
        return part(self, *arguments)

    monkeypatch.setattr(Ranges, "part", interrupted)
    result, body = certified(tmp_path, *drawn(0), "global", gap=1e-6)
    assert result.interrupted
    assert result.objective > 0.0
    assert len(body["cases"]) > 1
    assert repr(result.upper_bound) in check_queue_certificate(body)


@pytest.mark.parametrize(("method", "made_by"), [("exact", "of_grid"), ("global", "off_grid")])
def test_ctrl_c_in_the_proof_keeps_what_was_found(tmp_path, monkeypatch, capsys, method, made_by):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    wanted = solve_queue(*drawn(0), method, gap=CLOSED)
    monkeypatch.setattr(search, made_by, interrupted)
    proof = tmp_path / "proof.json"
    result = solve_queue(*drawn(0), method, gap=CLOSED, certificate=str(proof))
    assert result.interrupted
    assert (result.status, result.objective) == (wanted.status, wanted.objective)
    assert result.upper_bound == wanted.upper_bound
    command = ["solve", "battery", "--queue", "--method", method, "--certificate", str(proof)]
    assert entry.run(command) == 130
    assert "none was written" in capsys.readouterr().out
    assert not proof.exists()


def test_the_proofs_of_a_case_may_not_be_those_of_another(example):
    result, body = example
    slots, prices = queue_from_json(body["problem"], scored=False), map(np.array, body["prices"])
    worth = -100.0  # of each slot: whatever the proofs are, they prove enough
    proofs = [
        Proven(one["slot"], one["price"], np.array(one["least"]), np.array(one["most"]), worth)
        for one in body["proofs"]
    ]
    cases = Cases(slots, list(prices), proofs, result.upper_bound)
    cases.check(body["cases"])
    leaves = [i for i, case in enumerate(body["cases"]) if case["proofs"]]
    rests_on = [body["cases"][i]["proofs"] for i in leaves]
    for place, own in zip(leaves, rests_on, strict=True):
        others = [other for other in rests_on if other != own]
        refused = [finding(cases, replaced(body["cases"], place, "proofs", by=o)) for o in others]
        # The first case's proofs hold for all; those of one with a range of its own do not.
        assert any("do not hold those of the case" in words for words in refused)


def finding(cases, entries):
    """Return what is false about the entries of cases, "" if nothing is."""
    try:
        cases.check(entries)
    except FalseClaim as error:
        return str(error)
    return ""


def forgeries(body):
    """Yield certificates that claim what is false, with words of the finding."""
    cases, problem, proofs = body["cases"], body["problem"], body["proofs"]
    leaf = next(i for i, case in enumerate(cases) if case["proofs"])
    inner = next(i for i, case in enumerate(cases) if case["split"])
    own = cases[leaf]["proofs"]
    first = proofs[own[0]]
    price = max(range(2), key=lambda n: body["prices"][first["price"]][n])
    yield "digest", body | {"objective": 0.0}
    # Prices, and what is proven at them.
    larger = [[1.5 * y for y in prices] for prices in body["prices"]]
    yield "its proofs prove", altered(body, "prices", by=larger)
    yield "prove", altered(body, "prices", by=[[0.0, 0.0] for _ in larger])
    yield "a price is negative", altered(body, "prices", 0, price, by=-1.0)
    yield "not one number a user", altered(body, "prices", 0, by=[1.0])
    yield "price", altered(body, "proofs", own[0], "price", by=len(larger))
    elsewhere = [(t + 1) % 5 for t in range(5)]
    moved = [proof | {"slot": elsewhere[proof["slot"]]} for proof in proofs]
    yield "", altered(body, "proofs", by=moved)
    yield "it is of slot", altered(body, "cases", leaf, "proofs", by=own[::-1])
    yield "not one a slot", altered(body, "cases", leaf, "proofs", by=own[1:])
    yield "cases[", altered(body, "cases", leaf, "proofs", 0, by=len(proofs))
    # Ranges.
    yield "do not hold", altered(body, "proofs", own[0], "most", by=[1e-4, 1e-4])
    yield "proofs[", altered(body, "proofs", own[0], "least", by=[0.05, 0.05])
    yield "an energy is negative", altered(body, "proofs", own[0], "least", 0, by=-1.0)
    yield "least: not one", altered(body, "proofs", own[0], "least", by=[0.0])
    # Covers.
    yield "is not covered", altered(body, "proofs", own[0], "local", by=lambda all: all[1:])
    yield "its proofs prove", altered(body, "proofs", own[0], "sizes", 2, "covers", by=[])
    yield "offloaders", altered(body, "proofs", own[0], "sizes", by=lambda all: all[:-1])
    lower = [*first["local"][0][:2], -1.0, first["local"][0][3]]
    yield "is proven to", altered(body, "proofs", own[0], "local", 0, by=lower)
    # Cases that do not cover.
    yield "energies fit into the batteries", altered(body, "cases", leaf, "proofs", by=None)
    yield "have no proof", altered(body, "cases", by=cases[:-1])
    yield "are covered before it", altered(body, "cases", by=[*cases, cases[-1]])
    yield "it is split, and has proofs", altered(body, "cases", inner, "proofs", by=own)
    yield "split: slot", altered(body, "cases", inner, "split", 0, by=5)
    yield "split: user", altered(body, "cases", inner, "split", 1, by=2)
    yield "is negative", altered(body, "cases", inner, "split", 2, by=-1.0)
    yield "cases[", altered(body, "cases", inner, "split", 2, by=lambda e: 0.5 * e)
    yield "cases", altered(body, "cases", by=[])
    # The queue.
    larger = altered(body, "problem", "battery", 0, by=lambda b: 1.1 * b)
    yield "its queue is not the one", larger
    yield "cases[", altered(larger, "scenario", by=None)
    smaller = altered(body, "problem", "battery", 0, by=lambda b: 0.5 * b)
    yield "spends more than its battery", altered(smaller, "scenario", by=None)
    endless = altered(body, "problem", "battery", price, by=None)
    yield "without a battery has one", altered(endless, "scenario", by=None)
    yield "its queue is not the one", altered(body, "battery_pays", by="device")
    gains = [[[1.5 * g for g in row] for row in slot] for slot in problem["gain"]]
    yield "", altered(altered(body, "problem", "gain", by=gains), "scenario", by=None)
    # The decision.
    yield "the decision is worth", altered(body, "objective", by=lambda v: v - 1e-6)
    yield "below the objective", altered(body, "upper_bound", by=body["objective"] - 1e-3)
    yield "status 'optimal'", altered(body, "gap", by=0.0)


def test_forgeries_are_found(example):
    refuses(check_queue_certificate, forgeries(example[1]))


def test_two_certificates_mixed_are_found(example, tmp_path):
    other = certified(tmp_path, *drawn(1), "global", gap=CLOSED)[1]
    refuses(check_queue_certificate, mixtures(example[1], other))


def test_a_certificate_of_one_kind_is_none_of_the_other(example, tmp_path):
    body, grid = example[1], certified(tmp_path, *drawn(0), gap=1e-4)[1]
    file = tmp_path / "proof.json"
    for document in (
        altered(body, "format", by=grid["format"]),
        altered(grid, "format", by=body["format"]),
        {key: part for key, part in body.items() if key != "proofs"},
        altered(body, "cases", by=grid["cases"]),
        altered(body, "version", by=2),
    ):
        file.write_text(json.dumps(document))
        with pytest.raises(ValueError, match="it is no certificate of a queue of semopt"):
            verify(str(file))


def test_the_command_writes_a_certificate_that_verify_takes(tmp_path):
    scenario, gain, task = drawn(0, 3)
    document = solve_queue(scenario, gain, task).document()
    source, proof = tmp_path / "queue.toml", tmp_path / "proof.json.gz"
    source.write_text(Scenario.from_dict(document).to_toml())
    command = ["solve", str(source), "--queue", "--method", "global", "--certificate", str(proof)]
    assert CliRunner().invoke(app, command).exit_code == 0
    ended = CliRunner().invoke(app, ["verify", str(proof)])
    assert ended.exit_code == 0
    assert "and no policy within the batteries is worth more than" in " ".join(ended.stdout.split())
