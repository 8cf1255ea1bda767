"""The batched environment against the single-slot model, slot by slot."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from semopt import model
from semopt.channel.gains import draw_gains
from semopt.channel.queues import draw_tasks
from semopt.env import FEATURES, Decisions
from semopt.env.environment import Environment
from semopt.model import LOCAL, RAW, SEMANTIC, Actions, evaluate
from semopt.problem import LENGTH, AccuracyTable, Problem
from semopt.scenario import Scenario
from tolerances import ROUNDING, SINGLE, SINGLE_SUM, SUMS

PAPER, CONTENDED = Scenario.load("paper"), Scenario.load("contended-4")


def scenario_of(base, users, channels, **tables):
    document = base.to_dict() | tables
    document["system"] = document["system"] | {"users": users, "channels": channels}
    document.pop("slot", None)
    document.pop("users", None)
    return Scenario.from_dict(document | {"assumed": {}})


def buffers(env):
    observation = np.empty((env.slots, env.users, env.observation_size), np.float32)
    return observation, np.empty((env.slots, env.users), np.float32)


def random_decisions(rng, rows, users, channels):
    return Decisions(
        rng.integers(0, 3, (rows, users)).astype(np.uint8),
        rng.random((rows, users, 3)).astype(np.float32),
        rng.choice(np.float32([0.0, 0.5, 1.0]), (rows, users, channels)),  # with ties
    )


# ------------------------------------------------------------------- the definitions, word for word


def assigned(mode, preference):
    """Reading `preference_assignment`, from its sentence."""
    pairs = [
        (-preference[n, k], n, k)
        for n in range(len(mode))
        for k in range(preference.shape[1])
        if mode[n] != LOCAL
    ]
    channel = [-1] * len(mode)
    for _, n, k in sorted(pairs):
        if channel[n] < 0 and k not in channel:
            channel[n] = k
    return channel


def acted(problem, task, mode, level, preference):
    """The action of one slot that decisions stand for."""
    users, channel = problem.users, assigned(mode, preference)
    power, frequency, extraction = (np.zeros(len(mode)) for _ in range(3))
    for n, (u_power, u_frequency, u_extraction) in enumerate(level.astype(float)):
        low, high = users.frequency_min[n], users.frequency_max[n]
        frequency[n] = low + u_frequency * (high - low)
        extraction[n] = 1.0
        if channel[n] >= 0:
            low, high = users.power_min[n], users.power_max[n]
            power[n] = low + u_power * (high - low)
            low, high = users.extraction_min[n], problem.tasks.extraction_max[task[n]]
            if mode[n] == SEMANTIC and low < 1.0 and low <= high:
                extraction[n] = low + u_extraction * (high - low)
            else:
                frequency[n] = users.frequency_min[n]
    return Actions(np.array(channel), power, frequency, extraction)


def rewarded(problem, task, outcome):
    """Equation (13) for one slot."""
    rewards = []
    for n, kind in enumerate(task):
        margins = [
            (outcome.latency[n], problem.system.latency_max),
            (outcome.energy[n], problem.users.energy_max[n]),
        ]
        broken = [(value - limit) / limit for value, limit in margins if value > limit]
        least = problem.tasks.accuracy_min[kind]
        if outcome.accuracy[n] < least:
            broken.append((least - outcome.accuracy[n]) / least)
        rewards.append(-sum(broken) if broken else outcome.qoe[n])
    return rewards


@pytest.mark.parametrize(
    ("scenario", "semantic", "episodes"),
    [
        (PAPER, True, 500),
        (PAPER, False, 50),
        (CONTENDED, True, 50),
        (scenario_of(CONTENDED, 3, 2), True, 50),
        (scenario_of(CONTENDED, 2, 5), True, 50),
    ],
)
def test_the_batch_agrees_with_the_model_slot_by_slot(scenario, semantic, episodes):
    env = Environment(scenario, episodes, seed=3, semantic=semantic)
    problem = scenario.template() if semantic else scenario.template().without_semantic()
    observation, reward = buffers(env)
    rng = np.random.default_rng(1)
    env.reset(observation)
    for step in range(LENGTH):
        gain, task = env.gain.copy(), env.task.copy()
        decisions = random_decisions(rng, episodes, env.users, env.channels)
        assert env.step(decisions, observation, reward) == (step == LENGTH - 1)
        for e in range(episodes):
            row = decisions.mode[e], decisions.level[e], decisions.preference[e]
            action = acted(problem, task[e], *row)
            np.testing.assert_array_equal(env.actions.channel[e], action.channel)
            slot = problem.with_slot(gain[e], task[e])
            outcome = evaluate(slot, action)
            for name in ("latency", "energy", "accuracy", "qoe"):
                found, expected = getattr(env.outcome, name)[e], getattr(outcome, name)
                np.testing.assert_allclose(found, expected, rtol=ROUNDING)
            np.testing.assert_array_equal(env.outcome.violations[e], outcome.violations)
            np.testing.assert_allclose(reward[e], rewarded(slot, task[e], outcome), rtol=SINGLE)


def test_all_modes_and_faults_of_tasks_occur_in_that_comparison():
    env = Environment(CONTENDED, 500, seed=3)
    observation, reward = buffers(env)
    env.reset(observation)
    env.step(random_decisions(np.random.default_rng(1), 500, 4, 4), observation, reward)
    offload, raw = env.actions.channel >= 0, env.actions.extraction == 1.0
    assert {(bool(a), bool(b)) for a, b in zip(offload.flat, raw.flat, strict=True)} == {
        (False, True),
        (True, True),
        (True, False),
    }
    assert (env.outcome.violations > 0).any()
    assert (reward < 0).any()
    assert (reward > 0).any()


# --------------------------------------------------------------------------------- rewards


def limited(latency_max, energy_max, accuracy_min):
    """Return one user's problem with these limits."""
    problem = PAPER.template().only(0)
    return replace(
        problem,
        system=replace(problem.system, latency_max=latency_max),
        users=replace(problem.users, energy_max=np.array([energy_max])),
        tasks=replace(problem.tasks, accuracy_min=np.full(len(problem.tasks.bits), accuracy_min)),
        task=np.zeros(1, np.int64),
    )


