"""Where the arithmetic runs: a table of functions for each of NumPy, compiled C++, CUDA and CuPy.

Two operations (`evaluate` a batch of joint actions, `search` a range of them by flat index) and the
tables that `search` reads. All backends answer alike: `search` exactly, `evaluate` up to rounding.
"""

from ..grid import Space, decode, encode
from .operations import evaluate, search, tabulate
from .query import Batch, Query, SearchResult, Tables, nothing
from .registry import NAMES, Backend, available, describe, get, why_not

__all__ = [
    "NAMES",
    "Backend",
    "Batch",
    "Query",
    "SearchResult",
    "Space",
    "Tables",
    "available",
    "decode",
    "describe",
    "encode",
    "evaluate",
    "get",
    "nothing",
    "search",
    "tabulate",
    "why_not",
]
