"""Measurements become a scenario: surfaces, counts and payloads of three modalities in one file.

What was measured goes into `[tasks]` and the two exponents; the rest is the preset `paper`'s, or
chosen here with its reason. The record beside the scenario holds all that the numbers came from.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from math import exp
from pathlib import Path
from typing import Any

import numpy as np

from ...files import write_atomically
from ...scenario import Scenario
from ...strict import read_json
from ..data.sources import MODELS, SOURCES
from ..networks.flops import PowerFit, fit_exponent
from . import devices
from .plans import MODALITIES
from .record import SCHEMA

EXTRACTION_MAX = 0.95  # semantic mode ends below 1, which is raw mode
DIGITS = 4
HEAD = """\
Written by `semopt semantic export {name}` from what was measured; {name}.json beside this file is
the record. To measure again: `semopt semantic measure --all --scenario {name} --out DIR`, then
`semopt semantic export {name} --from DIR`."""


KEYS = {"data", "networks", "accuracy", "floors", "raw_kbit"}  # of a record


def read_records(folder: Path, names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return the records of data sets by modality.

    Raises
    ------
    ValueError
        Where one is missing, or is no record of this version and of that data set.
    """
    records = {}
    for name in names:
        path = folder / f"{name}.json"
        if not path.exists():
            raise ValueError(
                f"{path} is missing: `semopt semantic measure {name} --out {folder}` writes it"
            )
        try:
            record = read_json(path)
        except ValueError as error:
            raise ValueError(f"{path} is no record of a measurement: {error}") from None
        if not isinstance(record, dict) or record.get("schema") != SCHEMA:
            raise ValueError(f"{path} is no record of a measurement of schema {SCHEMA}")
        if absent := KEYS - record.keys():
            raise ValueError(f"{path}: {', '.join(sorted(absent))} of the record is missing")
        data, modality = record["data"], SOURCES[name].modality
        if (data.get("name"), data.get("modality")) != (name, modality):
            raise ValueError(
                f"{path} is the record of {data.get('name')!r}, {data.get('modality')!r}: that of "
                f"{name!r}, {modality!r}, is expected"
            )
        records[modality] = record
    return records


def joint_fit(
    costs: list[dict[str, Any]], key: str, *, rising: bool
) -> tuple[PowerFit, list[float]]:
    """Fit one exponent to a figure of all modalities, each with a scale of its own.

    Least squares of logarithms: each modality's figures are divided by their geometric mean, for
    the scenario has one exponent for all tasks.

    Returns
    -------
    the fit, and the value at extraction 1 of each modality
    """
    extraction = [mu for cost in costs for mu in cost["extraction"]]
    means = [exp(float(np.mean(np.log(cost[key])))) for cost in costs]
    values = [v / mean for cost, mean in zip(costs, means, strict=True) for v in cost[key]]
    fit = fit_exponent(extraction, values, rising=rising)
    return fit, [mean * fit.scale for mean in means]


def task_of(record: dict[str, Any], extract_flop: float, bits: float) -> dict[str, Any]:
    """Return one task of the scenario.

    Parameters
    ----------
    record : of its modality
    extract_flop, bits : of semantic mode at extraction 1, as fitted
    """
    networks, surface = record["networks"], record["accuracy"]["semantic"]
    local, raw = local_model(record), raw_model(record)
    return {
        "data_kbit": rounded(record["raw_kbit"]),
        "semantic_kbit": rounded(bits / 1e3),
        "local_mflop": rounded(local["flop"] / 1e6),
        "extract_mflop": rounded(extract_flop / 1e6),
        "server_mflop": rounded(max(networks["semantic"]["server_flop"]) / 1e6),
        "server_raw_mflop": rounded(raw["flop"] / 1e6),
        "local_accuracy": local["accuracy"],
        "extraction_max": EXTRACTION_MAX,
        "accuracy": {
            "extraction": surface["extraction"],
            "snr_db": surface["snr_db"],
            "table": surface["table"],
            "raw": [raw["accuracy"]] * len(surface["snr_db"]),
        },
    }


