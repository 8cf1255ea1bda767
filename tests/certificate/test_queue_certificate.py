"""Certificates of queues: true ones are accepted, and whatever makes one false is found."""

import json
from itertools import product
from math import inf

import numpy as np
import pytest
from typer.testing import CliRunner

from problems import replaced
from queues import altered, certified, drawn, mixtures, random_queue, refuses
from semopt import Scenario, solve_queue, verify
from semopt.certificate.claims import FalseClaim
from semopt.certificate.queue_cases import Cases, Table, efficient, tabulated
from semopt.certificate.queue_certificate import check_queue_certificate
from semopt.cli import app, entry
from semopt.grid import local_actions, offload_actions
from semopt.solvers.cells import score
from semopt.solvers.queue.search import Search
from tolerances import BALLS, CASES


def drawn_slots(count):
    """Return the slots of a queue as problems."""
    scenario, gain, task = drawn(0, count)
    return [scenario.template().with_slot(*slot) for slot in zip(gain, task, strict=True)]


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    """A queue of several cases, and its certificate."""
    result, body = certified(tmp_path_factory.mktemp("example"), *drawn(0), gap=1e-4)
    assert result.status.word == "optimal"
    assert sum(case["split"] is not None for case in body["cases"]) > 2
    return result, body


@pytest.mark.parametrize("pays", ["task", "device"])
def test_certificates_of_random_queues_hold(tmp_path, pays):
    rng, split = np.random.default_rng(3), 0
    for users, channels, slots in [(1, 1, 4), (2, 1, 4), (2, 2, 3), (3, 2, 3), (4, 3, 2)] * 3:
        queue = random_queue(rng, users, channels, slots)
        result, body = certified(tmp_path, *queue, gap=1e-6, battery_pays=pays)
        words = check_queue_certificate(body)
        assert repr(result.objective) in words
        assert repr(result.upper_bound) in words
        split += len(body["cases"]) > 1
    assert split > 5


def test_the_two_cases_of_a_split_hold_every_action():
    rng = np.random.default_rng(5)
    least = np.sort(rng.uniform(0.0, 10.0, (2, 2, 3, 6)))
    most = least + 1e-3 * rng.random(least.shape)  # balls, in which the energies are
    table = Table(np.ones_like(least), least, most, least.size)
    cases = Cases(drawn_slots(2), table, 1.0)
    allowed = rng.random(least.shape) < 0.8
    for energy in rng.uniform(0.0, 10.0, 50).tolist():
        above, below = cases.parts([1, 0, energy], allowed, "here")
        here, other = (1, 0), (0, 1)
        inside = allowed[here]
        assert (above[here] >= inside * (most[here] > energy)).all()
        assert (below[here] >= inside * (least[here] <= energy)).all()
        assert (above[here] | below[here] == inside).all()
        assert (above[other] == allowed[other]).all()


def test_a_certificate_names_its_queue_and_what_is_proven(example):
    result, body = example
    words = check_queue_certificate(body)
    assert words.startswith("the queue of the file's scenario: ")
    within = "within the batteries and the levels of the grid"
    assert f"no policy {within} is worth more than {result.upper_bound!r}" in words
    assert f"({len(body['cases'])} cases, " in words


def test_balls_enclose_the_efficient_actions_of_the_model():
    problem, gain, task = random_queue(np.random.default_rng(4), 2, 2, 1)
    slot = problem.with_slot(gain[0], task[0])
    table = tabulated([slot], "task", lambda share: None)
    for user, (place, m, channel) in product(
        range(2), [(0, 0, -1), *((1 + 2 * (m - 1) + k, m, k) for m in (1, 2) for k in (0, 1))]
    ):
        actions = local_actions(slot, user) if channel < 0 else offload_actions(slot, user, channel)
        outcome = score(slot, user, actions, m)
        allowed = (outcome.violations == 0) & (outcome.energy <= problem.users.battery[user])
        kept = table.qoe[0, user, place] > -inf
        best, least = table.qoe[0, user, place, kept], table.least[0, user, place, kept]
        for qoe, energy in zip(outcome.qoe[allowed], outcome.energy[allowed], strict=True):
            assert ((best >= qoe - BALLS) & (least <= energy + BALLS)).any()
        assert kept.sum() <= allowed.sum() + (channel < 0)