def test_reward_by_hand():
    def reward(latency, energy, accuracy, energy_max=0.1, accuracy_min=0.5):
        outcome = model.Outcome(*(np.array([x]) for x in (latency, energy, accuracy, 0.7)), None)
        return model.rewards(limited(0.005, energy_max, accuracy_min), outcome).item()

    assert reward(0.004, 0.05, 0.6) == 0.7
    assert reward(0.005, 0.1, 0.5) == 0.7  # limits themselves are kept
    assert reward(0.006, 0.05, 0.6) == pytest.approx(-0.2)
    assert reward(0.004, 0.15, 0.6) == pytest.approx(-0.5)
    assert reward(0.004, 0.05, 0.4) == pytest.approx(-0.2)
    assert reward(0.006, 0.15, 0.4) == pytest.approx(-0.9)
    assert reward(0.004, 1e9, 0.0, energy_max=np.inf, accuracy_min=0.0) == 0.7


def test_a_reward_is_earned_where_who_judges_finds_no_limit_broken():
    problem = PAPER.template()
    people = replace(problem.users, energy_max=np.full(2, 0.03))
    tasks = replace(problem.tasks, accuracy_min=np.full(len(problem.tasks.bits), 0.6))
    problem = replace(problem, users=people, tasks=tasks, task=np.zeros(2, np.int64))
    rng = np.random.default_rng(0)
    beside = [0.5, 1 - 1e-9, 1.0, 1 + 2.0**-52, 1 + 0.99e-9, 1 + 1.01e-9, 1.5]
    seen = set()
    for _ in range(300):
        late, wasted, wrong = rng.choice(beside, 3, p=[0.2, 0.2, 0.2, 0.2, 0.1, 0.05, 0.05])
        latency = np.full(2, problem.system.latency_max * late)
        outcome = model.Outcome(
            latency, np.full(2, 0.03 * wasted), np.full(2, 0.6 / wrong), np.full(2, 0.7), None
        )
        kept = model.violations(problem, outcome)[0] == 0
        earned = model.rewards(problem, outcome)[0]
        assert (earned == 0.7) == kept
        assert kept == (max(late, wasted, wrong) < 1 + 1e-9)
        seen.add(bool(kept))
    assert seen == {True, False}