def local_model(record: dict[str, Any]) -> dict[str, Any]:
    """Return local execution: the network, or the model of a floor that is better."""
    floors = [
        {"name": name, "accuracy": floor["accuracy"], "flop": floor["flop"]}
        for name, floor in record["floors"].items()
        if floor["flop"]
    ]
    return max([network_of(record, "local"), *floors], key=lambda model: float(model["accuracy"]))


def raw_model(record: dict[str, Any]) -> dict[str, Any]:
    """Return what the server runs in raw mode: its own model, or the local one if that is better.

    A server can run whatever its users can.
    """
    return max(
        network_of(record, "server"), local_model(record), key=lambda m: float(m["accuracy"])
    )


def network_of(record: dict[str, Any], role: str) -> dict[str, Any]:
    """Return name, accuracy and FLOPs of a network that runs in one place."""
    return {
        "name": f"{role} network",
        "accuracy": record["accuracy"][role]["accuracy"],
        "flop": whole_flop(record["networks"][role]),
    }


def whole_flop(costs: dict[str, Any]) -> int:
    """Return the FLOPs of a network that runs in one place."""
    return int(costs["user_flop"][0] + costs["server_flop"][0])


def rounded(value: float) -> float:
    """Return a figure with so many significant digits as a scenario shows."""
    return float(f"{value:.{DIGITS}g}")


CONTENTION = (
    "chosen so that there is something to decide. With Table II's 2 users, 2 sub-channels and "
    "12 GFLOP/s at the server every task is best sent in semantic mode, features all but whole; a "
    "server of twice that speed makes raw mode pay, a third user local execution"
)
FIT = "assumed: of a fit to the paper's published results in which each mode pays somewhere"
SLOPES: dict[str, tuple[Any, str]] = {
    "qoe.slope_latency_per_ms": (5.138, FIT),
    "qoe.slope_energy_per_mj": (1.049, FIT),
    "qoe.slope_accuracy": (54.97, FIT),
}
# What a scenario takes from elsewhere than measurements: changes to the preset `paper`, by dotted
# path, each with its reason.
CHOSEN: dict[str, dict[str, tuple[Any, str]]] = {
    "measured": SLOPES
    | {
        "user.reference_frequency_ghz": (0.7066, FIT),
        "system.users": (3, CONTENTION),
        "system.channels": (2, CONTENTION),
        "system.server_flop_per_cycle": (8.0, CONTENTION),
    },
    "grounded": SLOPES | devices.CHOSEN,
}


def data_sets(instead: Iterable[str] = ()) -> list[str]:
    """Return the data set of each modality: the usual one, or another in its place.

    Raises
    ------
    ValueError
        For an unknown data set.
    """
    chosen = dict(MODALITIES)
    for name in instead:
        if name not in SOURCES:
            raise ValueError(f"data set {name!r} is not one of {', '.join(SOURCES)}")
        chosen[SOURCES[name].modality] = name
    return list(chosen.values())


PRETRAINED = {"measured": ("minilm",), "grounded": ("minilm", "dinov2-small")}
DESCRIPTIONS = {
    "measured": "accuracies, FLOPs and bits measured on tiny models (words begin as MiniLM's, "
    "reduced): movie snippets, Fashion-MNIST and easy-VQA",
    "grounded": "pretrained MiniLM and a ViT taken for DINOv2-small, at their true cost on a "
    "Jetson Orin Nano and an L4, over 3GPP radio: movie snippets, Fashion-MNIST and easy-VQA",
}


