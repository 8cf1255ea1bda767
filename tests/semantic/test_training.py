"""Training of codecs: exact resume, refusals, and smoke runs on real data above their floors."""

import json
import signal
from dataclasses import replace
from hashlib import sha256

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from safetensors.torch import save  # noqa: E402

from semopt.semantic.data import splits  # noqa: E402
from semopt.semantic.data.sources import SOURCES, data_folder, missing  # noqa: E402
from semopt.semantic.data.splits import Dataset, Split  # noqa: E402
from semopt.semantic.measure.floors import majority  # noqa: E402
from semopt.semantic.measure.plans import MODALITIES, plan_of  # noqa: E402
from semopt.semantic.networks import training  # noqa: E402
from semopt.semantic.networks.codec import Sizes  # noqa: E402
from semopt.semantic.networks.plan import Plan  # noqa: E402
from semopt.semantic.networks.samples import tensors  # noqa: E402
from semopt.strict import sealed  # noqa: E402

SIZES = Sizes(width=16, inner=16, heads=2, exits=(1, 2), features=4, decoder=1, dropout=0.2)
PLAN = Plan("fashion-mnist", "semantic", SIZES, 4, batch=10)


def dataset(samples=60):
    """Images that are bright on the left or on the right."""
    rng = np.random.default_rng(0)

    def split():
        label = rng.integers(0, 2, samples)
        image = rng.integers(0, 120, (samples, 14, 14, 1), dtype=np.uint8)
        for picture, side in zip(image, label, strict=True):
            picture[:, 7 * side : 7 * side + 7] += 100
        return Split(label, image=image)

    return Dataset(SOURCES["fashion-mnist"], ("left", "right"), split(), split(), split())


def run(folder, plan=PLAN, samples=60, **options):
    return training.train(plan, dataset(samples), folder, folder / "run", **options)


class StoppedError(Exception):
    pass


def stop_after(epochs):
    def report(told):
        if told.epoch == epochs:
            raise StoppedError

    return report


def weights(network):
    return {name: tensor.numpy().tobytes() for name, tensor in network.state_dict().items()}


def test_it_learns(tmp_path):
    told = []
    plan = replace(PLAN, epochs=8, learning_rate=3e-3)
    network = run(tmp_path, plan, samples=400, report=told.append)
    parts, _ = tensors(dataset(), "own", 0, tmp_path)
    assert training.hits(network, parts.test, 1.0, 20.0, 0).mean() > 0.9
    assert [each.epoch for each in told] == list(range(1, 9))
    assert told[-1].left == 0.0


@pytest.mark.parametrize("stop", [1, 3])
def test_resumed_is_as_never_stopped(tmp_path, stop):
    whole = weights(run(tmp_path / "whole"))
    with pytest.raises(StoppedError):
        run(tmp_path / "parts", report=stop_after(stop))
    assert weights(run(tmp_path / "parts", resume=True)) == whole
    assert weights(run(tmp_path / "parts", resume=True)) == whole  # ended: taken as it is


@pytest.mark.parametrize("batches", [1, 4, 9])
def test_ctrl_c_within_an_epoch_loses_nothing(tmp_path, batches):
    whole, seen = weights(run(tmp_path / "whole")), []

    def tick(share):
        seen.append(share)
        if len(seen) == batches:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "parts", tick=tick)
    assert len(seen) == batches  # it ends after the batch at work
    told = []
    assert weights(run(tmp_path / "parts", resume=True, tick=told.append)) == whole
    assert (seen + told)[-1] == 1.0
    assert len(seen) + len(told) == len(ticks(tmp_path / "other"))


def ticks(folder):
    """Return the shares that a run which is not stopped tells."""
    told = []
    run(folder, tick=told.append)
    return told


def test_a_second_ctrl_c_comes_through_at_once(tmp_path):
    def tick(share):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        pytest.fail("the second was held back")

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, tick=tick)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_rates_rise_in_a_twentieth_of_the_updates_and_fall_to_the_end():
    # Of 40 updates two are warm; the other 38 fall by as much each.
    rates = [training.schedule(step, 40) for step in range(40)]
    assert rates == pytest.approx([0.5, 1.0, *(left / 38 for left in range(38, 0, -1))])
    assert training.schedule(0, 1) == 1.0


