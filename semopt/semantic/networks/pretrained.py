"""The pretrained encoders: MiniLM for texts, DINOv2 ViT-S/14 for images, from the data folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..data.sources import MODELS, missing
from ..data.tokens import WordPieces

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # weights come from the data folder only

if TYPE_CHECKING:
    from transformers import BertModel, Dinov2Model

# Their sizes; the rest is as the classes have it.
MINILM: dict[str, Any] = {
    "hidden_size": 384,
    "num_hidden_layers": 6,
    "num_attention_heads": 12,
    "intermediate_size": 1536,
}
DINOV2: dict[str, Any] = {
    "hidden_size": 384,
    "num_hidden_layers": 12,
    "num_attention_heads": 6,
    "mlp_ratio": 4,
    "image_size": 518,
    "patch_size": 14,
    "layer_norm_eps": 1e-6,
}
# The statistics of the images that DINOv2 was trained on (ImageNet), of red, green and blue.
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def ready(name: str, data: Path) -> Path:
    """Return a model's folder, its files checked.

    Raises
    ------
    ValueError
        Where a file is missing or altered, with the command that fetches it.
    """
    if fault := missing(MODELS[name], Path(data)):
        raise ValueError(f"{name}: {fault}")
    return MODELS[name].folder(Path(data))


def minilm(data: Path) -> tuple[BertModel, WordPieces]:
    """Return the text encoder (6 layers, 384 wide, eager attention) and its tokenizer."""
    from transformers import BertConfig, BertModel

    folder = ready("minilm", data)
    config = BertConfig.from_json_file(folder / "config.json")
    model: BertModel = loaded(BertModel, folder, config)
    return model, WordPieces(folder)


def dinov2(data: Path) -> Dinov2Model:
    """Return the image encoder (12 layers, 384 wide, patches of 14 pixels, eager attention)."""
    from transformers import Dinov2Config, Dinov2Model

    config = Dinov2Config(**DINOV2)
    model: Dinov2Model = loaded(Dinov2Model, ready("dinov2-small", data), config)
    return model


def loaded(kind: Any, folder: Path, config: Any) -> Any:
    """Return a model with its weights, every one of which must be there, set to evaluate."""
    from transformers.utils import logging

    library: Any = logging  # its functions have no types
    library.set_verbosity_error()
    library.disable_progress_bar()
    model, about = kind.from_pretrained(
        folder,
        config=config,
        attn_implementation="eager",
        local_files_only=True,
        use_safetensors=True,
        output_loading_info=True,
    )
    if about["missing_keys"] or about["mismatched_keys"] or about["unexpected_keys"]:
        raise ValueError(f"{folder}: the weights are not those of {kind.__name__}: {about}")
    return model.eval()


def normalised(image: NDArray[np.uint8], side: int) -> NDArray[np.float32]:
    """Return what the image encoder takes: resized, three channels, ImageNet's statistics.

    Parameters
    ----------
    image : (S, H, W, C) uint8, C of 1 or 3
    side : int
        Pixels a side, a multiple of 14.

    Returns
    -------
    (S, 3, side, side) float32
    """
    import torch

    pixels = torch.from_numpy(image).permute(0, 3, 1, 2).float() / 255
    if pixels.shape[-2:] != (side, side):
        pixels = torch.nn.functional.interpolate(
            pixels, (side, side), mode="bicubic", antialias=True
        ).clamp(0, 1)
    mean, deviation = (torch.tensor(value)[None, :, None, None] for value in (MEAN, DEVIATION))
    scaled: NDArray[np.float32] = ((pixels - mean) / deviation).numpy()
    return scaled
