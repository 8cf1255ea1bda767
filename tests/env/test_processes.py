"""Copies, pickles and processes: what is copied answers alike, a forked or spawned child works on.

Children run under a time limit: one that hangs is a failure.
"""

import copy
import multiprocessing
import pickle
import signal
import warnings

import numpy as np
import pytest

from semopt import Scenario, Solver, _core, backends, solve, solve_batch
from semopt.backends import packing
from semopt.channel import Channel
from semopt.channel.gains import Gains
from semopt.env import Decisions
from semopt.env.environment import Environment
from semopt.interrupts import held_back
from semopt.model import Actions
from semopt.problem import LENGTH
from semopt.scenario import Scenario as Loaded

PAPER, CONTENDED = Scenario.load("paper"), Scenario.load("contended-4")
SECONDS = 120  # for what takes a few
MANY = 70_000  # rows of two users, on every core

WAYS = {f"protocol {n}": lambda x, n=n: pickle.loads(pickle.dumps(x, n)) for n in range(6)}
WAYS |= {"copy": copy.copy, "deepcopy": copy.deepcopy}

# Their checkers and wrappers warn about what is no fault here; Python, about forks beside threads.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning"),
    pytest.mark.filterwarnings("default::ResourceWarning"),
]


@pytest.fixture(scope="module")
def adapters():
    pytest.importorskip("gymnasium")
    pytest.importorskip("pettingzoo")
    from semopt import adapters

    return adapters


def decisions_of(rng, rows, users, channels):
    return Decisions(
        rng.integers(0, 3, (rows, users)).astype(np.uint8),
        rng.random((rows, users, 3)).astype(np.float32),
        rng.random((rows, users, channels)).astype(np.float32),
    )


def steps(env, count, seed=0):
    """Observations, rewards, QoE and ends of so many steps."""
    rng, kept = np.random.default_rng(seed), []
    rows = env.slots
    seen = np.empty((rows, env.users, env.observation_size), np.float32)
    reward = np.empty((rows, env.users), np.float32)
    for _ in range(count):
        over = env.step(decisions_of(rng, rows, env.users, env.channels), seen, reward)
        kept += [seen.copy(), reward.copy(), env.outcome.qoe.copy(), np.array(over)]
    return kept


def assert_same(one, other):
    assert len(one) == len(other)
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a, b)


# --------------------------------------------------------------------------------------- copies


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_copies_of_problems_and_answers_are_alike(way):
    problem = PAPER.problem()
    found = way(problem)
    assert found.to_json() == problem.to_json()
    assert found.readings == problem.readings
    with pytest.raises(ValueError, match="read-only"):  # backends keep packed copies of these
        found.users.power_max[0] = 1.0
    with pytest.raises(ValueError, match="read-only"):
        found.tasks.accuracy[0].table[0, 0] = 1.0
    for method in ("exact", "exhaustive", "global", "local"):
        result = solve(problem, method)
        again = way(result)
        assert again.to_json() == result.to_json()
        assert again.status is result.status
        assert again.recompute() == result.recompute()
        assert solve(found, method).objective == result.objective
    impossible = solve(problem.with_slot(problem.gain * 1e-9, problem.task), "exact")
    assert way(impossible).to_json() == impossible.to_json()
    scenario = way(PAPER)
    assert scenario.to_dict() == PAPER.to_dict()
    assert isinstance(scenario, Loaded)


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_a_copied_solver_decides_alike_and_on_its_own(way):
    solver, rng = Solver(PAPER), np.random.default_rng(0)
    gain, task = rng.exponential(size=(5, 2, 2)), rng.integers(0, 3, (5, 2))
    solver.decide(gain[0], task[0])
    copied = way(solver)
    for g, t in zip(gain, task, strict=True):
        one, other = solver.decide(g, t), copied.decide(g, t)
        assert one.objective == other.objective
        assert_same(vars(one.actions).values(), vars(other.actions).values())
    assert copied.decision_times()["decisions"] == 5
    batch = solve_batch(PAPER, gain, task)
    again = way(batch)
    assert again.mean() == batch.mean()
    assert again.to_json(seed=0) == batch.to_json(seed=0)


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("slot", [0, 7])
def test_a_copied_environment_steps_on_alike(way, slot):
    env = Environment(CONTENDED, 5, seed=3, lane=2, observation="shared", identity="index")
    steps(env, slot)
    copied = way(env)
    assert_same(vars(copied.actions).values(), vars(env.actions).values())
    right = steps(env, LENGTH + 3)
    assert_same(steps(copied, LENGTH + 3), right)
    env.seed(8)
    copied.seed(8)
    assert_same(steps(copied, 2), steps(env, 2))