def test_semantic_mode_at_the_highest_level_is_not_raw_mode():
    # Where a task sets no end of its own, semantic mode goes up to the number before 1: there the
    # bits are the task's, and what extraction takes is added, which raw mode has not.
    env = Environment(PAPER, 1)
    task, out = np.zeros((1, 2), np.int64), Actions.empty(1, 2)
    decisions = Decisions.empty(1, 2, 2)
    decisions.mode[:], decisions.level[:] = SEMANTIC, 1.0
    env.decide(decisions, task, out)
    assert (out.channel >= 0).all()
    assert out.extraction.tolist() == [[np.nextafter(1.0, 0.0)] * 2]
    assert out.frequency.tolist() == [env.problem.users.frequency_max.tolist()]
    raw = replace(out, extraction=np.ones((1, 2)))
    gain = np.ones((1, 2, 2))
    slower, faster = (model.evaluate(env.problem, a, gain, task).latency for a in (out, raw))
    extra = env.problem.tasks.extract_flop[0] / (2 * env.problem.users.frequency_max)
    np.testing.assert_allclose(slower - faster, [extra], rtol=SUMS)


def test_all_local_at_the_reference_frequency_earns_half():
    env = Environment(PAPER, 8)
    observation, reward = buffers(env)
    env.reset(observation)
    users = env.problem.users
    decisions = Decisions.empty(8, 2, 2)
    share = (users.reference_frequency - users.frequency_min) / (
        users.frequency_max - users.frequency_min
    )
    decisions.level[..., 1] = share
    env.step(decisions, observation, reward)
    kept = env.outcome.violations == 0
    assert kept.any()
    np.testing.assert_allclose(reward[kept], 0.5, atol=SINGLE_SUM)


# ------------------------------------------------------------------------------ observations


def test_own_observation_holds_own_gains_task_and_identity():
    names = ("local_load", "server_load", "data_size", "server_accuracy")
    env = Environment(CONTENDED, 50, features=names)
    observation, _ = buffers(env)
    env.reset(observation)
    gains, rest = observation[..., :4], observation[..., 4:]
    logs = np.log(env.gain)
    slope, _ = np.polyfit(logs.ravel(), gains.ravel(), 1)
    np.testing.assert_allclose((gains - gains.mean()) / slope, logs - logs.mean(), atol=SINGLE_SUM)
    assert abs(gains.mean()) < 0.2
    assert abs(gains.std() - 1) < 0.1
    for j, name in enumerate(names):
        by_kind = FEATURES[name](env.problem.tasks)
        scaled = (by_kind - by_kind.mean()) / by_kind.std()
        np.testing.assert_allclose(rest[..., j], scaled[env.task], atol=SINGLE)
    np.testing.assert_array_equal(rest[..., 4:], np.broadcast_to(np.eye(4), (50, 4, 4)))


def test_features_are_the_figures_that_they_are_named_after():
    def table(raw):
        cells = [[0.1, 0.2], [0.3, raw[-1]]]
        return AccuracyTable.from_arrays([0.3, 1.0], [0.0, 10.0], cells, raw)

    tasks = Problem.from_arrays(
        gain=[[0.5]],
        bits=[1e3, 2e3],
        local_flop=[3e6, 5e6],
        extract_flop=[1e5, 4e5],
        server_flop=[7e6, 8e6],
        local_accuracy=[0.6, 0.7],
        accuracy=[table([0.4, 0.9]), table([0.5, 0.8])],
        extraction_max=0.9,
        latency_max=1.0,
        slope_latency=1.0,
        slope_energy=1.0,
        slope_accuracy=1.0,
    ).tasks
    right = {
        "local_load": [3e6, 5e6],
        "server_load": [7e6, 8e6],
        "extract_load": [1e5, 4e5],
        "data_size": [1e3, 2e3],
        "local_accuracy": [0.6, 0.7],
        "server_accuracy": [0.9, 0.8],  # of raw data at the best signal
    }
    assert {name: list(of(tasks)) for name, of in FEATURES.items()} == right


