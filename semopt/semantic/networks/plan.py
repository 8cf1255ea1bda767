"""What a training run of a semantic codec, or of a model beside it, is asked for."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from .codec import Fading, Sizes

ROLES = ("semantic", "local", "server")


@dataclass(frozen=True)
class Plan:
    """What a training run was asked for; everything else follows from it and the data.

    Attributes
    ----------
    data : name of the data set
    role : "semantic" (over the channel), "local" (the user's own model) or "server" (the full
        model that raw mode runs)
    sizes : of the network
    epochs : through the training part
    learning_rate : highest, reached after a warm-up, then falling to 0; from scratch
    batch, weight_decay : as in the paper
    extraction, snr_db : ranges that are drawn from, evenly
    fading : law of the channel
    words : "own" for vectors from scratch, "minilm" for principal components of MiniLM's;
        "pretrained" for MiniLM and DINOv2 themselves as encoders, frozen
    length : tokens a text is cut to
    share : of the data
    seed : of everything random
    """

    data: str
    role: str
    sizes: Sizes
    epochs: int
    learning_rate: float = 1e-3
    batch: int = 50
    weight_decay: float = 1e-4
    extraction: tuple[float, float] = (0.3, 1.0)
    snr_db: tuple[float, float] = (-5.0, 20.0)
    fading: Fading = "awgn"
    words: str = "own"
    length: int = 48
    share: float = 1.0
    seed: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as JSON values."""
        document = asdict(self)
        document["sizes"]["exits"] = list(self.sizes.exits)
        return document | {"extraction": list(self.extraction), "snr_db": list(self.snr_db)}

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> Plan:
        """Return the plan that `to_dict` gave."""
        values = dict(document)
        sizes = dict(values.pop("sizes"))
        sizes["exits"] = tuple(sizes["exits"])
        for name in ("extraction", "snr_db"):
            values[name] = tuple(values[name])
        return cls(sizes=Sizes(**sizes), **values)
