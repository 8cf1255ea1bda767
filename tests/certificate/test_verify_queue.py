"""`verify` re-checks results of queues: what holds is said, what does not is found."""

import json
from dataclasses import replace

import numpy as np
import pytest

from problems import replaced
from semopt import Scenario, _core, solve_queue, verify
from semopt.backends import packing
from semopt.certificate.claims import FalseClaim
from semopt.queue import SKIP


def queue(name="tiny", slots=4, share=0.25, **options):
    """Return the result of a drawn queue whose batteries hold a share of what is spent freely."""
    document = Scenario.load(name).to_dict()
    document.pop("slot", None)
    document["assumed"] = {}
    document["system"] |= {"users": 2, "channels": 2}
    document.setdefault("channel", {"model": "uniform", "gain_range": [0.1, 1.0]})
    scenario = Scenario.from_dict(document)
    gain, task = scenario.draw(slots, 3)
    free = solve_queue(scenario, gain, task)
    document["user"]["battery_mj"] = float(free.spent.sum(axis=0).min() * share * 1e3)
    return solve_queue(Scenario.from_dict(document), gain, task, **options)


@pytest.fixture(scope="module")
def body():
    return json.loads(json.dumps(queue(gap=1e-9).to_json()))


def written(tmp_path, document):
    file = tmp_path / "queue.json"
    file.write_text(json.dumps(document))
    return str(file)


def test_a_queue_is_verified_and_its_prices_prove_their_bound(body, tmp_path):
    result = queue(gap=1e-9)
    assert result.skipped.any()
    words = verify(result)
    assert verify(written(tmp_path, body)) == words
    assert "keep all limits and batteries" in words
    proven = float(words.split("no policy within the batteries is worth more than ")[1].split()[0])
    assert proven > result.upper_bound + 1e-3  # few slots: the prices alone do not close the gap
    most = result.problem.users.battery  # that one task can take
    problem = replace(result.problem, users=replace(result.problem.users, energy_max=most))
    slots = _core.Queue(packing.scenario(problem), result.gain, result.task, False, 1)
    dual = slots.best(result.price)[0].sum() + result.price @ result.problem.users.battery
    assert proven == pytest.approx(dual, abs=1e-7)


def test_where_prices_prove_the_bound_nothing_is_left_open():
    assert "not proven" not in verify(queue(share=3.0))
    assert "rests on the search" in verify(queue(method="global"))
    assert "rests on the search" in verify(queue(battery_pays="device"))


def forged(body):
    """Yield altered documents, with words of the finding."""
    users = body["slots"][0]["users"]
    skipped = next(
        (t, n)
        for t, slot in enumerate(body["slots"])
        for n, user in enumerate(slot["users"])
        if user["skip"]
    )
    t, n = skipped
    yield replaced(body, "objective", by=body["objective"] + 0.1), "objective"
    yield replaced(body, "upper_bound", by=body["objective"] - 0.1), "upper_bound"
    yield replaced(body, "gap", by=0.5), "gap 0.5"
    yield replaced(body, "energy_left_mj", 0, by=99.0), "energy_left_mj[0]"
    yield replaced(body, "problem", "user", "battery_mj", by=1.0), "spends more than its battery"
    yield replaced(body, "slots", by=body["slots"][1:]), "slots: 3 for 4 pinned"
    yield replaced(body, "slots", 0, "users", 0, "qoe", by=lambda x: x + 0.01), "qoe"
    yield replaced(body, "slots", t, "users", n, "qoe", by=0.5), "a skipped task has ['qoe']"
    yield replaced(body, "slots", t, "users", n, "skip", by=False), f"slots[{t}].users[{n}]"
    yield replaced(body, "prices_per_mj", by=[0.1]), "prices_per_mj"
    yield replaced(body, "readings", "battery_pays", by="device"), "battery_pays"
    yield replaced(body, "problem", "queue", "slots", 0, "gain", 0, 0, by=1e-3), ""
    assert len(users) == 2


def test_false_claims_are_found(body, tmp_path):
    for document, words in forged(body):
        with pytest.raises(FalseClaim) as finding:
            verify(written(tmp_path, document))
        assert words in str(finding.value)


@pytest.mark.parametrize("options", [{}, {"method": "global"}, {"battery_pays": "device"}])
def test_a_bound_below_what_local_tasks_are_worth_is_false(tmp_path, options):
    document = json.loads(json.dumps(queue(share=1.0, **options).to_json()))
    full = document["problem"]["user"]["battery_mj"]
    for slot in document["slots"]:
        for user in slot["users"]:
            user.update(SKIP, skip=True)
    document |= {"objective": 0.0, "upper_bound": 0.0, "gap": 0.0, "status": "optimal"}
    document["energy_left_mj"] = [full] * len(document["energy_left_mj"])
    with pytest.raises(FalseClaim, match="local tasks alone are worth"):
        verify(written(tmp_path, document))


@pytest.mark.parametrize("key", ["slots", "objective", "prices_per_mj", "problem"])
def test_malformed_files_are_bad_input(body, tmp_path, key):
    lacking = {name: part for name, part in body.items() if name != key}
    with pytest.raises(ValueError, match=r"queue\.json"):
        verify(written(tmp_path, lacking))
    unpinned = replaced(body, "problem", "queue", by={"length": 4})
    with pytest.raises(ValueError, match=r"queue\.slots is missing"):
        verify(written(tmp_path, unpinned))


def test_a_decision_that_was_moved_in_memory_is_found():
    result = queue(gap=1e-9)
    skipped = np.zeros_like(result.skipped)
    with pytest.raises(FalseClaim):
        verify(replace(result, skipped=skipped, actions=result.executed))
