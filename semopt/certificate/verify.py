"""`semopt verify`: re-checks a file, whichever of the two kinds it is."""

from __future__ import annotations

from pathlib import Path

from ..files import named
from .checker import check_certificate
from .claims import Progress
from .reading import read
from .results import check_result


def check(source: str | Path, progress: Progress = lambda share: None) -> str:
    """Re-check a certificate or a result file.

    Parameters
    ----------
    source : a file; "-" is standard input
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
    """
    body = read(source)
    try:
        if isinstance(body, dict) and "format" in body:
            return check_certificate(body, progress)
        return check_result(body, progress)
    except RecursionError:
        raise ValueError(f"{named(source)} nests deeper than any file of semopt") from None
    except ValueError as error:
        raise ValueError(f"{named(source)}: {error}") from None