def test_of_actions_that_are_as_good_one_stands_for_both():
    ends = np.array([[0.5, 0.5 + 1e-16, e, e + 1e-18] for e in (0.3, 0.2, 0.4)])
    assert efficient(ends)[:, 2].tolist() == [0.2]
    better = np.vstack([ends, [0.6, 0.6 + 1e-16, 0.4, 0.4 + 1e-18]])
    assert efficient(better)[:, 2].tolist() == [0.2, 0.4]
    drift = np.array(
        [
            [q, q + 1e-16, e, e + 1e-18]
            for e, q in zip(np.linspace(0.1, 0.2, 50), 0.5 + 6e-14 * np.arange(50), strict=True)
        ]
    )  # each is nearly as good as the next, and the last 30 times that more than the first
    kept = efficient(drift)
    assert all((kept[kept[:, 2] <= row[2], 0] >= row[0] - 1.1e-13).any() for row in drift)
    assert len(kept) > 20


def test_a_search_without_the_time_for_any_case_proves_its_bound(tmp_path):
    result, body = certified(tmp_path, *drawn(0), gap=1e-9, time_limit=1e-6)
    assert result.status.word == "limit_reached"
    assert len(body["cases"]) == 1
    assert repr(result.upper_bound) in check_queue_certificate(body)
    with pytest.raises(FalseClaim, match="status 'optimal'"):
        check_queue_certificate(altered(body, "status", by="optimal"))


def test_open_cases_are_proven_by_their_own_prices(tmp_path, monkeypatch):
    closed = solve_queue(*drawn(0), gap=1e-9)
    bounds = []
    for most in (1, 3, 7):
        monkeypatch.setattr(Search, "most_cases", lambda self, most=most: most - 1)
        result, body = certified(tmp_path, *drawn(0), gap=1e-9)
        assert result.details["stopped"] == "limit of cases"
        assert len(body["cases"]) == most
        assert repr(result.upper_bound) in check_queue_certificate(body)
        bounds.append(result.upper_bound)
    assert bounds == sorted(bounds, reverse=True)
    assert bounds[-1] > closed.objective + 1e-4


def test_ctrl_c_leaves_a_certificate(tmp_path, monkeypatch):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(Search, "lowest", interrupted)
    result, body = certified(tmp_path, *drawn(0))
    assert result.interrupted
    assert result.objective > 0.0
    assert repr(result.upper_bound) in check_queue_certificate(body)


def everywhere(body, key, change):
    """Return a copy with an entry of every case changed, the digest made right again."""
    return altered(body, "cases", by=[case | {key: change(case[key])} for case in body["cases"]])


def forgeries(body):
    """Yield certificates that claim what is false, with words of the finding."""
    cases, problem = body["cases"], body["problem"]
    leaves = [i for i, case in enumerate(cases) if case["split"] is None]
    leaf = max(leaves, key=lambda i: max(cases[i]["price"]))
    inner = next(i for i, case in enumerate(cases) if case["split"])
    price = max(range(2), key=lambda n: cases[leaf]["price"][n])
    yield "digest", body | {"objective": 0.0}
    yield "prices prove", altered(body, "upper_bound", by=body["objective"])
    # Prices and duals, and those of other slots.
    yield "prices prove", everywhere(body, "price", lambda price: [3.0 * y for y in price])
    yield "prices prove", everywhere(body, "price", lambda price: [0.0, 0.0])
    yield "a price is negative", altered(body, "cases", leaf, "price", price, by=-1.0)
    yield "not one number a user", altered(body, "cases", leaf, "price", by=[1.0])
    yield "prices prove", everywhere(body, "duals", lambda slots: [slots[-1], *slots[:-1]])
    yield "prices prove", everywhere(body, "duals", lambda slots: [slot[::-1] for slot in slots])
    yield "a price is negative", altered(body, "cases", leaf, "duals", 0, 1, 1, by=-0.1)
    yield "not the prices of 5 slots", altered(body, "cases", leaf, "duals", by=lambda d: d[1:])
    yield "not the prices of 5 slots", altered(body, "cases", leaf, "duals", 2, by=[])
    # Cases that do not cover.
    yield "prices prove", altered(body, "cases", by=[cases[0] | {"split": None}])
    yield "have no proof", altered(body, "cases", by=cases[:-1])
    yield "are covered before it", altered(body, "cases", by=[*cases, cases[-1]])
    yield "split: slot", altered(body, "cases", inner, "split", 0, by=5)
    yield "split: user", altered(body, "cases", inner, "split", 1, by=2)
    yield "prices prove", altered(body, "cases", 0, "split", 2, by=1.0)
    yield "cases", altered(body, "cases", by=[])
    # The queue.
    less = {key: problem[key][1:] for key in ("gain", "task")}
    yield "its queue is not the one", altered(body, "problem", by=problem | less)
    fewer = altered(body, "problem", by=problem | less) | {"scenario": None}
    yield "not one entry a slot and user", altered(fewer, "scenario", by=None)
    larger = altered(body, "problem", "battery", 0, by=lambda b: 1.1 * b)
    yield "its queue is not the one", larger
    yield "prices prove", altered(larger, "scenario", by=None)
    smaller = altered(body, "problem", "battery", 0, by=lambda b: 0.5 * b)
    yield "spends more than its battery", altered(smaller, "scenario", by=None)
    endless = altered(body, "problem", "battery", price, by=None)
    yield "without a battery has one", altered(endless, "scenario", by=None)
    yield "its queue is not the one", altered(body, "battery_pays", by="device")
    # The decision.
    sent = next(
        (t, n) for t, row in enumerate(body["decision"]["channel"]) for n in (0, 1) if row[n] >= 0
    )
    yield "the decision is worth", altered(body, "objective", by=lambda v: v - 1e-6)
    yield "below the objective", altered(body, "upper_bound", by=body["objective"] - 1e-3)
    yield "status 'optimal'", altered(body, "gap", by=0.0)
    yield "off the grid", altered(body, "decision", "power", *sent, by=lambda p: 0.99 * p)
    yield "skips and sends", altered(body, "decision", "skipped", *sent, by=True)
    yield "decision.channel", altered(body, "decision", "channel", *sent, by=2)
    yield "decision.power: not one", altered(body, "decision", "power", by=lambda p: p[1:])


