"""Today's devices and radio: what the scenario `grounded` takes from data sheets and standards.

Data sheets tell peaks. A transformer on one small input reaches a fraction of a GPU's peak: `SHARE`
is an assumption, for user and server alike, and stands here to be changed.
"""

from __future__ import annotations

from math import log10
from typing import Any

SHARE = 0.1  # of the peak rate that is sustained on one small input
ROUND = 4  # digits

# User: NVIDIA Jetson Orin Nano 8GB, data sheet: 1024 CUDA cores, GPU up to 625 MHz, 15 W module.
USER_FLOP_PER_CYCLE = 2 * 1024 * SHARE
USER_GHZ = [0.306, 0.625]  # its lowest and highest GPU clock
USER_WATT = 5.0  # the GPU's part of the module's 15 W at full clock, assumed
# Edge server: NVIDIA L4, data sheet: 7424 CUDA cores, 2.04 GHz boost (30.3 TFLOP/s), 72 W.
# These users have a slice of its cores; the size is chosen for a real decision (with all of it, no
# task would stay local).
SLICE = 0.2
SERVER_FLOP_PER_CYCLE = 2 * 7424 * SHARE * SLICE
SERVER_GHZ, SERVER_WATT = 2.04, 72.0 * SLICE
# Radio: 3GPP TS 38.211 (a resource block is 12 subcarriers of 15 kHz), TS 38.101-1 (power class 3:
# 23 dBm), TR 38.901 (path loss of the urban micro cell without line of sight, users at 1.5 m).
BLOCKS = 6  # resource blocks of a sub-channel
BANDWIDTH_MHZ = BLOCKS * 12 * 15e-3
THERMAL_DBM_HZ, NOISE_FIGURE_DB = -174.0, 5.0
CARRIER_GHZ = 3.5
PATH_LOSS_EXPONENT = 3.53
PATH_LOSS_1M_DB = 22.4 + 21.3 * log10(CARRIER_GHZ)
POWER_DBM = (10.0, 23.0)
DISTANCES_M = [100.0, 200.0, 400.0, 600.0]


def milliwatt(dbm: float) -> float:
    """Return a power in mW."""
    return 10 ** (dbm / 10)


def rounded(value: float) -> float:
    """Return a value with as many digits as a scenario shows."""
    return float(f"{value:.{ROUND}g}")


def noise_mw() -> float:
    """Return the thermal noise of a sub-channel with the receiver's noise figure, mW."""
    return milliwatt(THERMAL_DBM_HZ + 10 * log10(BANDWIDTH_MHZ * 1e6) + NOISE_FIGURE_DB)


def cubic(watt: float, ghz: float) -> float:
    """Return the coefficient by which a GPU at a clock takes a power: coefficient x f^3."""
    return watt / (ghz * 1e9) ** 3


RADIO = f"{BLOCKS} resource blocks of 12 x 15 kHz (3GPP TS 38.211)"
JETSON = (
    f"NVIDIA Jetson Orin Nano 8GB, data sheet: 1024 cores, up to 625 MHz; {SHARE:.0%} of the peak "
    "is sustained, assumed"
)
L4 = (
    f"NVIDIA L4, data sheet: 7424 cores, 2.04 GHz, 72 W; {SHARE:.0%} of the peak is sustained, "
    f"assumed; these users have {SLICE:.0%} of its cores, chosen so that local, raw and semantic "
    "mode all occur"
)
UMI = "3GPP TR 38.901, UMi street canyon without line of sight, 3.5 GHz, users at 1.5 m"
CHOSEN: dict[str, tuple[Any, str]] = {
    "system.users": (len(DISTANCES_M), "an example"),
    "system.channels": (len(DISTANCES_M), "an example"),
    "system.bandwidth_mhz": (rounded(BANDWIDTH_MHZ), RADIO),
    "system.noise_mw": (
        rounded(noise_mw()),
        f"{THERMAL_DBM_HZ:g} dBm/Hz and a noise figure of {NOISE_FIGURE_DB:g} dB, assumed",
    ),
    "system.server_frequency_ghz": (SERVER_GHZ, L4),
    "system.server_flop_per_cycle": (rounded(SERVER_FLOP_PER_CYCLE), L4),
    "system.server_energy_coefficient": (rounded(cubic(SERVER_WATT, SERVER_GHZ)), L4),
    "system.latency_max_ms": (
        20.0,
        "chosen: at the cell edge a raw image of easy-VQA takes longer",
    ),
    "user.flop_per_cycle": (rounded(USER_FLOP_PER_CYCLE), JETSON),
    "user.energy_coefficient": (
        rounded(cubic(USER_WATT, USER_GHZ[1])),
        f"{USER_WATT:g} W at full clock, a third of the module's 15 W, assumed",
    ),
    "user.frequency_ghz": (USER_GHZ, "NVIDIA Jetson Orin Nano 8GB: lowest and highest GPU clock"),
    "user.reference_frequency_ghz": (
        0.51,
        "one of the device's clocks, as in the preset paper between the middle and the top",
    ),
    "user.power_mw": (
        [rounded(milliwatt(p)) for p in POWER_DBM],
        "10 dBm to 23 dBm: power class 3 of 3GPP TS 38.101-1",
    ),
    "channel": (
        {
            "model": "rayleigh",
            "mean_gain": rounded(10 ** (-PATH_LOSS_1M_DB / 10)),
            "path_loss_exponent": PATH_LOSS_EXPONENT,
            "distance_m": DISTANCES_M,
        },
        f"{UMI}; distances are an example",
    ),
}
