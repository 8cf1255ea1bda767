"""Training of the semantic codecs and of the models beside them: in epochs, exactly resumable.

Every batch draws an extraction and every sample an SNR, so one network serves all of them. What is
random in an epoch follows from the seed and the epoch alone: a run that is taken up after any epoch
gives the same weights as one that was never stopped. So does one that Ctrl-C stopped within an
epoch: it ends after the batch at work, and the states of both generators are kept.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ...checkpoints import DOCUMENT, locked, state_of, take_state, unfit, write_folder
from ...interrupts import held_back
from ..data.splits import Dataset
from . import codec, features
from .checkpoint import KIND, SCHEMA, read, same_plan
from .codec import Codec
from .plan import Plan
from .samples import Parts, Samples, first_vectors, tensors

WARM = 0.05  # share of all updates in which the learning rate rises from 0
LARGEST_GRADIENT = 1.0  # norm to which gradients are cut
EVALUATED = 250  # samples of a batch that is not trained on
VALIDATED_SNR = 10.0  # dB


@dataclass(frozen=True)
class Progress:
    """Where a run stands after an epoch.

    Attributes
    ----------
    epoch, epochs : done, and to do in all
    loss : mean of the epoch, nat
    accuracy : on the validation part
    seconds, left : of this call so far, and expected until the end
    """

    epoch: int
    epochs: int
    loss: float
    accuracy: float
    seconds: float
    left: float


@dataclass
class Run:
    """A training run between two epochs."""

    plan: Plan
    codec: Codec
    optimizer: torch.optim.Optimizer
    done: int = 0
    best: float = -1.0
    best_weights: dict[str, Tensor] = field(default_factory=dict)
    within: dict[str, Any] = field(default_factory=dict)  # an epoch: batches done, loss, generator
    noise: Tensor | None = None  # state of torch's generator then

    def epoch(
        self, samples: Samples, tick: Callable[[float], None], stop: Callable[[], bool]
    ) -> float | None:
        """Train for one epoch; return the mean loss, or None where `stop` asked for an end."""
        plan = self.plan
        torch.manual_seed(stream(plan.seed, 1 + self.done))  # dropout, and noise of the channel
        rng = np.random.default_rng([plan.seed, 1 + self.done])
        order = torch.from_numpy(rng.permutation(len(samples)))
        rows = [p for p in torch.split(order, plan.batch) if len(p) == plan.batch] or [order]
        first, total = 0, 0.0
        if self.noise is not None:
            first, total = self.within["batches"], self.within["loss"]
            rng.bit_generator.state = self.within["generator"]
            torch.set_rng_state(self.noise)
        self.within, self.noise = {}, None
        self.codec.train()
        for step, part in list(enumerate(rows))[first:]:
            rate = schedule(self.done * len(rows) + step, plan.epochs * len(rows))
            for group in self.optimizer.param_groups:
                group["lr"] = plan.learning_rate * rate
            extraction = float(rng.uniform(*plan.extraction))
            snr_db = torch.from_numpy(rng.uniform(*plan.snr_db, len(part))).to(torch.float32)
            logits = self.codec(samples.batch(part), extraction, snr_db, plan.fading)
            loss = nn.functional.cross_entropy(logits, samples.label[part])
            self.optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(self.codec.parameters(), LARGEST_GRADIENT)
            self.optimizer.step()
            total += loss.item()
            tick((self.done + (step + 1) / len(rows)) / plan.epochs)
            if stop() and step + 1 < len(rows):
                state = rng.bit_generator.state
                self.within = {"batches": step + 1, "loss": total, "generator": state}
                self.noise = torch.get_rng_state()
                return None
        self.done += 1
        if not math.isfinite(total):
            raise ValueError(f"{plan.data} {plan.role}: training diverged in epoch {self.done}")
        return total / len(rows)

    def judge(self, samples: Samples) -> float:
        """Return the accuracy on validation samples; keep the weights if there is none better."""
        plan = self.plan
        points = sorted({plan.extraction[0], sum(plan.extraction) / 2, plan.extraction[1]})
        accuracy = float(
            np.mean(
                [
                    hits(self.codec, samples, mu, VALIDATED_SNR, plan.seed).mean()
                    for mu in (points if self.codec.features else points[-1:])
                ]
            )
        )
        if accuracy >= self.best:
            self.best = accuracy
            self.best_weights = {k: v.detach().clone() for k, v in self.codec.state_dict().items()}
        return accuracy

    def write(self, folder: Path, history: list[dict[str, float]]) -> None:
        """Write a checkpoint."""
        document = {
            "schema": SCHEMA,
            "kind": KIND,
            "plan": self.plan.to_dict(),
            "progress": {
                **{"epochs": self.done, "best": self.best, "history": history},
                **({"within": self.within} if self.within else {}),
            },
            "threads": torch.get_num_threads(),
        }
        tensors = state_of(self.codec, self.optimizer)
        tensors |= {f"best.{name}": tensor for name, tensor in self.best_weights.items()}
        if self.noise is not None:
            tensors["noise"] = self.noise
        number = self.done * 10**6 + self.within.get("batches", 0)  # a file of its own
        write_folder(folder, document, tensors, number)


def train(
    plan: Plan,
    dataset: Dataset,
    data: Path,
    folder: Path,
    *,
    resume: bool = False,
    report: Callable[[Progress], None] = lambda _: None,
    tick: Callable[[float], None] = lambda _: None,
) -> Codec:
    """Train a network, writing a checkpoint after every epoch; return its best weights.

    Ctrl-C ends it after the batch at work, with a checkpoint from which it can be resumed.

    Parameters
    ----------
    plan : what to train
    dataset : that the plan names
    data : folder of data and pretrained models
    folder : of checkpoints; must hold no run unless it is resumed
    resume : take up the run in `folder`; one that has ended is returned
    report, tick : told after each epoch, and of the share of all updates done

    Raises
    ------
    ValueError
        For a folder in use, a foreign or unreadable checkpoint, a run that diverged.
    """
    start = perf_counter()
    parts, source = prepared(plan, dataset, data)
    torch.manual_seed(stream(plan.seed, 0))
    network = codec.build(plan.sizes, source)
    if plan.words == "minilm":
        first_vectors(network, parts.train, data)
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=plan.learning_rate, weight_decay=plan.weight_decay
    )
    run, history = Run(plan, network, optimizer), []
    with locked(folder):
        if (folder / DOCUMENT).exists():
            if not resume:
                raise ValueError(
                    f"{folder} holds a run already: --resume takes it up, or name another folder"
                )
            document, tensors = read(folder)
            same_plan(plan, document, folder)
            run.within = document["progress"].get("within") or {}
            resume_from(run, tensors, folder)
            run.done, run.best = document["progress"]["epochs"], document["progress"]["best"]
            history = document["progress"]["history"]
        first = run.done
        while run.done < plan.epochs:
            with held_back() as stop:
                loss = run.epoch(parts.train, tick, stop)
                if loss is None:
                    run.write(folder, history)
                    continue
                accuracy = run.judge(parts.validation)
                history.append({"loss": loss, "accuracy": accuracy})
                run.write(folder, history)
            seconds = perf_counter() - start
            remaining = seconds / (run.done - first) * (plan.epochs - run.done)
            report(Progress(run.done, plan.epochs, loss, accuracy, seconds, remaining))
    network.load_state_dict(run.best_weights)
    return network.eval()


def resume_from(run: Run, tensors: dict[str, Tensor], folder: Path) -> None:
    """Take up weights and the optimiser's memory; raise ValueError where they are of another."""
    run.best_weights = {k[5:]: v for k, v in tensors.items() if k[:5] == "best."}
    try:
        if run.within:
            run.noise = tensors.pop("noise")
            torch.Generator().set_state(run.noise)
            np.random.default_rng().bit_generator.state = run.within["generator"]
        if run.best_weights or not run.within:  # there are none within the first epoch
            run.codec.load_state_dict(run.best_weights)
        take_state(run.codec, run.optimizer, {k: v for k, v in tensors.items() if k[:5] != "best."})
    except (KeyError, RuntimeError, TypeError, ValueError) as error:
        raise ValueError(
            f"{folder}: its tensors are not those of its plan: {unfit(error)}"
        ) from None


