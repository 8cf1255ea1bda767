"""Records become scenarios: figures, fits and reasons; recorded accuracies stay what they were."""

import json
from copy import deepcopy

import numpy as np
import pytest

from tolerances import SUMS

pytest.importorskip("torch")
pytest.importorskip("transformers")

from drawing import rows_of
from semopt.scenario import PRESETS, Scenario
from semopt.semantic.measure import accuracy, export
from semopt.semantic.measure.plans import MODALITIES
from semopt.semantic.measure.record import costs
from semopt.semantic.networks import codec
from semopt.semantic.networks.codec import Sizes, Source

SIZES = {
    "semantic": Sizes(width=16, inner=24, heads=2, exits=(1, 2, 3), features=10, decoder=1),
    "local": Sizes(width=16, inner=24, heads=2, exits=(3,)),
    "server": Sizes(width=32, inner=24, heads=2, exits=(3,)),
}
SOURCES = {
    "text": Source(2, words=30, length=6),
    "image": Source(4, pixels=14, colours=3),
    "vqa": Source(5, words=30, length=6, pixels=14, colours=3),
}


def record(modality, local=800, floor=700):
    """A record as `measure` writes it, of networks that were never trained."""
    networks = {
        role: costs(codec.build(sizes, SOURCES[modality]), SOURCES[modality].length)
        for role, sizes in SIZES.items()
    }
    points, snrs = accuracy.EXTRACTIONS, accuracy.SNRS_DB
    right = np.add.outer(np.arange(len(points)), np.arange(len(snrs))) + 700
    right[2, 3] = 650
    surface = accuracy.Surface(points, snrs, right, 1000)
    return {
        "schema": 1,
        "data": {"name": MODALITIES[modality], "title": "made up", "modality": modality},
        "networks": networks,
        "accuracy": {
            "local": accuracy.proportion(local, 1000),
            "server": accuracy.proportion(820, 1000),
            "semantic": surface.to_json(),
        },
        "floors": {
            "majority": {"accuracy": 0.999, "flop": 0},
            "linear": {"accuracy": floor / 1000, "flop": 2000},
        },
        "raw_kbit": 2.5,
    }


@pytest.fixture
def records():
    return {modality: record(modality) for modality in SOURCES}


def test_figures_of_a_task(records):
    found, _ = export.scenario("measured", records)
    task, costs_of = found.tasks["image"], records["image"]["networks"]
    assert task.data_kbit == 2.5
    assert task.local_accuracy == 0.8
    assert task.accuracy.raw == [0.82] * len(accuracy.SNRS_DB)
    for figure, role in (("local_mflop", "local"), ("server_raw_mflop", "server")):
        flop = sum(costs_of[role][side][0] for side in ("user_flop", "server_flop"))
        assert getattr(task, figure) == pytest.approx(flop / 1e6, rel=1e-3)
    assert task.server_mflop == pytest.approx(costs_of["semantic"]["server_flop"][-1] / 1e6, 1e-3)
    assert task.extraction_max == export.EXTRACTION_MAX < 1


def test_exponents_are_the_joint_least_squares(records):
    """Against a plain linear regression: a logarithm for each modality, one slope for all."""
    for key, sign in (("user_flop", -1.0), ("bits", 1.0)):
        codecs = [each["networks"]["semantic"] for each in records.values()]
        rows, wanted = [], []
        for i, cost in enumerate(codecs):
            for mu, value in zip(cost["extraction"], cost[key], strict=True):
                rows.append([*np.eye(3)[i], sign * np.log(mu)])
                wanted.append(np.log(value))
        *logs, exponent = np.linalg.lstsq(np.array(rows), np.array(wanted), rcond=None)[0]
        fit, scales = export.joint_fit(codecs, key, rising=sign > 0)
        assert fit.exponent == pytest.approx(exponent, rel=SUMS)
        np.testing.assert_allclose(scales, np.exp(logs), rtol=SUMS)


def test_a_local_model_below_its_floor_is_replaced(records):
    records["text"] = record("text", local=690, floor=700)
    found, kept = export.scenario("measured", records)
    assert found.tasks["text"].local_accuracy == 0.7
    assert found.tasks["text"].local_mflop == 0.002
    assert kept["local"]["text"]["name"] == "linear"
    assert "69.00%" in found.assumed["tasks.text.local_accuracy"]
    assert kept["local"]["image"]["name"] == "local network"


def test_a_server_model_below_the_local_one_is_replaced(records):
    records["image"] = record("image", local=850)
    found, kept = export.scenario("measured", records)
    task = found.tasks["image"]
    assert task.accuracy.raw == [0.85] * len(accuracy.SNRS_DB)
    assert task.server_raw_mflop == task.local_mflop
    assert kept["raw"]["image"]["name"] == "local network"
    assert "82.00% only" in found.assumed["tasks.image.server_raw_mflop"]
    assert kept["raw"]["text"]["name"] == "server network"


def test_files(records, tmp_path):
    for each in records.values():
        (tmp_path / f"{each['data']['name']}.json").write_text(json.dumps(each))
    read = export.read_records(tmp_path, export.data_sets())
    assert read == records
    files = export.export("measured", read, tmp_path)
    scenario = Scenario.load(tmp_path / "measured.toml")
    assert scenario.tasks["vqa"].accuracy.table == records["vqa"]["accuracy"]["semantic"]["table"]
    assert json.loads(files[1].read_text())["modalities"] == records


def test_missing_and_foreign_records(records, tmp_path):
    with pytest.raises(ValueError, match=r"movie-snippets.json is missing: `semopt semantic measu"):
        export.read_records(tmp_path, ["movie-snippets"])
    for text in ("[1, 2", '{"schema": 1, "schema": 1}', '{"data": NaN}', "[" * 100_000):
        (tmp_path / "movie-snippets.json").write_text(text)
        with pytest.raises(ValueError, match="is no record of a measurement"):
            export.read_records(tmp_path, ["movie-snippets"])
    other = deepcopy(records["text"]) | {"schema": 7}
    (tmp_path / "movie-snippets.json").write_text(json.dumps(other))
    with pytest.raises(ValueError, match="of schema 1"):
        export.read_records(tmp_path, ["movie-snippets"])
    for altered, words in (
        (records["image"], "is the record of 'fashion-mnist', 'image'"),
        ({k: v for k, v in records["text"].items() if k != "networks"}, "networks of the record"),
    ):
        (tmp_path / "movie-snippets.json").write_text(json.dumps(altered))
        with pytest.raises(ValueError, match=words):
            export.read_records(tmp_path, ["movie-snippets"])


def test_the_shipped_scenario_is_what_its_record_gives():
    shipped = json.loads((PRESETS / "measured.json").read_text(encoding="utf-8"))
    found, kept = export.scenario("measured", shipped["modalities"])
    assert kept == shipped
    text = (PRESETS / "measured.toml").read_text(encoding="utf-8")
    assert found.to_toml(export.HEAD.format(name="measured")) == text


def test_a_surface_is_drawn_as_it_was_measured():
    charts = pytest.importorskip("semopt.report.charts", reason="altair is not installed")
    spec = charts.surface(record("image"))
    at = {(row["extraction"], row["snr"]): row for row in rows_of(spec, 0)}
    place = accuracy.EXTRACTIONS[2], accuracy.SNRS_DB[3]
    assert at[place]["right"] == 0.65  # 650 of 1000
    assert at[place]["table"] > 0.65  # the fit does not fall
    assert {row["level"]: row["at"] for row in rows_of(spec, -1)} == {
        "server": 0.82,
        "local": 0.8,
        "floor: majority": 0.999,
    }
