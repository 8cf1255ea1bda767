"""Checkpoints of policies: kept whole, read as if anybody had written them, one run a folder."""

import json
import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from hashlib import sha256

import numpy as np
import pytest
import torch
from safetensors.torch import load, save

from semopt.checkpoints import DOCUMENT, PREVIOUS, locked
from semopt.learn import evaluate, train
from semopt.learn.algorithms import ALLOWED, module_of, settings_of
from semopt.learn.checkpoint import Checkpoint
from semopt.learn.logs import LOG
from semopt.methods import ALGORITHMS
from semopt.scenario import Scenario
from semopt.solvers import solve
from semopt.strict import sealed

PAPER, CONTENDED = Scenario.load("paper"), Scenario.load("contended")
TINY = {"slots": 32, "updates": 6, "minibatches": 2, "validate_every": 2, "width": 16}


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def tiny(scenario=PAPER, **changed):
    return train.describe("mappo", scenario, **TINY | changed)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    train.train(tiny(), folder)
    return folder


@pytest.fixture
def copied(trained, tmp_path):
    for file in trained.iterdir():
        if file.is_file():
            (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path


def test_the_checkpoint_before_is_kept_and_older_ones_go(trained):
    last, before = (json.loads((trained / name).read_text()) for name in (DOCUMENT, PREVIOUS))
    assert (last["progress"]["updates"], before["progress"]["updates"]) == (6, 4)
    files = {path.name for path in trained.glob("*.safetensors")}
    assert files == {last["tensors"]["file"], before["tensors"]["file"]}


def test_a_kill_while_writing_leaves_the_last_checkpoint(copied, monkeypatch):
    before = Checkpoint.read(copied)
    later = replace(before, progress=before.progress.model_copy(update={"updates": 8}))

    def fail(path, content):
        if path.name == DOCUMENT:
            raise ValueError(f"cannot write {path}: No space left on device")
        path.write_bytes(content if isinstance(content, bytes) else content.encode())

    monkeypatch.setattr("semopt.checkpoints.write_atomically", fail)
    with pytest.raises(ValueError, match="No space left"):
        later.write(copied)
    assert Checkpoint.read(copied).progress.updates == 6


# --------------------------------------------------------------------------------------- changed


def rewritten(folder, change, resealed=True):
    """Change the values of a document, and make its digest anew as a forger would."""
    path = folder / DOCUMENT
    document = json.loads(path.read_text())
    change(document)
    if resealed:
        document["digest"] = sealed(document)
    path.write_text(json.dumps(document))


def put(*path, value):
    """Return a change of one value; None takes its key away."""

    def change(document):
        *tables, key = path
        for table in tables:
            document = document[table]
        if value is NOTHING:
            del document[key]
        else:
            document[key] = value

    return change


NOTHING = object()
EDITS = {
    "a width of -1": (put("settings", "width", value=-1), "settings.width = -1: a whole number"),
    "a width of 0": (put("settings", "width", value=0), "settings.width = 0"),
    "a width in words": (put("settings", "width", value="16"), "settings.width = '16'"),
    "half a unit": (put("settings", "width", value=16.5), "settings.width = 16.5: a whole"),
    "slots that are true": (put("settings", "slots", value=True), "settings.slots = True"),
    "no setting": (put("settings", "clip", value=NOTHING), "settings.clip is missing"),
    "an unknown setting": (put("settings", "depth", value=2), "settings.depth is no setting"),
    "a baseline": (put("settings", "baseline", value="none"), "settings.baseline = 'none'"),
    "minibatches": (put("settings", "minibatches", value=99), "at most slots x steps, 32"),
    "settings null": (put("settings", value=None), "settings = None"),
    "seed null": (put("seed", value=None), "seed = None"),
    "seed -1": (put("seed", value=-1), "seed = -1"),
    "seed 0.5": (put("seed", value=0.5), "seed = 0.5"),
    "no seed": (put("seed", value=NOTHING), "seed is missing"),
    "an algorithm": (put("algorithm", value="os"), "algorithm = 'os'"),
    "an observation": (put("observation", value="all"), "observation = 'all'"),
    "semantic in words": (put("semantic", value="yes"), "semantic = 'yes'"),
    "semantic 1": (put("semantic", value=1), "semantic = 1"),
    "updates -1": (put("progress", "updates", value=-1), "progress.updates = -1"),
    "updates of an update": (put("progress", "updates", value=1.5), "progress.updates = 1.5"),
    "threads 0": (put("progress", "threads", value=0), "progress.threads = 0"),
    "a slot": (put("progress", "slot", value=2**32), "progress.slot = 4294967296"),
    "an unknown progress": (put("progress", "note", value=1), "progress.note is an unknown key"),
    "progress a list": (put("progress", value=[]), r"progress = \[\]"),
    "an unknown key": (put("note", value="mine"), "note is an unknown key"),
    "a scenario's type": (put("scenario", value=3), "scenario = 3"),
    "a scenario's key": (put("scenario", "system", "noise", value=1), "noise"),
    "a scenario's number": (
        put("scenario", "system", "latency_max_ms", value=-8.0),
        "system.latency_max_ms = -8.0: must be",
    ),
    "a table from a file": (
        put("scenario", "tasks", "text", "accuracy", value={"file": "/etc/hosts"}),
        "accuracy",
    ),
    "tensors elsewhere": (put("tensors", "file", value="../x.safetensors"), "tensors.file"),
    "tensors' digest": (put("tensors", "sha256", value="0"), "tensors.sha256 = '0'"),
    "no tensors": (put("tensors", value=NOTHING), "tensors is missing"),
    "versions": (put("versions", value=[1]), "versions"),
    "a schema": (put("schema", value=99), "schema 99; this version reads schema 2"),
    "schema 1": (put("schema", value=1), "schema 1; this version reads schema 2"),
    "a schema in words": (put("schema", value="2"), "schema '2'"),
    "schema true": (put("schema", value=True), "schema True"),
    "no schema": (put("schema", value=NOTHING), "has no schema"),
}


@pytest.mark.parametrize("kind", EDITS)
def test_what_a_checkpoint_may_not_say_is_named(copied, kind):
    change, message = EDITS[kind]
    rewritten(copied, change)
    for use in (
        lambda: evaluate.evaluate([str(copied)], PAPER, 2),
        lambda: train.train(tiny(), copied, resume=True),
    ):
        with pytest.raises(ValueError, match=message) as error:
            use()
        assert str(copied) in str(error.value)


def test_an_edit_that_would_be_allowed_is_noticed_by_the_digest(copied):
    rewritten(copied, put("scenario", "system", "latency_max_ms", value=80.0), resealed=False)
    with pytest.raises(ValueError, match="it was edited: its content is not that of its digest"):
        evaluate.evaluate([str(copied)], PAPER, 2)


def test_every_leaf_of_a_checkpoint_is_under_its_digest(copied):
    text = (copied / DOCUMENT).read_text()

    def leaves(value, path=()):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            if isinstance(inner, dict | list):
                yield from leaves(inner, (*path, key))
            else:
                yield (*path, key), inner

    places = list(leaves(json.loads(text)))
    assert len(places) > 100
    for path, value in places:
        other = (not value) if isinstance(value, bool) else (value or 0) * 2 or "x"
        rewritten(copied, put(*path, value=other), resealed=False)
        with pytest.raises(ValueError, match=r"checkpoint\.json"):
            Checkpoint.read(copied)
        (copied / DOCUMENT).write_text(text)


NONSENSE = (None, True, -1, 0, 10**30, 1e308, -0.5, "", "x", "../..", [], {}, [[]], {"x": 1})


def places_of(value, path=()):
    """All places of a document, tables and lists among them."""
    for key, inner in list(value.items() if isinstance(value, dict) else enumerate(value)):
        yield (*path, key)
        if isinstance(inner, dict | list):
            yield from places_of(inner, (*path, key))


def fuzz(copied, rng, trials):
    """Put nonsense anywhere and seal it; return what was said to it, where anything was."""
    text, told = (copied / DOCUMENT).read_text(), []
    places = list(places_of(json.loads(text)))
    for _ in range(trials):
        for _ in range(int(rng.integers(1, 3))):
            path = places[int(rng.integers(len(places)))]
            value = NONSENSE[int(rng.integers(len(NONSENSE)))]
            with suppress(KeyError, IndexError, TypeError):  # an earlier change took the place away
                rewritten(copied, put(*path, value=value))
        for use in (
            lambda: evaluate.evaluate([str(copied)], PAPER, 2, reference="exact"),
            lambda: train.train(tiny(), copied, resume=True),
        ):
            try:
                use()
            except ValueError as error:
                told.append(str(error))
        (copied / DOCUMENT).write_text(text)
    return told


def test_nonsense_anywhere_is_one_sentence(copied):
    told = fuzz(copied, np.random.default_rng(0), 60)
    assert len(told) > 60
    assert all(str(copied) in sentence for sentence in told)


@pytest.mark.long
def test_nonsense_anywhere_is_one_sentence_many_times(copied):
    told = fuzz(copied, np.random.default_rng(1), 5000)
    assert len(told) > 5000
    assert all(str(copied) in sentence for sentence in told)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1, 2]", "has no schema"),
        ("", "is not JSON"),
        ('{"schema": 2', "is not JSON"),
        ('{"schema": 2, "schema": 2}', "has the key 'schema' twice"),
        ('{"schema": NaN}', "holds NaN"),
        ('{"schema": 2}', "tensors is missing"),
        (60_000 * '{"a":', "is nested too deeply"),
        ("\udcff", "is not UTF-8"),
    ],
)
def test_what_is_no_document_is_named(copied, text, message):
    (copied / DOCUMENT).write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ValueError, match=rf"checkpoint\.json is not a checkpoint .*{message}"):
        Checkpoint.read(copied)


