"""Learners and their checkpoints: probabilities from their definitions, traces, resumption."""

import json
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch
from scipy import stats

from semopt import model
from semopt.env import Decisions
from semopt.env.environment import Environment
from semopt.learn import distill, dqn, evaluate, mappo, train
from semopt.learn.actor import BETAS, Bounded, Heads, Openness, Sample, as_decisions
from semopt.learn.checkpoint import Checkpoint
from semopt.methods import ALGORITHMS
from semopt.model import LOCAL, RAW, SEMANTIC, Actions
from semopt.scenario import Scenario
from semopt.solvers.batch import solve_batch
from tolerances import NETWORK, SINGLE, SINGLE_SUM, TWINS_SINGLE

PAPER, CONTENDED = Scenario.load("paper"), Scenario.load("contended")
TINY = {
    "mappo": {"slots": 32, "updates": 6, "minibatches": 2, "validate_every": 2, "width": 16},
    "dqn": {
        "slots": 2,
        "updates": 6,
        "levels": 2,
        "minibatch": 8,
        "validate_every": 2,
        "width": 16,
    },
    "distill": {"slots": 64, "updates": 6, "minibatch": 32, "validate_every": 2, "width": 16},
}


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def tiny(algorithm, scenario=PAPER, **options):
    return train.describe(algorithm, scenario, **TINY[algorithm], **options)


def heads_of(rng, rows, users, channels):
    draw = [torch.from_numpy(rng.normal(size=(rows, users, n)).astype("f4")) for n in (3, BETAS)]
    preference = torch.from_numpy(rng.normal(size=(rows, users, channels)).astype("f4"))
    peak, sharpness = torch.sigmoid(draw[1]), 1.0 + 3.0 * torch.rand(rows, users, BETAS)
    return Heads(torch.log_softmax(draw[0], -1), peak, sharpness, preference)


# ------------------------------------------------------------------------------------ probabilities


def test_log_probability_of_modes_and_levels_is_that_of_their_laws():
    heads = heads_of(np.random.default_rng(0), 40, 3, 2)
    generator = torch.Generator().manual_seed(1)
    sample = heads.sample(generator)
    mode, level = heads.log_prob(sample)
    which = {LOCAL: {1: 0}, RAW: {0: 1}, SEMANTIC: {0: 2, 1: 3, 2: 4}}  # level: law
    for e, n in np.ndindex(40, 3):
        chosen = int(sample.mode[e, n])
        assert float(mode[e, n]) == pytest.approx(float(heads.mode[e, n, chosen]), rel=TWINS_SINGLE)
        expected = 0.0
        for i, law in which[chosen].items():
            p, s = float(heads.peak[e, n, law]), float(heads.sharpness[e, n, law])
            beta = stats.beta(1 + s * p, 1 + s * (1 - p))
            expected += beta.logpdf(float(sample.level[e, n, i]))
        assert float(level[e, n]) == pytest.approx(expected, rel=NETWORK, abs=NETWORK)


def test_gradients_of_levels_at_their_ends_lead_back_only():
    places = torch.tensor([-0.5, 0.0, 0.4, 1.0, 1.5], requires_grad=True)
    for slope, passed in (
        (1.0, [0, 1, 1, 1, 1]),
        (-1.0, [1, 1, 1, 1, 0]),
    ):
        within = Bounded.apply(places)
        assert within.tolist() == pytest.approx([0.0, 0.0, 0.4, 1.0, 1.0])
        (gradient,) = torch.autograd.grad(within, places, torch.full((5,), slope))
        assert gradient.tolist() == [slope * each for each in passed]


def test_blunt_laws_are_nearly_uniform():
    heads = heads_of(np.random.default_rng(5), 1, 1, 2).blunt(0.01)
    heads = Heads(*(part.expand(5000, *part.shape[1:]) for part in heads[:4]))
    sample = heads.sample(torch.Generator().manual_seed(6))
    power = sample.level[..., 0][sample.mode == RAW].numpy()
    assert stats.kstest(power, "uniform").pvalue > 0.01


def outcomes(score, wanting, free, path=()):
    """All orders in which pairs may be drawn, with their probabilities, by the definition."""
    pairs = [(n, k) for n in wanting for k in free]
    if not pairs:
        yield path, 1.0
        return
    weight = np.exp([score[n][k] for n, k in pairs])
    for (n, k), share in zip(pairs, weight / weight.sum(), strict=True):
        for end, probability in outcomes(score, wanting - {n}, free - {k}, (*path, (n, k))):
            yield end, share * probability