def test_forgeries_are_found(example):
    refuses(check_queue_certificate, forgeries(example[1]))


def test_two_certificates_mixed_are_found(example, tmp_path):
    other = certified(tmp_path, *drawn(1), gap=1e-4)[1]
    refuses(check_queue_certificate, mixtures(example[1], other))


def test_malformed_certificates_are_bad_input(example, tmp_path):
    body, file = example[1], tmp_path / "proof.json"
    for document, words in [
        ({key: part for key, part in body.items() if key != "decision"}, "decision"),
        (body | {"more": 1}, "more"),
        (replaced(body, "cases", 0, "price", by=["1"]), "price"),
        (altered(body, "problem", "battery", by=[1.0]), "battery"),
        (altered(body, "problem", "gain", by=[]), "gain of 0 slots"),
        (altered(body, "problem", "gain", 1, by=[[0.5]]), "gain"),
        (altered(body, "scenario", "queue", by={"length": 5}), "queue.slots is missing"),
        (altered(body, "problem", "grid", by=dict.fromkeys(body["problem"]["grid"], 4096)), "grid"),
    ]:
        file.write_text(json.dumps(document))
        with pytest.raises(ValueError, match=r"proof\.json") as error:
            verify(str(file))
        assert words in str(error.value)


def test_the_command_writes_a_certificate_that_verify_takes(tmp_path):
    scenario, gain, task = drawn(0)
    document = solve_queue(scenario, gain, task).document()
    source, proof = tmp_path / "queue.toml", tmp_path / "proof.json.gz"
    source.write_text(Scenario.from_dict(document).to_toml())
    command = ["solve", str(source), "--queue", "--certificate", str(proof)]
    ended = CliRunner().invoke(app, command)
    assert ended.exit_code == 0
    ended = CliRunner().invoke(app, ["verify", str(proof)])
    assert ended.exit_code == 0
    assert ended.stdout.startswith("verified: the queue of the file's scenario")


def test_what_has_no_certificate_is_refused_before_any_work(tmp_path, capsys):
    proof = str(tmp_path / "proof.json")
    for method in ("exact", "global"):
        with pytest.raises(ValueError, match="cannot write"):
            solve_queue(*drawn(0), method, certificate=str(tmp_path / "none" / "proof.json"))
    finer = Scenario.load("contended").replace({"grid.power": 4096, "grid.frequency": 4096})
    with pytest.raises(ValueError, match=r"grid: a user has .* actions on a sub-channel"):
        solve_queue(finer, *drawn(0)[1:], certificate=proof)
    source = tmp_path / "finer.toml"
    source.write_text(finer.to_toml())
    assert entry.run(["solve", str(source), "--queue", "--certificate", proof]) == 2
    assert "grid: a user has" in capsys.readouterr().err


def test_one_case_is_a_proof_where_batteries_are_not_used_up(tmp_path):
    result, body = certified(tmp_path, *drawn(0, battery=1e4))
    assert len(body["cases"]) == 1
    assert body["cases"][0]["price"] == [0.0, 0.0]
    assert result.gap() <= 2 * CASES
    check_queue_certificate(body)