def test_a_pipe_is_refused_and_not_waited_for(copied):
    (copied / DOCUMENT).unlink()
    os.mkfifo(copied / DOCUMENT)
    with pytest.raises(ValueError, match="it is a pipe"):
        Checkpoint.read(copied)


def retensored(folder, change):
    """Change the tensors, and make both digests anew."""
    document = json.loads((folder / DOCUMENT).read_text())
    path = folder / document["tensors"]["file"]
    tensors = load(path.read_bytes())
    content = change(tensors) or save(tensors)
    path.write_bytes(content)
    rewritten(folder, put("tensors", "sha256", value=sha256(content).hexdigest()))


def drop(name):
    return lambda tensors: tensors.pop(name).new_empty(0).tolist() or None


def fill(name, value):
    return lambda tensors: tensors[name].fill_(value).new_empty(0).tolist() or None


WEIGHT = "body.0.weight"
TENSORS = {
    "no generator": (drop("generator"), False, "generator is missing"),
    "no best": (drop(f"best.{WEIGHT}"), True, "settings"),
    "a shape": (
        lambda t: t.update({f"best.{WEIGHT}": torch.zeros(3, 3)}),
        True,
        "its tensors are not those of its settings",
    ),
    "a type": (lambda t: t.update(scale=torch.zeros(3)), False, "scale is torch.float32"),
    "one too many": (lambda t: t.update(other=torch.zeros(3)), False, "other is unknown"),
    "the optimiser's": (
        lambda t: t.update({"optimizer.0.exp_avg": torch.zeros(3)}),
        False,
        r"optimizer\.0\.exp_avg is torch.float32 of shape \(3,\)",
    ),
    "not finite": (
        fill(f"best.{WEIGHT}", float("nan")),
        True,
        "no finite number",
    ),
    "a generator's state": (fill("generator", 255), False, "settings"),
    "no tensors": (lambda t: b"nonsense of a forger", True, "not a file of safetensors"),
    "none at all": (lambda t: save({}), True, "settings"),
}