@pytest.mark.parametrize(("users", "channels"), [(3, 3), (3, 2), (2, 3)])
def test_log_probability_of_an_assignment_is_that_of_its_draws(users, channels):
    rng = np.random.default_rng(2)
    preference = rng.normal(size=(users, channels)).astype("f4")
    mode = torch.full((1, users), RAW)
    mode[0, -1] = LOCAL if users == 3 else SEMANTIC
    wanting = frozenset(range(users - (users == 3)))
    total = 0.0
    for path, probability in outcomes(preference, wanting, frozenset(range(channels))):
        channel = torch.full((1, users), -1)
        score = torch.zeros((1, users, channels))
        for place, (n, k) in enumerate(path):
            channel[0, n], score[0, n, k] = k, 10.0 - place
        openness = Openness.of(Sample(mode, torch.ones((1, users, 3)), score), channel)
        found = float(openness.log_prob(torch.from_numpy(preference)[None]).exp())
        assert found == pytest.approx(probability, rel=NETWORK)
        total += found
    assert total == pytest.approx(1.0, rel=SINGLE_SUM)


def test_sampled_assignments_are_as_frequent_as_their_probability():
    rows, rng = 20000, np.random.default_rng(3)
    env = Environment(PAPER, 1)
    one = heads_of(rng, 1, 2, 2)
    heads = Heads(*(part.expand(rows, *part.shape[1:]) for part in one[:4]))
    sample = heads.sample(torch.Generator().manual_seed(4))
    sample = sample._replace(mode=torch.full((rows, 2), RAW))
    actions = Actions.empty(rows, 2)
    env.decide(as_decisions(sample), np.zeros((rows, 2), np.int64), actions)
    share = {(0, 1): 0.0, (1, 0): 0.0}
    ends = outcomes(one.preference[0].numpy(), frozenset({0, 1}), frozenset({0, 1}))
    for path, probability in ends:
        share[tuple(k for _, k in sorted(path))] += probability
    for channels, probability in share.items():
        found = (actions.channel == channels).all(axis=1).mean()
        assert found == pytest.approx(probability, abs=4 * np.sqrt(0.25 / rows))


# -------------------------------------------------------------------------------------- advantages


def rewarded(env, e, mode, level, score):
    """The rewards of one slot, by the readable model."""
    one = Decisions(*(x[e : e + 1].numpy() for x in (mode.byte(), level, score)))
    actions = Actions.empty(1, env.users)
    env.decide(one, env.task[e : e + 1], actions)
    problem = env.problem.with_slot(env.gain[e], env.task[e])
    outcome = model.evaluate(problem, actions.take(0))
    return model.rewards(problem, outcome)


def test_counterfactual_advantages_change_one_part_at_a_time():
    settings = replace(mappo.FAST, slots=8, floor=-np.inf, warmup=0.0)
    env = Environment(CONTENDED, 8, seed=5, observation="shared")
    learner = mappo.Learner(env, settings, 0, torch.device("cpu"))
    seen = np.empty((8, 2, env.observation_size), np.float32)
    env.observe(env.gain, env.task, seen)
    with torch.no_grad():
        heads = learner.heads(torch.from_numpy(seen))
    mode, level, score = heads.sample(torch.Generator().manual_seed(6))
    greedy, peaks = heads.greedy(), heads.peaks(mode)
    slots = range(8)
    played = np.stack([rewarded(env, e, mode, level, score) for e in slots])
    decisions = as_decisions(Sample(mode, level, score))
    others = learner.counterfactuals(heads, mode, decisions)
    a_mode, a_level, a_assignment = mappo.counterfactual_advantages(
        played.astype("f4"), others, learner.team
    )
    for e in slots:
        base = rewarded(env, e, mode, peaks, score)
        assert a_level[e] == pytest.approx(played[e] - base, abs=SINGLE_SUM)
        alone = rewarded(env, e, mode, peaks, greedy.score)
        assert a_assignment[e, 0] == pytest.approx(base.sum() - alone.sum(), abs=SINGLE_SUM)
        for n in range(2):
            other, levels = mode.clone(), peaks.clone()
            other[e, n], levels[e, n] = greedy.mode[e, n], greedy.level[e, n]
            changed = rewarded(env, e, other, levels, score)
            assert a_mode[e, n] == pytest.approx(base.sum() - changed.sum(), abs=SINGLE_SUM)