@pytest.mark.parametrize(
    "channel",
    [
        {"model": "rician", "rician_k": 2.0, "gain_range": (0.1, 2.0)},
        {"model": "shadowed", "shadowing_db": 6.0},
        {"model": "jakes", "doppler_hz": 20.0, "slot": 1e-3},
        {
            "model": "mobility",
            "distance": 50.0,
            "path_loss_exponent": 2.0,
            "slot": 1e-2,
            "speed": (1.0, 5.0),
        },
    ],
    ids=lambda channel: channel["model"],
)
def test_copied_gains_go_on_alike(channel):
    gains, out, other = Gains(Channel(**channel), 4, 3, 2), np.empty((6, 3, 2)), np.empty((6, 3, 2))
    gains.lanes(out, 17)
    for way in WAYS.values():
        copied = way(gains)
        for slot in (18, 40):
            gains.lanes(out, slot)
            copied.lanes(other, slot)
            np.testing.assert_array_equal(out, other)


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_copied_adapters_step_on_alike(adapters, way):
    def actions(env):
        return np.random.default_rng(1).random(env.action_space.shape, np.float32)

    for env in (
        adapters.SlotEnv("paper", seed=2, optimum=True),
        adapters.SlotVectorEnv("paper", 3, seed=2, optimum=True),
    ):
        env.reset(seed=5)
        env.step(actions(env))
        copied = way(env)
        for _ in range(LENGTH + 2):
            one, other = env.step(actions(env)), copied.step(actions(env))
            assert_same(one[:4], other[:4])
            assert_same(one[4].values(), other[4].values())
    users = adapters.UsersEnv("paper", seed=2)
    users.reset(seed=5)
    copied = way(users)
    for _ in range(LENGTH):
        given = {f"user_{n}": np.full(6, 0.7, np.float32) for n in range(2)}
        one, other = users.step(given), copied.step(given)
        assert_same(one[0].values(), other[0].values())
        assert one[1:4] == other[1:4]
        np.testing.assert_array_equal(users.state(), copied.state())


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_compiled_objects_refuse_to_be_copied_in_words(way):
    scenario = packing.scenario(PAPER.problem())
    for thing in (
        scenario,
        _core.ExactBatch(scenario, False, 1),
        _core.Space([2], [3], 1),
    ):
        with pytest.raises(TypeError, match=r"neither copied nor pickled: copy or pickle the"):
            way(thing)


# ------------------------------------------------------------------------------------- processes


def everything(seed):
    """What a child does: every compiled part, on one thread and on all, and environments."""
    rng = np.random.default_rng(seed)
    gain, task = rng.exponential(size=(40, 4, 4)), rng.integers(0, 3, (40, 4))
    problem = CONTENDED.problem(gain[0], task[0])
    rows = np.zeros((5000, 4), np.int64) - 1
    actions = Actions(rows, np.zeros((5000, 4)), np.full((5000, 4), 0.8e9), np.ones((5000, 4)))
    small, large = Environment(PAPER, 3, seed=seed), Environment(PAPER, MANY, seed=seed)
    tables = backends.tabulate(PAPER.problem(), backend="cpu")
    return [
        solve_batch(CONTENDED, gain, task).objective,
        backends.evaluate(problem, actions, backend="cpu").qoe,
        backends.search(tables, backend="cpu").index,
        np.array(solve(PAPER.problem(), "global").objective),
        *steps(small, 3),
        *steps(large, 2),
    ]


def test_a_forked_child_of_a_warm_process_works_on():
    right = everything(0)  # every pool of threads is warm
    with multiprocessing.get_context("fork").Pool(2) as pool:
        for found in pool.map_async(everything, [0, 0]).get(SECONDS):
            assert_same(found, right)
    assert_same(everything(0), right)


def test_a_fork_beside_a_working_thread_works_on():
    import threading

    right, going = everything(1), threading.Event()

    def work():
        while not going.is_set():
            solve_batch(CONTENDED, np.ones((300, 4, 4)), np.zeros((300, 4), np.int64))
            Environment(PAPER, MANY).seek(3)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        for _ in range(3):
            with multiprocessing.get_context("fork").Pool(1) as pool:
                (found,) = pool.map_async(everything, [1]).get(SECONDS)
            assert_same(found, right)
    finally:
        going.set()
        thread.join(SECONDS)
    assert not thread.is_alive()