def test_semantic_mode_stays_semantic_up_to_its_end():
    """Level 1 of a task without an end of its own: all but raw data, which it must not become."""
    env = Environment(PAPER, 1)
    decisions = Decisions.empty(1, 2, 2)
    decisions.mode[:] = SEMANTIC
    decisions.level[:] = 1.0
    assert (env.problem.tasks.extraction_max == 1.0).all()
    env.decide(decisions, env.task, env.actions)
    assert (env.actions.extraction == np.nextafter(1.0, 0.0)).all()
    env.evaluate(env.actions, env.gain, env.task, env.outcome)
    semantic = env.outcome.latency.copy()
    decisions.mode[:] = RAW
    env.decide(decisions, env.task, env.actions)
    env.evaluate(env.actions, env.gain, env.task, env.outcome)
    assert (semantic > env.outcome.latency).all()  # the user extracts


def test_shared_observation_is_the_state_and_identity():
    own = Environment(CONTENDED, 20, seed=2, identity="none")
    shared = Environment(CONTENDED, 20, seed=2, observation="shared", identity="index")
    seen, whole = buffers(own)[0], buffers(shared)[0]
    own.reset(seen)
    shared.reset(whole)
    state = np.empty((20, shared.state_size), np.float32)
    shared.state(shared.gain, shared.task, state)
    np.testing.assert_array_equal(state, seen.reshape(20, -1))
    for n in range(4):
        np.testing.assert_array_equal(whole[:, n, :-1], state)
        np.testing.assert_allclose(whole[:, n, -1], n / 3)


def test_one_kind_of_task_and_constant_gains_are_observed_as_zeros(tmp_path):
    np.save(tmp_path / "gain.npy", np.full((4, 2, 2), 0.3))
    document = PAPER.to_dict() | {
        "tasks": {"text": PAPER.to_dict()["tasks"]["text"]},
        "channel": {"model": "trace", "file": "gain.npy"},
        "assumed": {},
    }
    del document["slot"]
    env = Environment(Scenario.from_dict(document, folder=tmp_path), 3, identity="none")
    observation, _ = buffers(env)
    env.reset(observation)
    np.testing.assert_allclose(observation, 0.0, atol=SINGLE)


# -------------------------------------------------------------------------- slots and episodes


def test_slots_are_the_draws_of_the_scenario():
    env = Environment(PAPER, 1, seed=5)
    observation, reward = buffers(env)
    env.reset(observation)
    decisions = Decisions.empty(1, 2, 2)
    law, shares = PAPER.channel_law(), PAPER.shares()
    for slot in range(25):  # over the ends of episodes
        np.testing.assert_array_equal(env.gain, draw_gains(law, 5, slot, 1, 2, 2))
        np.testing.assert_array_equal(env.task, draw_tasks(shares, 5, slot, 1, 2))
        assert env.step(decisions, observation, reward) == (slot % LENGTH == LENGTH - 1)


def test_rows_do_not_depend_on_the_batch():
    whole, part = Environment(CONTENDED, 300, seed=1), Environment(CONTENDED, 7, seed=1, lane=90)
    seen, reward = buffers(whole)
    seen_part, reward_part = buffers(part)
    whole.reset(seen)
    part.reset(seen_part)
    rng = np.random.default_rng(0)
    for _ in range(12):
        np.testing.assert_array_equal(seen[90:97], seen_part)
        decisions = random_decisions(rng, 300, 4, 4)
        rows = Decisions(*(a[90:97] for a in vars(decisions).values()))
        whole.step(decisions, seen, reward)
        part.step(rows, seen_part, reward_part)
        np.testing.assert_array_equal(reward[90:97], reward_part)


def test_threads_change_nothing():
    one, many = (Environment(CONTENDED, 20_000, threads=threads) for threads in (1, 0))
    (seen, reward), (seen_many, reward_many) = buffers(one), buffers(many)
    decisions = random_decisions(np.random.default_rng(0), 20_000, 4, 4)
    for _ in range(2):
        one.step(decisions, seen, reward)
        many.step(decisions, seen_many, reward_many)
        np.testing.assert_array_equal(seen, seen_many)
        np.testing.assert_array_equal(reward, reward_many)


