"""`semopt verify`: re-checks a file, whichever of the two kinds it is."""

from __future__ import annotations

from pathlib import Path

from . import FORMAT, read
from .checker import Progress, check_certificate
from .results import check_result


def check(source: str | Path, progress: Progress = lambda share: None) -> str:
    """Re-check a certificate or a result file.

    Parameters
    ----------
    progress : called with the share that is done, 0 to 1

    Returns
    -------
    What was proven, in words

    Raises
    ------
    FalseClaim
        The first claim that does not hold
    ValueError
        For a file that is neither, or where python-flint is missing
    """
    body = read(source)
    try:
        if isinstance(body, dict) and body.get("format") == FORMAT:
            return check_certificate(body, progress)
        if isinstance(body, dict) and "schema" in body:
            return check_result(body)
    except RecursionError:
        raise ValueError(f"{source} nests deeper than any file of semopt") from None
    raise ValueError(f"{source} is neither a certificate nor a result of semopt")
