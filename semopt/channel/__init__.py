"""Channels: laws of gains, the gains themselves, and the tasks at the heads of the queues.

`from_coefficients` turns measured or simulated complex responses into a trace of gains;
`from_sionna`, `from_deepmimo` and `from_mat` know the axes of these.
"""

from .coefficients import from_coefficients, from_deepmimo, from_mat, from_sionna
from .gains import Gains, draw_gains
from .laws import LAWS, Channel
from .queues import Heads, draw_tasks

__all__ = [
    "LAWS",
    "Channel",
    "Gains",
    "Heads",
    "draw_gains",
    "draw_tasks",
    "from_coefficients",
    "from_deepmimo",
    "from_mat",
    "from_sionna",
]