@pytest.mark.parametrize("kind", TENSORS)
def test_tensors_of_another_kind_are_named(copied, kind):
    change, decides, message = TENSORS[kind]
    retensored(copied, lambda t: found if isinstance(found := change(t), bytes) else None)
    with pytest.raises(ValueError, match=message) as refused:
        train.train(tiny(), copied, resume=True)
    assert not re.search(r"\n|\t", str(refused.value))
    if decides:
        with pytest.raises(ValueError, match=message) as refused:
            evaluate.evaluate([str(copied)], PAPER, 2)
        assert not re.search(r"\n|\t", str(refused.value))


def test_tensors_that_are_not_those_written_are_named(copied):
    document = json.loads((copied / DOCUMENT).read_text())
    tensors = copied / document["tensors"]["file"]
    tensors.write_bytes(tensors.read_bytes()[:-100])
    with pytest.raises(ValueError, match="truncated or foreign"):
        Checkpoint.read(copied)
    tensors.unlink()
    with pytest.raises(ValueError, match="No such file"):
        Checkpoint.read(copied)


def test_a_log_that_is_none_is_named(copied):
    (copied / LOG).write_text('{"updates": 2}\nnonsense\n')
    with pytest.raises(ValueError, match=r"log\.jsonl is not the log of a run"):
        train.train(tiny(), copied, resume=True)


