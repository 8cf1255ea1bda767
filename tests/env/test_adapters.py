"""The faces of the environment that Gymnasium and PettingZoo take, against the environment."""

import subprocess
import sys
import warnings

import numpy as np
import pytest

from semopt import solve
from semopt.env import Decisions
from semopt.env.environment import Environment
from semopt.problem import LENGTH
from semopt.scenario import Scenario, presets
from tolerances import NETWORK, SINGLE, SINGLE_SUM, SUMS

PAPER, CONTENDED = Scenario.load("paper"), Scenario.load("contended-4")
BATTERY = CONTENDED.replace({"user.battery_mj": 90.0})


def buffers(env):
    observation = np.empty((env.slots, env.users, env.observation_size), np.float32)
    return observation, np.empty((env.slots, env.users), np.float32)


@pytest.fixture(scope="module")
def adapters():
    pytest.importorskip("gymnasium")
    pytest.importorskip("pettingzoo")
    from semopt import adapters

    return adapters


@pytest.fixture
def _their_warnings():
    """Their checkers warn about what is no fault here: no rendering, unbounded observations."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.mark.usefixtures("_their_warnings")
@pytest.mark.parametrize("scenario", [PAPER, BATTERY])
@pytest.mark.parametrize("options", [{}, {"observation": "shared", "seed": 3}])
def test_pettingzoo_accepts_the_users(adapters, scenario, options):
    from pettingzoo.test import parallel_api_test, parallel_seed_test

    parallel_api_test(adapters.UsersEnv(scenario, **options), num_cycles=100)
    parallel_seed_test(lambda: adapters.UsersEnv(scenario, **options), num_cycles=30)


@pytest.mark.usefixtures("_their_warnings")
def test_gymnasium_accepts_the_slot(adapters):
    from gymnasium.utils.env_checker import check_env

    check_env(adapters.SlotEnv("paper"))
    check_env(adapters.SlotEnv(CONTENDED, features=("data_size",), seed=3))
    check_env(adapters.SlotEnv(BATTERY, seed=3))


def test_users_of_pettingzoo_see_the_environment(adapters):
    users, env = adapters.UsersEnv("paper", seed=4), Environment(PAPER, seed=4)
    seen, reward = buffers(env)
    observation, _ = users.reset()
    env.reset(seen)
    rng = np.random.default_rng(0)
    for step in range(LENGTH):
        assert list(observation) == ["user_0", "user_1"]
        np.testing.assert_array_equal(np.stack(list(observation.values())), seen[0])
        action = rng.random((2, 6), np.float32)
        mode = np.digitize(action[:, 0], [1 / 3, 2 / 3]).astype(np.uint8)
        decisions = Decisions(mode[None], action[None, :, 1:4].copy(), action[None, :, 4:].copy())
        env.step(decisions, seen, reward)
        observation, rewards, ended, cut, infos = users.step(
            {"user_1": action[1], "user_0": action[0]}
        )
        assert list(rewards.values()) == reward[0].tolist()
        assert set(ended.values()) == {step == LENGTH - 1}
        assert set(cut.values()) == {False}
        assert infos["user_1"]["latency"] == env.outcome.latency[0, 1]
    assert users.agents == []
    assert users.state().shape == users.state_space.shape


@pytest.mark.parametrize("scenario", [CONTENDED, BATTERY])
def test_vector_rows_are_single_environments(adapters, scenario):
    vector = adapters.SlotVectorEnv(scenario, 5, seed=2)
    assert vector.metadata["autoreset_mode"].name == "SAME_STEP"
    single = [adapters.SlotEnv(scenario, seed=2, lane=e) for e in range(5)]
    state, _ = vector.reset(seed=6)
    rows = [env.reset(seed=6)[0] for env in single]
    vector.action_space.seed(0)
    for step in range(25):
        np.testing.assert_array_equal(state, rows)
        action = vector.action_space.sample()
        state, reward, ended, cut, infos = vector.step(action)
        steps = [env.step(action[e]) for e, env in enumerate(single)]
        np.testing.assert_allclose(reward, [s[1] for s in steps], rtol=SINGLE)
        np.testing.assert_array_equal(ended, [s[2] for s in steps])
        assert ended.all() == (step % LENGTH == LENGTH - 1)
        assert not cut.any()
        for name in {"qoe", "skipped", "energy_left"} & infos.keys():
            np.testing.assert_array_equal(infos[name], [s[4][name] for s in steps])
        rows = [s[0] for s in steps]
        if ended.all():
            np.testing.assert_array_equal(infos["final_obs"], rows)
            rows = [env.reset()[0] for env in single]


@pytest.mark.parametrize("name", presets())
def test_every_preset_has_a_name_in_gymnasiums_registry(adapters, name):
    import gymnasium

    env = gymnasium.make(f"semopt/{name}-v0", disable_env_checker=True)
    many = gymnasium.make_vec(f"semopt/{name}-v0", num_envs=2, seed=5)
    assert type(env.unwrapped) is adapters.SlotEnv
    assert type(many) is adapters.SlotVectorEnv
    scenario = Scenario.load(name)
    gain, _ = scenario.draw(1, seed=5)
    state, _ = env.reset(seed=5)
    seen = state[: gain[0].size + 2 * scenario.users]  # batteries come last
    users = seen.reshape(scenario.users, -1)[:, : scenario.channels]
    slope, start = np.polyfit(np.log(gain[0]).ravel(), users.ravel(), 1)
    np.testing.assert_allclose(users, slope * np.log(gain[0]) + start, atol=NETWORK)
    np.testing.assert_array_equal(many.reset()[0][0], state)
    own = gymnasium.make("semopt/paper-v0", scenario=scenario, disable_env_checker=True)
    assert own.action_space == env.action_space


def test_a_name_with_its_module_needs_no_import():
    pytest.importorskip("gymnasium")
    code = (
        "import gymnasium\n"
        "env = gymnasium.make('semopt.adapters:semopt/contended-v0')\n"
        "many = gymnasium.make_vec('semopt/contended-v0', num_envs=3)\n"
        "print(env.unwrapped.spec.id, many.num_envs)"
    )
    run = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True)
    assert (run.stdout, run.stderr) == ("semopt/contended-v0 3\n", "")


def test_seeds_are_drawn_freshly_unless_given(adapters):
    def seen(env):
        state, _ = env.reset()
        return env.state() if isinstance(env, adapters.UsersEnv) else state

    for make in (
        lambda **options: adapters.SlotEnv("paper", **options),
        lambda **options: adapters.UsersEnv("paper", **options),
        lambda **options: adapters.SlotVectorEnv("paper", 2, **options),
    ):
        one, other = make(), make()
        assert one.np_random_seed != other.np_random_seed
        assert not np.array_equal(seen(one), seen(other))
        again = make(seed=one.np_random_seed)
        np.testing.assert_array_equal(seen(one), seen(again))
        one.reset(seed=4)
        assert one.np_random_seed == 4
        np.testing.assert_array_equal(seen(one), seen(make(seed=4)))
        for seed in (-1, 1.5, "a", [1, 2]):
            with pytest.raises(
                ValueError, match=r"seed = .*: must be a whole number of at least 0"
            ):
                one.reset(seed=seed)
        assert one.np_random_seed == 4


def shares_of(problem, actions):
    """The numbers from 0 to 1 that stand for actions, but for the ends of floats: (N, 4 + K)."""
    users = problem.users
    share = np.zeros((len(actions.channel), 4 + problem.gain.shape[1]))
    for n, k in enumerate(actions.channel):
        semantic = k >= 0 and actions.extraction[n] < 1.0
        share[n, 0] = 0.0 if k < 0 else 0.9 if semantic else 0.5
        for i, name in ((1, "power"), (2, "frequency")):
            low, high = (getattr(users, f"{name}_{end}")[n] for end in ("min", "max"))
            share[n, i] = np.clip((getattr(actions, name)[n] - low) / (high - low), 0.0, 1.0)
        low = users.extraction_min[n]
        share[n, 3] = (actions.extraction[n] - low) / (1.0 - low)
        if k >= 0:
            share[n, 4 + k] = 1.0
    return share.astype(np.float32)


def test_infos_hold_the_optimum_and_what_is_missed_of_it(adapters):
    hurried = PAPER.replace({"system.latency_max_ms": 4.95})
    one, users = (make(hurried, optimum=True) for make in (adapters.SlotEnv, adapters.UsersEnv))
    many = adapters.SlotVectorEnv(hurried, 2, optimum=True)
    for env in (one, users, many):
        env.reset(seed=8)
    (gain, task), broken = hurried.draw(3, seed=8), 0
    for slot in range(3):
        best = solve(hurried.problem(gain[slot], task[slot]), "exhaustive")
        share = shares_of(best.problem, best.actions)
        *_, info = one.step(share.ravel())
        assert info["optimum"] == pytest.approx(best.objective, abs=SUMS)
        assert info["regret"] == pytest.approx(0.0, abs=SINGLE_SUM)  # shares are single
        *_, infos = users.step(dict(zip(users.agents, share, strict=True)))
        assert {each["optimum"] for each in infos.values()} == {info["optimum"]}
        local = np.zeros((2, 12), np.float32)  # at the lowest frequency, which takes too long
        *_, info = many.step(local)
        assert info["optimum"][0] == pytest.approx(best.objective, abs=SUMS)
        broken += int((info["violations"] > 0).sum())
        kept = np.where(info["violations"] == 0, info["qoe"], 0.0).sum(axis=1)
        np.testing.assert_allclose(info["regret"], info["optimum"] - kept, atol=SINGLE)
    assert 0 < broken < 12
    assert "regret" not in adapters.SlotEnv(PAPER).step(np.zeros(12, np.float32))[4]


def test_the_optimum_of_an_infeasible_slot_is_unknown(adapters):
    document = PAPER.to_dict()
    document["system"]["latency_max_ms"] = 1e-3
    env = adapters.SlotEnv(Scenario.from_dict(document), optimum=True)
    env.reset(seed=0)
    *_, info = env.step(np.full(12, 0.5, np.float32))
    assert np.isnan([info["optimum"], info["regret"]]).all()


def test_actions_out_of_the_box_are_named(adapters):
    env = adapters.SlotEnv("paper")
    env.reset(seed=0)
    for value in (np.nan, 1.5, -0.1):
        action = np.full(12, 0.5, np.float32)
        action[7] = value
        with pytest.raises(ValueError, match=r"action\[1\] of user 1 in slot 0"):
            env.step(action)


@pytest.mark.parametrize("what", [None, 3, {"users": 2}, PAPER.problem()])
def test_what_is_no_scenario_is_refused(adapters, what):
    for make in (Environment, adapters.SlotEnv, adapters.SlotVectorEnv, adapters.UsersEnv):
        with pytest.raises(ValueError, match=r"scenario: a Scenario, .* is expected, not"):
            make(what)


def test_actions_of_another_shape_or_type_are_named(adapters):
    one, many, users = (
        adapters.SlotEnv("paper"),
        adapters.SlotVectorEnv("paper", 3),
        adapters.UsersEnv("paper"),
    )
    for env in (one, many, users):
        env.reset(seed=0)
    sound = np.full((3, 12), 0.5, np.float32)
    for action in (sound, sound[0, :11], sound[:1], sound[0].reshape(2, 6), 0.5, None):
        with pytest.raises(ValueError, match=r"action: .*shape \(12,\)"):
            one.step(action)
    for action in (sound.T, sound[:2], sound.ravel(), sound.reshape(3, 2, 6), sound[None]):
        with pytest.raises(ValueError, match=r"action: numbers of shape \(3, 12\) are"):
            many.step(action)
    strange = (sound > 0, sound.astype(str), sound.astype(object), sound + 0j)
    for action in strange:
        with pytest.raises(ValueError, match=r"action: numbers .* are expected, got"):
            many.step(action)
    assert one._slots.inner.slot == many._slots.inner.slot == 0  # nothing was carried out

    own = np.full(6, 0.5, np.float32)
    for actions, words in (
        ({"user_0": own}, "actions: user_1 is missing"),
        ({}, "actions: user_0, user_1 is missing"),
        ({"user_0": own, "user_1": own, "user_2": own}, "actions: there is no user_2"),
        ([own, own], "actions: a dict of agents is expected, not list"),
        ({"user_0": own, "user_1": own[:5]}, "action of user_1: numbers of shape (6,)"),
        ({"user_0": own[None], "user_1": own}, "action of user_0: numbers of shape (6,)"),
    ):
        with pytest.raises(ValueError, match=r"^actions?[: ]") as error:
            users.step(actions)
        assert words in str(error.value)

    whole = np.zeros(12, int)  # numbers all the same, as are lists
    twin = adapters.SlotEnv("paper")
    twin.reset(seed=0)
    assert one.step(whole)[1] == twin.step([0.0] * 12)[1]


def test_adapters_say_what_is_missing():
    code = (
        "import sys; sys.modules['pettingzoo'] = None\n"
        "try:\n    import semopt.adapters\n"
        "except ImportError as error:\n    sys.exit(str(error))"
    )
    run = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True)
    assert "needs pettingzoo: pip install 'semopt[learn]'" in run.stderr


def test_a_controller_is_paid_by_the_scenarios_objective():
    pytest.importorskip("gymnasium")
    from semopt import adapters

    document = CONTENDED.to_dict()
    document["qoe"]["objective"] = "min"
    fairest, rng = adapters.SlotEnv(Scenario.from_dict(document)), np.random.default_rng(0)
    users = adapters.UsersEnv(CONTENDED)
    fairest.reset(seed=4)
    users.reset(seed=4)
    for _ in range(5):
        action = rng.random((CONTENDED.users, 4 + CONTENDED.channels), np.float32)
        _, paid, *_ = fairest.step(action.ravel())
        _, each, *_ = users.step(dict(zip(users.agents, action, strict=True)))
        assert paid == pytest.approx(min(each.values()), abs=SINGLE)


def test_rewards_that_know_no_limit_of_the_server_are_refused():
    pytest.importorskip("gymnasium")
    from semopt import adapters

    document = CONTENDED.to_dict()
    document["system"]["server_energy_max_mj"] = 1.0
    limited = Scenario.from_dict(document)
    with pytest.raises(ValueError, match="server_energy_max_mj couples the users"):
        adapters.SlotEnv(limited)
    env = Environment(limited)  # for observations, and for decisions to be evaluated
    with pytest.raises(ValueError, match="server_energy_max_mj couples the users"):
        env.score(Decisions.empty(1, env.users, env.channels), np.empty((1, env.users), np.float32))


# ---------------------------------------------------------------------------------------- batteries


def test_the_last_quarter_of_a_users_first_number_skips_its_task(adapters):
    users = adapters.UsersEnv(BATTERY.replace({"user.battery_mj": 900.0}), seed=1)
    users.reset()
    action = np.full((4, 8), 0.5, np.float32)
    action[:, 0] = [0.1, 0.74, 0.75, 1.0]  # local, semantic, twice skip
    _, rewards, _, _, infos = users.step(dict(zip(users.agents, action, strict=True)))
    assert [bool(each["skipped"]) for each in infos.values()] == [False, False, True, True]
    assert [rewards["user_2"], rewards["user_3"]] == [0.0, 0.0]
    spent = [0.9 - each["energy_left"] for each in infos.values()]
    assert spent == pytest.approx([each["energy"] for each in infos.values()])
    assert spent[0] > 0.0 == spent[2] == spent[3]


def test_the_end_of_a_queue_shows_what_is_left_and_the_next_one_is_full(adapters):
    one, many = adapters.SlotEnv(BATTERY, seed=1), adapters.SlotVectorEnv(BATTERY, 2, seed=1)
    users = adapters.UsersEnv(BATTERY, seed=1)
    action, (state, _) = np.zeros((2, 32), np.float32), many.reset()
    one.reset()
    users.reset()
    full, none = np.sqrt(3), -np.sqrt(3)  # of shares from 0 to 1, standardised
    for step in range(LENGTH):
        assert state[0, -1] == pytest.approx((1 - step / LENGTH) * (full - none) + none, abs=SINGLE)
        last, _, ended, _, info = one.step(action[0])
        state, _, _, _, infos = many.step(action)
        seen, *_ = users.step(dict.fromkeys(users.agents, action[0, :8]))
    assert ended
    left = info["energy_left"] / 0.09 * (full - none) + none
    assert (left < full - 0.1).all()
    np.testing.assert_allclose(last[-5:], [*left, none], atol=SINGLE)
    np.testing.assert_array_equal(infos["final_obs"][0], last)
    np.testing.assert_array_equal(users.state(), last)
    np.testing.assert_allclose([each[-2] for each in seen.values()], left, atol=SINGLE)
    np.testing.assert_allclose(state[:, -5:], full, atol=SINGLE)
    np.testing.assert_allclose(one.reset()[0][-5:], full, atol=SINGLE)


def test_a_slot_of_a_queue_has_no_optimum_of_its_own(adapters):
    for make in (adapters.SlotEnv, adapters.SlotVectorEnv, adapters.UsersEnv):
        with pytest.raises(ValueError, match=r"optimum = True: user\.battery_mj couples"):
            make(BATTERY, optimum=True)


def test_text_shows_who_skipped_and_what_is_left(adapters):
    one = adapters.SlotEnv(BATTERY, seed=3, render_mode="ansi")
    one.reset()
    assert one.render().count("90.00") == 4
    action = np.full((4, 8), 0.1, np.float32)
    action[2, 0] = 1.0
    *_, info = one.step(action.ravel())
    rows = [line.split() for line in one.render().splitlines() if line[:3].strip().isdigit()]
    assert [row[2] for row in rows] == ["local", "local", "skipped", "local"]
    assert [row[-1] for row in rows] == [f"{left * 1e3:.2f}" for left in info["energy_left"]]
    assert rows[2][3:] == ["0.0000", "90.00"]


# ---------------------------------------------------------------------------------------- rendering


def test_text_shows_who_did_what_and_what_it_earned(adapters):
    env = adapters.SlotEnv("tiny", seed=3, render_mode="ansi", optimum=True)
    env.reset(seed=3)
    before = env.render()
    scenario = Scenario.load("tiny")
    gain, task = scenario.draw(1, seed=3)
    assert before.startswith("slot 0 ")
    assert f"{10 * np.log10(gain[0, 1, 0]):.1f}" in before
    action = np.zeros((2, 6), np.float32)
    action[0], action[1, 2] = [0.9, 1.0, 0.5, 0.5, 0.0, 1.0], 1.0  # semantic on 1, local
    _, reward, *_, info = env.step(action.ravel())
    shown = env.render()
    assert f"slot 0: reward {reward:.4f}, optimum {info['optimum']:.4f}, regret" in shown
    first, second = (line.split() for line in shown.splitlines() if line[:3] in (" 0 ", " 1 "))
    assert first[1:4] == [scenario.template().tasks.names[task[0, 0]], "semantic", "1"]
    assert second[2] == "local"
    assert f"{info['qoe'][0]:.4f}" in first
    users = adapters.UsersEnv("tiny", seed=3, render_mode="ansi")
    users.reset(seed=3)
    assert users.render() == before
    many = adapters.SlotVectorEnv("tiny", 2, seed=3, render_mode="ansi")
    many.reset(seed=3)
    assert many.render()[0] == before != many.render()[1]


def test_images_say_below_who_skipped_and_what_is_left(adapters):
    for package in ("altair", "vl_convert", "PIL"):
        pytest.importorskip(package)
    plain, one, other = (
        adapters.SlotEnv(scenario, seed=3, render_mode="rgb_array")
        for scenario in (CONTENDED, BATTERY, BATTERY)
    )
    for env, skipping in ((plain, 0), (one, 1), (other, 2)):
        env.reset()
        action = np.full((4, 8), 0.1, np.float32)
        action[:skipping, 0] = 1.0 if skipping else 0.1
        env.step(action.ravel())
    below = [env.render()[plain.render().shape[0] :] for env in (one, other)]
    ink = [[int((part < 128).sum()) for part in np.split(rows, 4)] for rows in below]  # a user each
    assert all(map(all, ink))
    assert ink[0][0] == ink[1][0]  # both skip, all energy is left
    assert ink[0][1] < ink[1][1]  # one skips more


def test_images_show_each_step_in_one_size(adapters):
    for package in ("altair", "vl_convert", "PIL"):
        pytest.importorskip(package)
    env = adapters.SlotEnv(CONTENDED, seed=3, render_mode="rgb_array")
    env.reset()
    frames = [env.render()]
    for value in (0.0, 0.5):  # all local, all raw
        env.step(np.full(env.action_space.shape, value, np.float32))
        frames.append(env.render())
    assert {(frame.shape, frame.dtype) for frame in frames} == {((408, 840, 3), np.dtype("u1"))}
    orange = np.array([0xE6, 0x9F, 0x00])  # what time on the air is drawn in
    on_air = [int((np.abs(f.astype(int) - orange).max(axis=2) < 4).sum()) for f in frames]
    assert on_air[0] < on_air[1] < on_air[2] - 1000  # no legend, the legend, the legend and bars


@pytest.mark.usefixtures("_their_warnings")
def test_gymnasium_accepts_what_is_rendered(adapters):
    import gymnasium
    from gymnasium.utils.env_checker import check_env

    check_env(gymnasium.make("semopt/tiny-v0", render_mode="ansi").unwrapped)


def test_a_mode_that_is_none_is_named_and_nothing_is_rendered_unasked(adapters, monkeypatch):
    for make in (adapters.SlotEnv, adapters.SlotVectorEnv, adapters.UsersEnv):
        with pytest.raises(ValueError, match="render_mode = 'human': must be one of ansi, rgb"):
            make("tiny", render_mode="human")
    env = adapters.SlotEnv("tiny")
    env.reset()
    with pytest.warns(UserWarning, match="nothing is rendered: make it with render_mode"):
        assert env.render() is None
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    env = adapters.SlotEnv("tiny", render_mode="rgb_array")
    env.reset()
    with pytest.raises(ValueError, match="images need vl-convert-python: pip install vl-convert"):
        env.render()


def test_a_step_before_reset_says_so_and_one_after_the_end_is_empty(adapters):
    env = adapters.UsersEnv("paper", seed=0)
    still = {agent: np.full(6, 0.5, np.float32) for agent in env.possible_agents}
    with pytest.raises(
        sys.modules["gymnasium"].error.ResetNeeded, match=r"^step before reset: reset\(\) begins"
    ):
        env.step(still)
    env.reset()
    while env.agents:
        env.step(still)
    assert env.step(still) == ({}, {}, {}, {}, {})
