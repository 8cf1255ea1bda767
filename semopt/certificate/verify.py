"""`semopt verify`: re-checks a file, of whichever kind it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..files import named
from ..strict import parse_json
from .checker import check_certificate
from .claims import Progress
from .queue import check_queue
from .queue_certificate import check_queue_certificate
from .reading import read
from .results import check_result


def verify(source: Any, progress: Progress = lambda share: None) -> str:
    """Re-check a certificate or a result without the solvers that made it.

    Parameters
    ----------
    source : a `Result`, `Batch` or `QueueResult`; or a file of one or of a certificate, "-" is
        standard input
    progress : called with the share that is done, 0 to 1

    Returns
    -------
    What was proven, in words

    Raises
    ------
    FalseClaim
        The first claim that does not hold
    ValueError
        For a file that is neither, or whose problem is malformed, or where python-flint is missing

    Examples
    --------
    >>> import semopt
    >>> verify(semopt.solve("tiny", "local")).split("; ")[0]
    'the decision is feasible and worth 1.0'
    """
    if hasattr(source, "to_json"):
        source, body = "the result", parse_json(json.dumps(source.to_json()))
    elif isinstance(source, str | Path):
        body = read(source)
    else:
        kind = type(source).__name__
        raise ValueError(
            f"source: a Result, Batch, QueueResult or a file's path is expected, not {kind}"
        )
    try:
        if isinstance(body, dict) and "format" in body and "cases" in body:
            return check_queue_certificate(body, progress)
        if isinstance(body, dict) and "format" in body:
            return check_certificate(body, progress)
        if isinstance(body, dict) and "prices_per_mj" in body:
            return check_queue(body, progress)
        return check_result(body, progress)
    except RecursionError:
        raise ValueError(f"{named(source)} nests deeper than any file of semopt") from None
    except ValueError as error:
        raise ValueError(f"{named(source)}: {error}") from None