def test_generalised_advantages_are_the_sums_that_define_them():
    env = Environment(PAPER, 1, seed=1)
    learner = mappo.Learner(env, mappo.PAPER, 0, torch.device("cpu"))
    rng = np.random.default_rng(0)
    state = rng.normal(size=(10, 1, env.state_size)).astype("f4")
    team, done = rng.random((10, 1)).astype("f4"), np.arange(10) == 9
    advantage, target = learner.estimate(state, team, done)
    with torch.no_grad():
        value = learner.networks["critic"](torch.from_numpy(state))[:, 0, 0].numpy()
    value = np.append(value, 0.0)  # nothing follows the episode
    error = team[:, 0] + 0.95 * value[1:] - value[:-1]
    expected = [sum((0.95 * 0.98) ** i * error[t + i] for i in range(10 - t)) for t in range(10)]
    assert advantage[:, 0] == pytest.approx(np.array(expected), rel=NETWORK, abs=SINGLE_SUM)
    assert target[:, 0] == pytest.approx(advantage[:, 0] + value[:-1], rel=SINGLE_SUM)


# ------------------------------------------------------------------------------------------ traces

# Another processor or torch adds in another order, so single precision drifts from step to step;
# a change of an algorithm moves the first losses by far more than the tolerance.
GOLDEN = {
    "mappo": [
        {"reward": 0.37618, "policy": 3.0889, "critic": 0.0, "entropy": 1.0986},
        {"reward": 0.35295, "policy": -3.3235, "critic": 0.0, "entropy": 1.0986},
        {"reward": 0.32153, "policy": 4.2977, "critic": 0.0, "entropy": 1.0986},
    ],
    "dqn": [
        {"reward": -32.12, "temporal_difference": 148.84},
        {"reward": -0.46673, "temporal_difference": 3.7057},
        {"reward": -11.424, "temporal_difference": 3.5906},
    ],
    "distill": [
        {"reward": 0.64606, "mode": 1.0974, "level": 0.06289, "assignment": 0.46902},
        {"reward": 0.64606, "mode": 1.0892, "level": 0.061825, "assignment": 0.46345},
        {"reward": 0.64606, "mode": 1.081, "level": 0.060844, "assignment": 0.4589},
    ],
}


def test_every_algorithm_is_tested():
    assert TINY.keys() == GOLDEN.keys() == ALGORITHMS.keys()


@pytest.mark.parametrize("algorithm", TINY)
def test_the_first_losses_are_those_pinned(algorithm):
    learner, _ = train.make(tiny(algorithm, CONTENDED), torch.device("cpu"))
    trace = [learner.update() for _ in range(3)]
    for found, pinned in zip(trace, GOLDEN[algorithm], strict=True):
        assert found == pytest.approx(pinned, rel=2e-3, abs=NETWORK)


@pytest.mark.parametrize("algorithm", TINY)
def test_a_run_taken_up_ends_with_the_same_weights(algorithm, tmp_path, monkeypatch):
    description = tiny(algorithm, observation="shared", seed=3)
    train.train(description, tmp_path / "whole")
    stopped, updates = tmp_path / "stopped", []

    def die(report):
        updates.append(report.updates)
        if len(updates) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train.train(description, stopped, report=die)
    train.train(description, stopped, resume=True, report=die)
    assert updates == [2, 4, 6]
    whole, again = Checkpoint.read(tmp_path / "whole"), Checkpoint.read(stopped)
    assert whole.tensors.keys() == again.tensors.keys()
    for name, tensor in whole.tensors.items():
        assert torch.equal(tensor, again.tensors[name]), name
    logs = [(p / "log.jsonl").read_text().splitlines() for p in (tmp_path / "whole", stopped)]
    kept = [[json.loads(line)[k] for k in ("updates", "reward", "regret")] for line in logs[0]]
    assert kept == [
        [json.loads(line)[k] for k in ("updates", "reward", "regret")] for line in logs[1]
    ]


@pytest.mark.parametrize("algorithm", ["mappo", "dqn"])
def test_settings_of_the_paper_can_be_trained_and_kept(algorithm, tmp_path):
    train.train(train.describe(algorithm, PAPER, "paper", updates=2, validate_every=1), tmp_path)
    assert Checkpoint.read(tmp_path).progress.updates == 2


def test_a_run_is_neither_overwritten_nor_taken_up_by_another(tmp_path):
    train.train(tiny("distill"), tmp_path)
    with pytest.raises(ValueError, match="holds a run already"):
        train.train(tiny("distill"), tmp_path)
    with pytest.raises(ValueError, match="has seed = 0, not 1"):
        train.train(tiny("distill", seed=1), tmp_path, resume=True)
    with pytest.raises(ValueError, match="is one of distill, not of dqn"):
        train.train(tiny("dqn"), tmp_path, resume=True)


# --------------------------------------------------------------------------------------- mishaps


def test_divergence_stops_the_run_and_keeps_the_last_checkpoint(tmp_path, monkeypatch):
    good = mappo.Learner.update

    def spoil(learner):
        metrics = good(learner)
        return metrics | ({"policy": float("nan")} if learner.updates == 3 else {})

    monkeypatch.setattr(mappo.Learner, "update", spoil)
    with pytest.raises(ValueError, match="diverged in update 3: policy = nan; the last good"):
        train.train(tiny("mappo"), tmp_path)
    assert Checkpoint.read(tmp_path).progress.updates == 2