def is_free(count):
    from semopt.solvers.relaxation.program import program

    return program(count).lock.acquire(timeout=5)


def test_a_child_finds_no_relaxation_locked_by_a_thread_that_it_lacks():
    from semopt.solvers.relaxation.program import program

    with program(1).lock, multiprocessing.get_context("fork").Pool(1) as pool:
        assert pool.map_async(is_free, [1]).get(SECONDS) == [True]


def solved(solver, gain, task):
    return solver.decide(gain, task).objective


def stepped(env):
    return steps(env, 4)


def test_joblib_sends_solvers_and_environments_to_processes():
    joblib = pytest.importorskip("joblib")
    solver, env = Solver(PAPER), Environment(PAPER, 4, seed=1)
    rng = np.random.default_rng(0)
    slots = [(rng.exponential(size=(2, 2)), rng.integers(0, 3, 2)) for _ in range(6)]
    run = joblib.Parallel(n_jobs=2, backend="loky", timeout=SECONDS)
    assert run(joblib.delayed(solved)(solver, *slot) for slot in slots) == [
        solved(solver, *slot) for slot in slots
    ]
    for found in run(joblib.delayed(stepped)(env) for _ in range(2)):
        assert_same(found, stepped(copy.deepcopy(env)))


@pytest.mark.parametrize("context", ["fork", "spawn"])
def test_gymnasium_runs_slots_in_processes(adapters, context):
    from gymnasium.vector import AsyncVectorEnv, SyncVectorEnv

    makers = [lambda seed=seed: adapters.SlotEnv("paper", seed=seed) for seed in range(2)]
    makers[0]().reset()  # the parent's loops are warm
    steps(Environment(PAPER, MANY), 1)
    alone, apart = SyncVectorEnv(makers), AsyncVectorEnv(makers, context=context)
    try:
        one, other = alone.reset(seed=4)[0], apart.reset(seed=4)[0]
        for _ in range(LENGTH + 2):
            np.testing.assert_array_equal(one, other)
            action = np.random.default_rng(0).random((2, 12), np.float32)
            apart.step_async(action)
            one, reward, *_ = alone.step(action)
            other, found, *_ = apart.step_wait(timeout=SECONDS)
            np.testing.assert_array_equal(reward, found)
    finally:
        apart.close(terminate=True)


def learns(env):
    from stable_baselines3 import PPO

    model = PPO("MlpPolicy", env, n_steps=8, batch_size=8, n_epochs=1, device="cpu")
    return model.learn(32).num_timesteps


@pytest.mark.parametrize("start", ["fork", pytest.param("forkserver", marks=pytest.mark.long)])
def test_stable_baselines_learns_from_slots_in_processes(adapters, start):
    pytest.importorskip("stable_baselines3")
    from stable_baselines3.common.vec_env import SubprocVecEnv

    steps(Environment(PAPER, MANY), 1)
    env = SubprocVecEnv(
        [lambda seed=seed: adapters.SlotEnv("paper", seed=seed) for seed in range(2)], start
    )
    try:
        assert learns(env) >= 32
    finally:
        env.close()


@pytest.mark.parametrize("processes", [0, 2])
def test_supersuit_hands_users_to_stable_baselines(adapters, processes):
    pytest.importorskip("stable_baselines3")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        supersuit = pytest.importorskip("supersuit")
        users = supersuit.pettingzoo_env_to_vec_env_v1(adapters.UsersEnv("paper", seed=1))
        env = supersuit.concat_vec_envs_v1(
            users, 2, num_cpus=processes, base_class="stable_baselines3"
        )
        try:
            assert env.num_envs == 4
            assert learns(env) >= 32
        finally:
            env.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_what_must_not_be_cut_in_two_is_told_of_every_signal_that_cuts(number):
    told = []

    def handler(came, frame):
        told.append(came)
        if len(told) != 2:  # the second is the first, sent twice
            raise KeyboardInterrupt

    def held(signals):
        with held_back() as asked:
            assert not asked()
            for _ in range(signals):
                signal.raise_signal(number)
            assert asked()
            told.append("done")

    before = signal.signal(number, handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            held(2)
        assert told == [number, number, "done"]
        assert signal.getsignal(number) is handler
        with pytest.raises(KeyboardInterrupt):
            held(2)
        assert told[3:] == [number, number]  # the second came through
    finally:
        signal.signal(number, before)