def test_seed_and_slot_are_the_whole_state():
    env, again = Environment(PAPER, 5, seed=9), Environment(PAPER, 5, seed=4)
    seen, reward = buffers(env)
    env.reset(seen)
    for _ in range(13):
        env.step(Decisions.empty(5, 2, 2), seen, reward)
    again.seed(9)
    again.seek(env.slot)
    np.testing.assert_array_equal(again.gain, env.gain)
    np.testing.assert_array_equal(again.task, env.task)
    env.reset(seen)
    assert env.slot == 2 * LENGTH
    env.reset(seen)
    assert env.slot == 2 * LENGTH
    assert not np.array_equal(Environment(PAPER, 5, seed=8).gain, Environment(PAPER, 5).gain)


def test_a_warm_step_allocates_nothing_of_size():
    env = Environment(CONTENDED, 2048)
    seen, reward = buffers(env)
    env.reset(seen)
    decisions = random_decisions(np.random.default_rng(0), 2048, 4, 4)
    for _ in range(3):
        env.step(decisions, seen, reward)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        env.step(decisions, seen, reward)
        peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    assert peak < reward.nbytes  # the smallest array of the step


def test_golden_trace():
    """Team rewards of a fixed policy on `tiny`, as they have always been."""
    env = Environment(Scenario.load("tiny"), 3, seed=7)
    seen, reward = buffers(env)
    env.reset(seen)
    decisions = Decisions.empty(3, 2, 2)
    decisions.mode[:] = [[LOCAL, RAW], [RAW, SEMANTIC], [SEMANTIC, SEMANTIC]]
    decisions.level[:] = [0.25, 0.5, 0.75]
    decisions.preference[:] = [[1.0, 0.0], [0.5, 0.25]]
    found = []
    for _ in range(4):
        env.step(decisions, seen, reward)
        found.append(reward.sum(axis=1).copy())
    np.testing.assert_allclose(found, GOLDEN, atol=SINGLE)


GOLDEN = [
    [1.300588, 1.469255, 0.640617],
    [1.263671, 1.265922, 1.369052],
    [1.224607, 1.283804, 1.36109],
    [1.25806, 1.46883, 1.334683],
]


# ------------------------------------------------------------------------------------ bad input


@pytest.mark.parametrize(
    ("name", "index", "value", "words"),
    [
        ("mode", (3, 1), 3, "mode of user 1 in row 3 = 3: 0 (local), 1 (raw) or 2"),
        ("level", (2, 0, 1), np.nan, "level[1] of user 0 in row 2 = nan: numbers from 0 to 1"),
        ("level", (2, 0, 1), 1.0001, "level[1] of user 0 in row 2"),
        ("level", (0, 1, 2), -0.1, "level[2] of user 1 in row 0"),
        ("preference", (4, 1, 0), np.nan, "preference[0] of user 1 in row 4 = nan"),
    ],
)
def test_decisions_out_of_range_are_named(name, index, value, words):
    env = Environment(PAPER, 5)
    seen, reward = buffers(env)
    decisions = Decisions.empty(5, 2, 2)
    getattr(decisions, name)[index] = value
    with pytest.raises(ValueError, match="of user") as error:
        env.step(decisions, seen, reward)
    assert words in str(error.value)
    assert env.slot == 0


def test_arrays_of_another_shape_or_type_are_named():
    env = Environment(PAPER, 5)
    seen, reward = buffers(env)
    sound = Decisions.empty(5, 2, 2)
    wrong = {
        "mode": replace(sound, mode=sound.mode.astype(int)),
        "level": replace(sound, level=sound.level[:4]),
        "preference": replace(sound, preference=np.zeros((2, 5, 2), np.float32).swapaxes(0, 1)),
    }
    for name, decisions in wrong.items():
        with pytest.raises(ValueError, match=f"{name}: a contiguous"):
            env.step(decisions, seen, reward)
    with pytest.raises(ValueError, match="observation: a contiguous float32 array of shape"):
        env.step(sound, seen[..., :-1], reward)
    with pytest.raises(ValueError, match="reward: a contiguous float32 array of shape"):
        env.step(sound, seen, reward.astype(np.float64))