# -------------------------------------------------------------------------------------- settings


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_all_settings_named_in_the_code_are_allowed(algorithm):
    for name in module_of(algorithm).SETTINGS:
        description = train.describe(algorithm, PAPER, name)
        assert settings_of(algorithm, description.settings)
        assert description.settings.keys() - {"baseline"} <= {
            *ALLOWED,
            *module_of(algorithm).ALLOWED,
        }


ENDS = {
    "mappo": {"layers": (0, 1), "final_rate": (0.0, 1.0), "discount": (0.0, 1.0), "clip": (1.0,)}
    | {
        "warmup": (0.0,),
        "value": (0.0,),
        "patience": (0,),
        "validate_every": (1,),
        "gae_lambda": (1.0,),
    },
    "dqn": {"explore": (0.0, 1.0), "final_explore": (0.0, 1.0), "levels": (1,), "memory": (1,)},
    "distill": {"margin": (0.0,), "minibatch": (1,), "level": (0.0,)},
}


@pytest.mark.parametrize("algorithm", ENDS)
def test_settings_at_the_ends_of_what_makes_sense_are_allowed(algorithm):
    for name, values in ENDS[algorithm].items():
        for value in values:
            description = train.describe(algorithm, PAPER, **{name: value})
            assert description.settings[name] == value


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"updates": -1}, "settings.updates = -1: a whole number from 1 to 1e"),
        ({"updates": 2.0}, "settings.updates = 2.0"),
        ({"learning_rate": float("nan")}, "settings.learning_rate = nan"),
        ({"discount": 1.5}, "settings.discount = 1.5: a number from 0 to 1"),
        ({"depth": 3}, "settings.depth is no setting of mappo"),
    ],
)
def test_a_setting_that_is_not_allowed_is_refused(changed, message):
    with pytest.raises(ValueError, match=message):
        train.describe("mappo", PAPER, **changed)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"observation": "all"}, "observation = 'all': must be one of own, shared"),
        ({"seed": -1}, "seed = -1"),
        ({"seed": None}, "seed = None"),
    ],
)
def test_a_description_is_checked_before_any_work(options, message):
    with pytest.raises(ValueError, match=message):
        train.describe("mappo", PAPER, **options)


def test_a_limit_that_rewards_do_not_know_is_refused_by_name():
    document = PAPER.to_dict()
    document["system"] = document["system"] | {"server_energy_max_mj": 3.0}
    with pytest.raises(ValueError, match=r"server_energy_max_mj .* leave it out to train"):
        train.describe("mappo", Scenario.from_dict(document))


# --------------------------------------------------------------------------------------- folders


