"""One modality measured: its networks trained, then accuracies, floors, FLOPs and bits."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import torch
from torch import Tensor, nn

from ...checkpoints import versions
from ...files import write_atomically
from ...strict import read_json
from ..data import splits
from ..networks import codec, flops
from ..networks.checkpoint import read
from ..networks.codec import Codec
from ..networks.plan import ROLES, Plan
from ..networks.samples import Samples, source_bits
from ..networks.training import EVALUATED, Progress, prepared, train
from . import accuracy, floors
from .accuracy import EXTRACTIONS
from .floors import Floor
from .plans import plan_of

SCHEMA = 1
MEASURED = "measured.json"  # beside a checkpoint: the accuracy of its weights
RIDGE = 1e-3  # penalty of the weights on random features, a sample


def measure(
    name: str,
    data: Path,
    out: Path,
    *,
    plans: dict[str, Plan] | None = None,
    report: Callable[[str, Progress], None] = lambda role, progress: None,
    tick: Callable[[str, float], None] = lambda step, share: None,
) -> dict[str, Any]:
    """Train what is not trained yet, measure a modality, and write its record.

    Parameters
    ----------
    name : of the data set
    data : folder of data and pretrained models
    out : folder; checkpoints go to NAME/ROLE in it, the record to NAME.json
    plans : of each role; those of `plans.PLANS` unless given
    report, tick : told (role, progress) after each epoch, and (step, share of it that is done)

    Returns
    -------
    the record, JSON values
    """
    wall, cpu = perf_counter(), process_time()
    plans = plans or {role: plan_of(name, role) for role in ROLES}
    dataset = splits.load(name, data, plans["semantic"].share)
    networks: dict[str, Any] = {}
    accuracies: dict[str, Any] = {}
    for role, plan in plans.items():

        def progressed(progress: Progress, role: str = role) -> None:
            report(role, progress)

        def trained(share: float, role: str = role) -> None:
            tick(role, share)

        folder = out / name / role
        parts, source = prepared(plan, dataset, data, lambda share: tick("features", share))
        network = train(plan, dataset, data, folder, resume=True, report=progressed, tick=trained)
        document, _ = read(folder)
        accuracies[role] = measured_once(
            folder / MEASURED,
            document["tensors"]["sha256"],
            partial(measured, network, parts.test, tick),
        )
        networks[role] = {
            "plan": document["plan"],
            "parameters": sum(weight.numel() for weight in network.parameters()),
            "history": document["progress"]["history"],
            "checkpoint_sha256": document["tensors"]["sha256"],
            **costs(network, source.length),
        }
    under = [*floors.floors(dataset), random_features(plans["semantic"], dataset, data)]
    record = {
        "schema": SCHEMA,
        "data": described(dataset),
        "networks": networks,
        "accuracy": accuracies,
        "floors": {
            floor.name: {**accuracy.proportion(floor.right, floor.samples), "flop": floor.flop}
            for floor in under
        },
        "raw_kbit": source_bits(dataset.test) / 1e3,
        "versions": versions(),
        "measured_in": {
            "wall_s": round(perf_counter() - wall),
            "cpu_s": round(process_time() - cpu),
        },
    }
    write_atomically(out / f"{name}.json", json.dumps(record, indent=1) + "\n")
    return record


def measured(
    network: Codec, samples: Samples, tick: Callable[[str, float], None]
) -> dict[str, Any]:
    """Return the accuracy of a network: over extraction and SNR where it has a channel."""
    if not network.features:
        return accuracy.single(network, samples)
    surface = accuracy.measure(network, samples, tick=lambda share: tick("surface", share))
    return surface.to_json()


def measured_once(file: Path, digest: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return what was measured of the weights with this digest, measured now if it was not.

    What an earlier run measured before it was stopped is not measured again.
    """
    try:
        record = read_json(file)
        if record["checkpoint_sha256"] == digest and record["versions"] == versions():
            return dict(record["accuracy"])
    except (ValueError, LookupError, TypeError):
        pass  # none yet, or of something else
    values = make()
    document = {"checkpoint_sha256": digest, "versions": versions(), "accuracy": values}
    write_atomically(file, json.dumps(document, indent=1) + "\n")
    return values


def costs(network: Codec, length: int) -> dict[str, Any]:
    """Return what a network computes a sample, FLOPs, and what it sends, bits, by extraction."""
    points = EXTRACTIONS if network.features else (1.0,)
    return {
        "extraction": list(points),
        "user_flop": [flops.user_flop(network, length, mu) for mu in points],
        "server_flop": [flops.server_flop(network, mu) for mu in points],
        "bits": [network.payload_bits(mu) for mu in points] if network.features else [],
    }


def random_features(plan: Plan, dataset: splits.Dataset, data: Path) -> Floor:
    """Return the floor of the codec as it is before training: ridge regression on its features."""
    parts, source = prepared(plan, dataset, data)
    torch.manual_seed(plan.seed)
    network = codec.build(plan.sizes, source).eval()

    def features(samples: Samples) -> Tensor:
        with torch.no_grad():
            batches = [network.at_user(samples.batch(rows)) for rows in samples.batches(EVALUATED)]
        sent = torch.cat(batches).flatten(1).to(torch.float64)
        return torch.cat([sent, torch.ones(len(sent), 1, dtype=torch.float64)], dim=1)

    train = features(parts.train)
    answers = nn.functional.one_hot(parts.train.label, source.classes).to(torch.float64)
    square = train.T @ train + RIDGE * len(train) * torch.eye(train.shape[1], dtype=torch.float64)
    weight = torch.linalg.solve(square, train.T @ answers)
    right = (features(parts.test) @ weight).argmax(1) == parts.test.label
    return Floor("random features", int(right.sum()), len(right))


def described(dataset: splits.Dataset) -> dict[str, Any]:
    """Return whose data it is, which files, and how many samples of each part were used."""
    source = dataset.source
    files = source.files or splits.SOURCES[source.files_of or source.name].files
    return {
        "name": source.name,
        "title": source.title,
        "modality": source.modality,
        "licence": source.licence,
        "citation": source.citation,
        "note": source.note,
        "files": {file.name: file.sha256 for file in files},
        "classes": list(dataset.classes),
        "samples": {
            "train": len(dataset.train),
            "validation": len(dataset.validation),
            "test": len(dataset.test),
        },
    }