def prepared(
    plan: Plan, dataset: Dataset, data: Path, tick: Callable[[float], None] = lambda _: None
) -> tuple[Parts, codec.Source]:
    """Return a data set as the network of a plan takes it, and what it feeds into the network."""
    if plan.words != "pretrained":
        return tensors(dataset, plan.words, plan.length, data)
    return features.tensors(dataset, plan.sizes, plan.length, data, tick)


@torch.no_grad()
def hits(
    network: Codec,
    samples: Samples,
    extraction: float,
    snr_db: float,
    seed: int,
    fading: codec.Fading = "awgn",
) -> Tensor:
    """Return whether each sample is answered right: (S,) float64, 0 or 1."""
    network.eval()
    generator = torch.Generator().manual_seed(seed)
    right = []
    for rows in samples.batches(EVALUATED):
        logits = network(samples.batch(rows), extraction, snr_db, fading, generator)
        right.append(logits.argmax(1) == samples.label[rows])
    return torch.cat(right).to(torch.float64)


def schedule(step: int, steps: int) -> float:
    """Return the learning rate of an update as a share of the highest."""
    warm = max(1, round(WARM * steps))
    return min((step + 1) / warm, (steps - step) / max(1, steps - warm))


def stream(seed: int, purpose: int) -> int:
    """Return the seed of one purpose."""
    return int(np.random.SeedSequence([seed, purpose]).generate_state(1)[0])