def scenario(name: str, records: dict[str, dict[str, Any]]) -> tuple[Scenario, dict[str, Any]]:
    """Return a scenario of what was measured, and its record."""
    base = Scenario.load("paper").to_dict()
    codecs = [record["networks"]["semantic"] for record in records.values()]
    extract, extract_flop = joint_fit(codecs, "user_flop", rising=False)
    compress, bits = joint_fit(codecs, "bits", rising=True)
    document = {
        **base,
        "name": name,
        "description": DESCRIPTIONS[name],
        "tasks": {
            modality: task_of(record, *figures)
            for (modality, record), *figures in zip(
                records.items(), extract_flop, bits, strict=True
            )
        },
    }
    del document["slot"]
    document["system"] |= {
        "compress_exponent": rounded(compress.exponent),
        "extract_exponent": rounded(extract.exponent),
    }
    reasons = {
        path: reason for path, reason in base["assumed"].items() if path.startswith(("qoe", "user"))
    }
    for path, (value, reason) in CHOSEN[name].items():
        *tables, key = path.split(".")
        place = document
        for table in tables:
            place = place[table]
        place[key] = value
        reasons[path] = reason
    document["assumed"] = reasons | notes(records, extract, compress)
    record = {
        "schema": SCHEMA,
        "scenario": name,
        "compress_exponent": fitted(compress),
        "extract_exponent": fitted(extract),
        "local": {modality: local_model(record) for modality, record in records.items()},
        "raw": {modality: raw_model(record) for modality, record in records.items()},
        "models": [model_of(model) for model in PRETRAINED[name]],
        "modalities": records,
    }
    return Scenario.from_dict(document, source=name), record


def model_of(name: str) -> dict[str, Any]:
    """Return whose a pretrained model is, what is known of it, and its files."""
    model = MODELS[name]
    return {
        "name": model.name,
        "title": model.title,
        "licence": model.licence,
        "citation": model.citation,
        "note": model.note,
        "files": {file.name: file.sha256 for file in model.files},
    }


def fitted(fit: PowerFit) -> dict[str, Any]:
    """Return a fit as the record has it, with the digits that every machine agrees on."""
    exponent, error = (float(f"{figure:.6g}") for figure in (fit.exponent, fit.error))
    return {"exponent": exponent, "largest_relative_error": error, "clamped": fit.clamped}


def notes(
    records: dict[str, dict[str, Any]], extract: PowerFit, compress: PowerFit
) -> dict[str, str]:
    """Return, by path, what a reader should know of figures that are not measured as they stand."""
    clamped = " (the fit was below 0, which the model does not allow)"
    reasons = {
        "system.extract_exponent": "fitted to the FLOPs of early exits, one exponent for all "
        f"tasks: off by up to {extract.error:.0%}{clamped if extract.clamped else ''}",
        "system.compress_exponent": "fitted to the bits of the features sent: off by up to "
        f"{compress.error:.1%}",
    }
    for modality, record in records.items():
        surface = record["accuracy"]["semantic"]
        reasons[f"tasks.{modality}"] = (
            f"measured on {record['data']['title']}, {surface['samples']} test samples; the table "
            f"is the nearest monotone one, moved by up to {100 * surface['moved_most']:.1f} points"
        )
        for role, key, model in (
            ("local", "local_accuracy", local_model(record)),
            ("server", "server_raw_mflop", raw_model(record)),
        ):
            best = network_of(record, role)
            if model["name"] != best["name"]:
                reasons[f"tasks.{modality}.{key}"] = (
                    f"of the {model['name']}, {model['accuracy']:.2%}; the {best['name']} reaches "
                    f"{best['accuracy']:.2%} only (both on the test part)"
                )
    return reasons


def export(name: str, records: dict[str, dict[str, Any]], folder: Path) -> list[Path]:
    """Write the scenario and its record to a folder; return the files."""
    document, record = scenario(name, records)
    files = [folder / f"{name}.toml", folder / f"{name}.json"]
    write_atomically(files[0], document.to_toml(HEAD.format(name=name)))
    write_atomically(files[1], json.dumps(record, indent=1, allow_nan=False) + "\n")
    return files
