"""The vision encoder's weights out of the ONNX file of a saliency model, without the onnx package.

An ONNX file is one protobuf message: a tree of numbered fields, of which a handful is read here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

GRAPH = 7  # of the model
NODE, INITIALIZER = 1, 5  # of the graph
INPUT, NODE_NAME, OPERATOR = 1, 3, 4  # of a node
DIMS, DATA_TYPE, TENSOR_NAME, RAW_DATA = 1, 2, 8, 9  # of a tensor
FLOAT = 1

WIDTH, GRID = 384, 37  # the encoder's width, and its position grid of 518 / 14 patches a side


def fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Yield (field number, integer or bytes) of a protobuf message.

    Raises
    ------
    ValueError
        Where it is no such message.
    """
    position = 0

    def varint() -> int:
        nonlocal position
        value = shift = 0
        while True:
            byte = message[position]
            value |= (byte & 127) << shift
            position, shift = position + 1, shift + 7
            if byte < 128:
                return value

    try:
        while position < len(message):
            key = varint()
            kind = key & 7
            if kind == 0:
                yield key >> 3, varint()
                continue
            if kind not in (1, 2, 5):
                raise ValueError(f"wire type {kind}")
            size = varint() if kind == 2 else {1: 8, 5: 4}[kind]
            if position + size > len(message):
                raise IndexError
            yield key >> 3, message[position : position + size]
            position += size
    except (IndexError, ValueError) as error:
        raise ValueError(f"not an ONNX file, or truncated at byte {position}: {error}") from None


def parts_of(message: memoryview, number: int) -> list[memoryview]:
    """Return the byte fields of a number."""
    return [v for n, v in fields(message) if n == number and isinstance(v, memoryview)]


def tensor(message: memoryview) -> tuple[str, NDArray[np.float32] | None]:
    """Return the name and value of a tensor, None if it holds no raw floats."""
    shape, kind, name, raw = [], 0, "", memoryview(b"")
    for number, value in fields(message):
        if number == DIMS and isinstance(value, int):
            shape.append(value)
        elif number == DATA_TYPE and isinstance(value, int):
            kind = value
        elif number == TENSOR_NAME and isinstance(value, memoryview):
            name = bytes(value).decode()
        elif number == RAW_DATA and isinstance(value, memoryview):
            raw = value
    if kind != FLOAT or len(raw) != 4 * int(np.prod(shape)):
        return name, None
    return name, np.frombuffer(raw, "<f4").reshape(shape)


def dinov2_safetensors(onnx: bytes) -> bytes:
    """Return the backbone of the saliency model as safetensors, by `Dinov2Model`'s names.

    Linear weights lie folded (transposed and unnamed) in their MatMul nodes; the positions of
    the class token and of the patches are constants that are known by their shapes.
    """
    (graph,) = parts_of(memoryview(onnx), GRAPH) or [memoryview(b"")]
    tensors = dict(map(tensor, parts_of(graph, INITIALIZER)))
    values = {name: value for name, value in tensors.items() if value is not None}
    weights = {
        name.removeprefix("backbone."): value
        for name, value in values.items()
        if name.startswith("backbone.")
    }
    shapes = ((1, 1, WIDTH), (1, GRID**2, WIDTH))
    positions = []
    for shape in shapes:
        unnamed = [v for n, v in values.items() if v.shape == shape and n[:9] != "backbone."]
        if len(unnamed) != 1:
            raise ValueError(f"{len(unnamed)} unnamed tensors of shape {shape}; one is expected")
        positions += unnamed
    weights["embeddings.position_embeddings"] = np.concatenate(positions, axis=1)
    weights["embeddings.mask_token"] = np.zeros((1, WIDTH), np.float32)
    for node in parts_of(graph, NODE):
        words = [(parts_of(node, n) or [memoryview(b"")])[0] for n in (NODE_NAME, OPERATOR)]
        name, operator = (bytes(word).decode() for word in words)
        layer = re.fullmatch(r"/backbone/(encoder/layer\.\d+/.*)/MatMul", name)
        for source in (bytes(view).decode() for view in parts_of(node, INPUT)):
            if layer and operator == "MatMul" and source in values:
                weights[layer[1].replace("/", ".") + ".weight"] = values[source].T
    return safetensors(weights)


def safetensors(weights: dict[str, NDArray[np.float32]]) -> bytes:
    """Return a safetensors file, the same bytes for the same weights: the result has a hash."""
    offset, entries, values = 0, {}, []
    for name, value in sorted(weights.items()):
        values.append(np.ascontiguousarray(value, "<f4").tobytes())
        span = [offset, offset := offset + len(values[-1])]
        entries[name] = {"dtype": "F32", "shape": list(value.shape), "data_offsets": span}
    header = json.dumps(entries).encode()
    header += b" " * (-len(header) % 8)
    return b"".join([len(header).to_bytes(8, "little"), header, *values])