def test_another_seed_gives_other_weights(tmp_path):
    assert weights(run(tmp_path / "a")) != weights(run(tmp_path / "b", replace(PLAN, seed=1)))


def test_folder_in_use(tmp_path):
    run(tmp_path, replace(PLAN, epochs=1))
    with pytest.raises(ValueError, match="holds a run already: --resume"):
        run(tmp_path, replace(PLAN, epochs=1))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data": "movie-snippets"}, "data = fashion-mnist, not movie-snippets"),
        ({"seed": 3}, "seed = 0, not 3"),
        ({"sizes": replace(SIZES, width=32)}, "sizes.width = 16, not 32"),
    ],
)
def test_run_of_another_plan(tmp_path, change, message):
    run(tmp_path, replace(PLAN, epochs=1))
    with pytest.raises(ValueError, match=message):
        run(tmp_path, replace(PLAN, epochs=1, **change), resume=True)


def changed(folder, how):
    path = folder / "run" / "checkpoint.json"
    document = json.loads(path.read_text())
    tensors_file = folder / "run" / document["tensors"]["file"]
    match how:
        case "truncated":
            tensors_file.write_bytes(tensors_file.read_bytes()[:100])
        case "no json":
            path.write_text("nonsense")
        case "policy":
            policy = {k: v for k, v in document.items() if k != "kind"} | {"algorithm": "mappo"}
            path.write_text(json.dumps(policy | {"digest": sealed(policy)}))
        case "edited":
            document["progress"]["epochs"] = 2
            path.write_text(json.dumps(document))
        case "negative":
            document["progress"]["epochs"] = -1
            path.write_text(json.dumps(document | {"digest": sealed(document)}))
        case "foreign tensors":
            content = save({"best.weight": torch.zeros(2)})
            tensors_file.write_bytes(content)
            document["tensors"]["sha256"] = sha256(content).hexdigest()
            path.write_text(json.dumps(document | {"digest": sealed(document)}))
        case "schema":
            path.write_text(json.dumps(document | {"schema": 99}))


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("truncated", "100 bytes that are not what was written"),
        ("no json", "is not a checkpoint of semopt"),
        ("policy", "is a checkpoint of mappo, not of a semantic codec"),
        ("schema", "schema 99; this version reads schema 2"),
        ("edited", "it was edited"),
        ("negative", "progress.epochs = -1: input should be greater than or equal to 0"),
        ("foreign tensors", "its tensors are not those of its plan"),
    ],
)
def test_unfit_checkpoint(tmp_path, how, message):
    run(tmp_path, replace(PLAN, epochs=1))
    changed(tmp_path, how)
    with pytest.raises(ValueError, match=message):
        run(tmp_path, replace(PLAN, epochs=1), resume=True)


def test_plan_survives_json():
    plan = plan_of("movie-snippets", "semantic")
    assert Plan.from_dict(json.loads(json.dumps(plan.to_dict()))) == plan


def test_no_such_plan():
    with pytest.raises(ValueError, match="no plan for 'fashion-mnist' 'router': data sets"):
        plan_of("fashion-mnist", "router")


# Smoke runs: the shipped codecs with fewer stages, on a share of the real data.
SMOKE = {"movie-snippets": (0.3, 4), "fashion-mnist": (0.06, 3), "easy-vqa": (0.12, 2)}


@pytest.mark.parametrize("name", MODALITIES.values())
def test_training_beats_the_majority(name, tmp_path):
    if fault := missing(SOURCES[name], data_folder()):
        pytest.skip(fault)
    share, epochs = SMOKE[name]
    plan = plan_of(name, "semantic")
    sizes = replace(plan.sizes, exits=(1,), decoder=1)
    plan = replace(plan, share=share, epochs=epochs, words="own", sizes=sizes)
    found = splits.load(name, data_folder(), share)
    network = training.train(plan, found, data_folder(), tmp_path / "run")
    parts, _ = tensors(found, plan.words, plan.length, data_folder())
    for extraction, snr_db in ((1.0, 17.0), (0.3, 17.0), (1.0, 2.0)):
        right = int(training.hits(network, parts.test, extraction, snr_db, 0).sum())
        spread = np.sqrt(len(parts.test)) / 2  # at most one standard deviation of a count
        assert right > majority(found).right + 2 * spread, (extraction, snr_db)