def test_what_is_no_decisions_and_those_of_other_rows_are_named():
    env = Environment(PAPER, 4)
    seen, reward = buffers(env)
    for wrong in (np.zeros((4, 2, 6), np.float32), None):
        with pytest.raises(ValueError, match=r"^decisions: Decisions are expected, got \w+: .*6\)"):
            env.step(wrong, seen, reward)
    with pytest.raises(ValueError, match=r"^decisions\.mode: .* shape \(4, 2\) is .* \(3, 2\)$"):
        env.step(Decisions.empty(3, 2, 2), seen, reward)
    assert env.slot == 0


def test_parts_of_a_step_refuse_what_would_read_elsewhere():
    env = Environment(PAPER, 5)
    seen, reward = buffers(env)
    sound = Decisions.empty(5, 2, 2)
    next_to = (np.full_like(env.task, kind) for kind in (3, -1))  # of three kinds
    for task in (*next_to, env.task[:4], env.task.astype(np.int32)):
        for call in (
            lambda task=task: env.decide(sound, task, env.actions),
            lambda task=task: env.observe(env.gain, task, seen),
            lambda task=task: env.state(env.gain, task, np.empty((5, 8), np.float32)),
            lambda task=task: env.reward(env.outcome, task, reward),
        ):
            with pytest.raises(ValueError, match=r"task|reward"):
                call()
    with pytest.raises(ValueError, match=r"out\.power: a contiguous float64"):
        env.decide(sound, env.task, replace(env.actions, power=np.empty((4, 2))))
    with pytest.raises(ValueError, match=r"outcome\.qoe: a contiguous float64"):
        env.reward(replace(env.outcome, qoe=reward), env.task, reward)
    with pytest.raises(ValueError, match="gain: a contiguous float64"):
        env.observe(env.gain[:, :1], env.task, seen)
    with pytest.raises(ValueError, match="state: a contiguous float32"):
        env.state(env.gain, env.task, np.empty((5, 9), np.float32))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"observation": "all"}, "observation = 'all': must be one of own, shared"),
        ({"identity": "name"}, "identity = 'name': must be one of onehot, index, none"),
        ({"features": ("load",)}, "features = 'load': must be one of local_load"),
        ({"features": "local_load"}, "features = 'local_load': a list of names"),
        ({"slots": 0}, "slots = 0: must be a whole number of at least 1"),
        ({"slots": 2.0}, "slots = 2.0: must be a whole number of at least 1"),
        ({"slots": True}, "slots = True: must be a whole number of at least 1"),
        ({"threads": -1}, "threads = -1: must be a whole number of at least 0"),
        ({"lane": -1}, "lane = -1: must be a whole number of at least 0"),
        ({"lane": 2**32}, "slots and lanes from 0"),
        ({"seed": -1}, "seed = -1: must be a whole number of at least 0"),
        ({"seed": None}, "seed = None: must be a whole number of at least 0"),
    ],
)
def test_bad_options_are_named(options, words):
    with pytest.raises(ValueError, match=r"expected|must be") as error:
        Environment(PAPER, **options)
    assert words in str(error.value)


def test_a_scenario_without_a_channel_is_refused():
    document = PAPER.to_dict()
    del document["channel"]
    with pytest.raises(ValueError, match=r"no \[channel\]"):
        Environment(Scenario.from_dict(document | {"assumed": {}}))


def test_an_interrupt_waits_for_helpers_that_still_write(monkeypatch):
    from concurrent.futures import ThreadPoolExecutor, wait
    from threading import Event

    from semopt.channel import compiled

    written, go, interrupts = [], Event(), iter([KeyboardInterrupt])

    def interrupted(tasks):
        for interrupt in interrupts:
            go.set()
            raise interrupt
        return wait(tasks)

    monkeypatch.setattr(compiled, "wait", interrupted)
    with ThreadPoolExecutor(1) as pool:
        task = pool.submit(lambda: (go.wait(10), written.append(1)))
        with pytest.raises(KeyboardInterrupt):
            compiled.await_all([task])
        assert written == [1]