def test_the_second_training_in_a_folder_is_refused(tmp_path):
    code = (
        "import sys, pathlib; from semopt.checkpoints import locked\n"
        f"with locked(pathlib.Path({str(tmp_path)!r})): print('held', flush=True); sys.stdin.read()"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", code], env=os.environ, **pipes) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(ValueError, match="is in use: another training"):
            train.train(tiny(), tmp_path)
        assert not (tmp_path / DOCUMENT).exists()
        other.send_signal(signal.SIGKILL)  # the lock goes with its process, however that ends
        other.wait()
        with locked(tmp_path), pytest.raises(ValueError, match="is in use"), locked(tmp_path):
            pass


@pytest.mark.parametrize("absent", ["empty", "nowhere"])
def test_there_must_be_a_run_to_take_up(tmp_path, absent):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"--resume: .* holds no run to take up"):
        train.train(tiny(), tmp_path / absent, resume=True)
    assert not (tmp_path / "nowhere").exists()


def test_a_folder_must_have_a_name_and_be_one(tmp_path):
    (tmp_path / "file").write_text("")
    for out, message in (("", "out = ''"), (tmp_path / "file", "is a file, a folder is expected")):
        with pytest.raises(ValueError, match=message):
            train.train(tiny(), out)


@pytest.mark.parametrize("limit", [float("nan"), -1.0])
def test_a_time_limit_is_a_time(tmp_path, limit):
    with pytest.raises(ValueError, match="time_limit = "):
        train.train(tiny(), tmp_path, time_limit=limit)


def test_ctrl_c_keeps_the_update_that_was_done(tmp_path):
    """The first asks for the end: its update, between two validations, is kept."""
    before = signal.getsignal(signal.SIGINT)

    def press(what, done):
        if what.startswith("training") and done > 0.3:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt, match=r"keeps the run up to update 3; --resume goes on"):
        train.train(tiny(updates=6, validate_every=100), tmp_path, tick=press)
    assert Checkpoint.read(tmp_path).progress.updates == 3
    assert signal.getsignal(signal.SIGINT) is before
    assert (
        train.train(tiny(updates=6, validate_every=100), tmp_path, resume=True)
        == "all updates are done"
    )


def test_a_second_ctrl_c_ends_at_once(tmp_path):
    def press(what, done):
        if what.startswith("training"):
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train.train(tiny(), tmp_path, tick=press)
    assert not (tmp_path / DOCUMENT).exists()
    assert train.kept_message(tmp_path) == "no checkpoint was written yet, nothing is kept"


# -------------------------------------------------------------------------------------- decisions


def test_a_policy_of_another_scenario_is_refused(trained):
    with pytest.raises(ValueError, match=r"system\.channels is 2; in contended-4 it is 4"):
        evaluate.evaluate([str(trained)], Scenario.load("contended-4"), 2)
    with pytest.raises(ValueError, match=r"for scenario paper, where system\.\w+ is"):
        evaluate.evaluate([str(trained)], CONTENDED, 2)


def test_solve_answers_from_a_checkpoint(trained):
    gain, task = PAPER.draw(3, 1)
    problem = PAPER.template().with_slot(gain[0], task[0])
    result = solve(problem, "policy", checkpoint=str(trained))
    assert result.status.word in ("feasible", "infeasible")
    if result.actions is not None:
        assert result.recompute() == result.objective
        assert result.objective <= solve(problem).objective + 0.02
    for name in ("mappo", "dqn"):
        with pytest.warns(FutureWarning, match=f"method '{name}' is an old name of 'policy'"):
            same = solve(problem, name, checkpoint=str(trained))
        assert same.method == result.method == "policy"
        assert same.objective == pytest.approx(result.objective, nan_ok=True)
    with pytest.raises(ValueError, match="needs --checkpoint"):
        solve(problem, "policy")


def test_a_checkpoint_of_an_earlier_version_is_read_and_taken_up(copied):
    def earlier(document):
        document["settings"]["every"] = document["settings"].pop("validate_every")

    rewritten(copied, earlier)
    assert Checkpoint.read(copied).description == tiny()
    assert train.train(tiny(), copied, resume=True) == "all updates are done"