def test_weights_that_are_not_finite_stop_the_run(tmp_path):
    description = train.describe("mappo", PAPER, **TINY["mappo"] | {"learning_rate": 1e10})
    with pytest.raises(ValueError, match="training diverged in update"):
        train.train(description, tmp_path)


def test_collapse_is_said_where_the_optimum_differs():
    validation = train.Validation.draw(Environment(PAPER, 1))
    assert 0.1 < validation.offloading < 0.9
    for done in (0.5, 1.0):
        assert "collapsed to all-local" in validation.collapsed(0.0, done)
        assert "collapsed to all-offload" in validation.collapsed(1.0, done)
        assert validation.collapsed(0.5, done) == ""
        assert replace(validation, offloading=0.001).collapsed(0.0, done) == ""
    assert validation.collapsed(0.0, 0.1) == ""  # the first row of a run, which still explores


@pytest.mark.parametrize("word", ["tpu", "gpu"])
def test_an_unknown_device_is_refused(word):
    with pytest.raises(ValueError, match=f"device = '{word}'"):
        train.choose_device(word)


# --------------------------------------------------------------------------------------- learning


def test_distillation_beats_every_fixed_action_on_a_small_budget(tmp_path):
    description = train.describe(
        "distill",
        CONTENDED,
        observation="shared",
        slots=4096,
        updates=15,
        minibatch=128,
        validate_every=15,
    )
    train.train(description, tmp_path)
    scores = evaluate.evaluate([str(tmp_path), "constant"], CONTENDED, 300).scores
    assert scores[str(tmp_path)].qoe > scores["constant"].qoe


def test_mappo_finds_the_modes_of_the_paper(tmp_path):
    description = train.describe(
        "mappo", PAPER, slots=256, updates=500, validate_every=500, minibatches=1
    )
    train.train(description, tmp_path)
    score = evaluate.evaluate([str(tmp_path)], PAPER, 300).scores[str(tmp_path)]
    assert score.ratio > 0.97


def single(**tables):
    """One user, one sub-channel: a text task is best sent raw, an image task kept local."""
    document = PAPER.to_dict() | {"name": "single", "assumed": {}} | tables
    document["system"] = document["system"] | {"users": 1, "channels": 1}
    document.pop("slot")
    return Scenario.from_dict(document)


def test_dqn_learns_a_problem_of_a_few_actions(tmp_path):
    scenario = single(grid={"power": 2, "frequency": 2, "extraction": 2})
    description = train.describe(
        "dqn", scenario, slots=16, updates=40, levels=2, validate_every=40, width=32, minibatch=64
    )
    train.train(description, tmp_path)
    scores = evaluate.evaluate([str(tmp_path), "exact"], scenario, 200).scores
    assert scores[str(tmp_path)].qoe > 0.97 * scores["exact"].qoe  # on the same two levels


def test_semantic_unaware_policies_never_extract(tmp_path):
    description = tiny("mappo", semantic=False)
    learner, _ = train.make(description, torch.device("cpu"))
    learner.update()
    gain, task = PAPER.draw(50, 9)
    actions = train.decide(learner.env, learner.policy, gain, task)
    assert (actions.extraction == 1.0).all()
    assert (np.asarray(learner.play()[0].sample.mode) != SEMANTIC).all()


def test_decisions_are_recovered_from_actions():
    env = Environment(CONTENDED, 1)
    gain, task = CONTENDED.draw(200, 4)
    batch = solve_batch(CONTENDED, gain, task)
    mode, level = distill.undecide(env, batch.actions, task)
    score = np.zeros((200, 2, 2), np.float32)
    for s, n in product(range(200), range(2)):
        if batch.actions.channel[s, n] >= 0:
            score[s, n, batch.actions.channel[s, n]] = 1.0
    back = Actions.empty(*task.shape)
    env.decide(Decisions(mode.astype(np.uint8), level, score), task, back)
    for name in ("channel", "power", "frequency", "extraction"):
        found, expected = getattr(back, name), getattr(batch.actions, name)
        assert found == pytest.approx(expected, rel=SINGLE), name


def test_actions_of_dqn_are_all_combinations():
    mode, channel, level = dqn.actions_of(Environment(PAPER, 1), 3)
    counts = {LOCAL: 3, RAW: 2 * 3, SEMANTIC: 2 * 27}
    assert {m: int((mode == m).sum()) for m in counts} == counts
    rows = {(int(m), int(k), *map(float, x)) for m, k, x in zip(mode, channel, level, strict=True)}
    assert len(rows) == 63
