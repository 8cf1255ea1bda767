"""Files from which a stopped exhaustive search is taken up again.

A file that anybody could have written must not become a proof. It names, by digest, the problem
and query that it belongs to, the scores that were searched, and its own content, so that an edit,
a mix-up or another rounding is noticed. Its best joint actions are scored again. There is no secret
in the digest: whoever forges `next` and makes it anew claims that a range was searched.
`contradicted` refutes this where the exact method knows a better joint action in that range, so
that no optimum is false, but under a limit on the server's energy, which that method does not know.
A forged `above`, `histogram` or tail of `best` under a new digest stays unseen: hence
`examined_before` in a result, how many joint actions rest on the word of a file.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields, is_dataclass
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import numpy as np
from pydantic import Field

from .. import backends
from ..backends import Query, SearchResult, Tables
from ..files import write_atomically
from ..limits import coupled
from ..problem import Problem
from ..strict import Digest, Strict, checked, read_json, sealed

SCHEMA = 2
Count = Annotated[int, Field(ge=0, lt=2**63)]
Hexadecimal = Annotated[str, Field(pattern=r"^-?0x[01]\.[0-9a-f]{1,13}p[+-][0-9]{1,4}$")]


class Content(Strict):
    """What a file holds.

    Attributes
    ----------
    problem : digest of problem, query and scores
    next : joint actions below it were examined
    best : value and index of the best of them
    above, histogram : their counts
    digest : of all else
    """

    schema_: Annotated[Literal[2], Field(alias="schema")]
    problem: Digest
    next: Count
    best: list[Annotated[list[Hexadecimal | Count], Field(min_length=2, max_length=2)]]
    above: Count
    histogram: list[Count]
    digest: Digest


@dataclass(frozen=True)
class State:
    """How far a search has come: what was found below joint action `next`.

    `loaded` of them were examined before, as a file says, with what they gave.
    """

    next: int
    partial: SearchResult
    loaded: int = 0


def fingerprint(problem: Problem, query: Query, tables: Tables) -> str:
    """Return a digest of everything that a search depends on, the scores as rounded here too."""
    digest = sha256()

    def take(value: Any) -> None:
        if is_dataclass(value):
            for field in fields(value):
                if field.compare:
                    take(getattr(value, field.name))
        elif isinstance(value, tuple):
            for part in value:
                take(part)
        else:
            data = value.tobytes() if isinstance(value, np.ndarray) else repr(value).encode()
            digest.update(len(data).to_bytes(8, "little") + data)

    for part in (problem, query, tables):
        take(part)
    return digest.hexdigest()


def save(file: Path, name: str, state: State) -> None:
    """Write a file; `name` is the fingerprint of the search."""
    partial = state.partial
    content = {
        "schema": SCHEMA,
        "problem": name,
        "next": state.next,
        "best": [
            [v.hex(), i]
            for v, i in zip(partial.value.tolist(), partial.index.tolist(), strict=True)
        ],
        "above": partial.above,
        "histogram": partial.histogram.tolist(),
    }
    write_atomically(file, json.dumps(content | {"digest": sealed(content)}))


def load(file: Path, name: str, query: Query, tables: Tables) -> State:
    """Read a file of the same search; what it claims as best is scored again.

    Raises
    ------
    ValueError
        Naming the file, what is wrong in it, and the way out.
    """
    try:
        values = read_json(file)
        if not isinstance(values, dict) or values.get("schema") != SCHEMA:
            raise ValueError(f"it is no file of a search, or not of schema {SCHEMA}")
        content = checked(Content, values)
        if content.problem != name:
            raise ValueError(
                "it is of another problem or query, or of a machine that rounds in another way"
            )
        if content.digest != sealed(values):
            raise ValueError("it was edited: its content is not that of its digest")
        return as_state(content, query, tables)
    except ValueError as fault:
        raise ValueError(
            f"resume {file}: cannot be taken up: {fault}; delete it to start anew"
        ) from None


def as_state(content: Content, query: Query, tables: Tables) -> State:
    """Return what a file says, if it can be so."""
    examined, bins = content.next, content.histogram
    if examined >= tables.space.size:
        raise ValueError(f"next = {examined}: below {tables.space.size} joint actions is expected")
    if len(bins) != query.bins or sum(bins) > examined or content.above > examined:
        raise ValueError("its counts are not those of the joint actions examined")
    if len(content.best) > query.keep:
        raise ValueError(f"it holds {len(content.best)} best joint actions for {query.keep}")
    best: list[tuple[float, int]] = []
    for value, index in content.best:
        if not (isinstance(value, str) and isinstance(index, int)):
            raise ValueError("best: pairs of a value and an index are expected")
        best.append((float.fromhex(value), index))
    if best != sorted(set(best), key=lambda pair: (-pair[0], pair[1])):
        raise ValueError("best: each once, by falling value, then rising index, is expected")
    for worth, index in best:
        if index >= examined or score(tables, index) != [worth]:
            raise ValueError(f"joint action {index} does not score {worth}")
    partial = SearchResult(
        np.array([worth for worth, _ in best], dtype=np.float64),
        np.array([index for _, index in best], dtype=np.int64),
        content.above,
        np.array(bins, dtype=np.int64),
        examined,
    )
    return State(examined, partial, loaded=examined)


def score(tables: Tables, index: int) -> list[float]:
    """Return the score of one joint action, by the plainest backend; none if it is infeasible."""
    best = backends.search(tables, index, index + 1, backend="numpy")
    return cast(list[float], best.value.tolist())


def contradicted(problem: Problem, query: Query, tables: Tables, state: State) -> str:
    """Return which better joint action a file skipped, found by the exact method; "" if none."""
    from .matching import solve

    if not query.keep or coupled(problem):
        return ""
    exact = solve(problem)
    if exact.actions is None:
        return ""
    index = backends.encode(problem, exact.actions)
    worth = score(tables, index)
    reached = state.partial.value.tolist()
    if index < state.loaded and worth and (not reached or worth[0] > reached[0]):
        return f"joint action {index} scores {worth[0]}, which it says was examined"
    return ""
