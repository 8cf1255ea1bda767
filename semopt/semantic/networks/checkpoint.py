"""Checkpoints of semantic codecs: what `checkpoint.json` holds, and whether a run may go on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import ConfigDict, Field
from torch import Tensor

from ...checkpoints import DOCUMENT, Envelope, flat, read_folder
from ...strict import Strict, checked
from .plan import Plan

SCHEMA, KIND = 2, "semantic codec"


class Epoch(Strict):
    """What an epoch gave."""

    loss: float
    accuracy: float


class Within(Strict):
    """How far an epoch had come when it was stopped: batches, their loss, NumPy's generator."""

    batches: Annotated[int, Field(ge=1, lt=2**31)]
    loss: float
    generator: dict[str, Any]


class History(Strict):
    """How far a run has come."""

    epochs: Annotated[int, Field(ge=0, lt=2**63)]
    best: float
    history: list[Epoch]
    within: Within | None = None


class Document(Envelope):
    """What `checkpoint.json` of a codec holds; the plan is compared with the one asked for."""

    model_config = ConfigDict(extra="forbid")

    schema_: Annotated[Literal[2], Field(alias="schema")]
    kind: Literal["semantic codec"]
    plan: dict[str, Any]
    progress: History
    threads: Annotated[int, Field(ge=1, le=1 << 16)]


def read(folder: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return document and tensors of a checkpoint of a semantic codec.

    Raises
    ------
    ValueError
        Where there is none, or one of something else.
    """
    document, tensors = read_folder(folder, SCHEMA)
    if document.get("kind") != KIND:
        kind = document.get("kind", document.get("algorithm", "something else"))
        raise ValueError(f"{folder / DOCUMENT} is a checkpoint of {kind}, not of a {KIND}")
    try:
        checked(Document, document)
    except ValueError as error:
        raise ValueError(f"{folder / DOCUMENT} is no checkpoint of a {KIND}: {error}") from None
    return document, tensors


def same_plan(plan: Plan, document: dict[str, Any], folder: Path) -> None:
    """Raise ValueError where a checkpoint is of another plan, naming the first difference."""
    old, new = flat(document["plan"]), flat(plan.to_dict())
    for key in new | old:
        if old.get(key) != new.get(key):
            raise ValueError(
                f"{folder}: the run has {key} = {old.get(key)}, not {new.get(key)}: name another "
                "folder, or give it the same"
            )
    if document["threads"] != torch.get_num_threads() and (
        document["progress"]["epochs"] < plan.epochs
    ):
        raise ValueError(
            f"{folder}: the run used {document['threads']} threads, not {torch.get_num_threads()}: "
            "its weights would differ (set OMP_NUM_THREADS)"
        )
