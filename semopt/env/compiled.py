"""The loops over slots compiled by Numba: decisions to actions, outcomes to rewards, observations.

Rewards are those of `model.rewards`, what batteries allow is that of `battery.step`: their parts
are inlined from their source.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.extending import register_jitable

from .. import actions, battery, model
from ..channel import streams
from ..channel.compiled import row_loop
from ..channel.streams import U64
from ..model import LOCAL, SEMANTIC, SKIP

register_jitable(inline="always")(model.between)
register_jitable(inline="always")(model.margin)
register_jitable(inline="always")(model.reward)
for formula in (
    *(model.snr, model.rate, model.sent_bits, model.transmission_time, model.transmission_energy),
    *(model.extraction_flop, model.execution_time, model.execution_energy),
    *(battery.affordable, battery.remaining),
):
    register_jitable(inline="always")(formula)

SPREAD = float(np.sqrt(12.0))  # 1 / deviation of a share that is anything from 0 to 1
BELOW_ONE = float(np.nextafter(1.0, 0.0))  # the end of semantic mode where a task sets none


def _decide_rows(  # type: ignore[no-untyped-def]
    first,
    last,
    mode,
    level,
    preference,
    modes,
    task,
    power_range,
    frequency_range,
    extraction_range,
    out,
):
    faults = 0
    users, channels = preference.shape[1:]
    favourite, waiting = np.empty(users, np.int64), np.empty(users, np.bool_)
    free = np.empty(channels, np.bool_)
    for e in range(U64(first), U64(last)):
        channel, power, frequency, extraction = out[0][e], out[1][e], out[2][e], out[3][e]
        for k in range(channels):
            free[k] = True
        for n in range(users):
            channel[n] = -1
            waiting[n] = LOCAL < mode[e, n] <= SEMANTIC
            favourite[n] = _favourite(preference[e, n], free)
        for _ in range(min(users, channels)):
            winner = -1
            for n in range(users):
                if waiting[n] and (
                    winner < 0
                    or preference[e, n, favourite[n]] > preference[e, winner, favourite[winner]]
                ):
                    winner = n
            if winner < 0:
                break
            channel[winner], waiting[winner] = favourite[winner], False
            free[favourite[winner]] = False
            for n in range(users):
                if waiting[n] and favourite[n] == favourite[winner]:
                    favourite[n] = _favourite(preference[e, n], free)
        for n in range(users):
            top = min(extraction_range[1][task[e, n]], BELOW_ONE)
            low = extraction_range[0][n]
            power[n], extraction[n] = 0.0, 1.0
            slowest, fastest = frequency_range[0][n], frequency_range[1][n]
            frequency[n] = model.between(level[e, n, 1], slowest, fastest)
            if channel[n] >= 0:
                power[n] = model.between(level[e, n, 0], power_range[0][n], power_range[1][n])
                if mode[e, n] == SEMANTIC and low <= top:
                    extraction[n] = model.between(level[e, n, 2], low, top)
                else:
                    frequency[n] = slowest
            sound = mode[e, n] < modes
            for j in range(3):
                sound &= 0.0 <= level[e, n, j] <= 1.0
            for k in range(channels):
                sound &= preference[e, n, k] == preference[e, n, k]
            faults += not sound
    return faults


@register_jitable
def _favourite(preference: Any, free: Any) -> Any:
    best = -1
    for k in range(len(free)):
        if free[k] and (best < 0 or preference[k] > preference[best]):
            best = k
    return best


def _reward_rows(first, last, out, qoe, ceilings, most, floors, least, task):  # type: ignore[no-untyped-def]
    for e in range(U64(first), U64(last)):
        for n in range(out.shape[1]):
            kind = task[e, n]
            penalty: Any = 0.0
            for i in range(len(ceilings)):
                bound = most[kind, n, i]
                penalty += model.margin(ceilings[i][e, n], bound, bound)
            for i in range(len(floors)):
                bound = least[kind, n, i]
                penalty += model.margin(bound, floors[i][e, n], bound)
            out[e, n] = model.reward(qoe[e, n], penalty)


def _observe_rows(  # type: ignore[no-untyped-def]
    first, last, gain, task, table, centre, scale, shared, identity, out
):
    users, channels = gain.shape[1:]
    features = table.shape[1]
    width = channels + features
    viewers = out.shape[1]
    for e in range(U64(first), U64(last)):
        for n in range(users):
            viewer = n if not shared else 0
            start = n * width if shared else 0
            for k in range(channels):
                out[e, viewer, start + k] = (streams.log(gain[e, n, k]) - centre) * scale
            for j in range(features):
                out[e, viewer, start + channels + j] = table[task[e, n], j]
        length = users * width if shared else width
        for n in range(viewers):
            if shared and n > 0:
                for i in range(length):
                    out[e, n, i] = out[e, 0, i]
            if identity == 0:
                for j in range(users):
                    out[e, n, length + j] = j == n
            elif identity == 1:
                out[e, n, length] = n / max(users - 1, 1)


def _user_energy_rows(  # type: ignore[no-untyped-def]
    first, last, out, gain, task, actions, kinds, users, system
):
    channel, power, frequency, extraction = actions
    local_flop, extract_flop, bits, semantic_bits = kinds
    flop_per_cycle, coefficient = users
    bandwidth, noise, compress_exponent, extract_exponent = system
    for e in range(U64(first), U64(last)):
        for n in range(out.shape[1]):
            kind, k, mu = task[e, n], channel[e, n], extraction[e, n]
            flop: Any = local_flop[kind] if k < 0 else 0.0
            sent: Any = bits[kind]
            if k >= 0 and mu < 1.0:
                flop = model.extraction_flop(extract_flop[kind], mu, extract_exponent)
                sent = model.sent_bits(semantic_bits[kind], mu, compress_exponent)
            time = model.execution_time(flop, flop_per_cycle[n], frequency[e, n])
            energy = model.execution_energy(coefficient[n], time, frequency[e, n])
            if k >= 0:
                rate = model.rate(bandwidth, model.snr(gain[e, n, k], power[e, n], noise))
                on_air = model.transmission_time(sent, rate)
                energy += model.transmission_energy(power[e, n], on_air)
            out[e, n] = energy


def _charge_rows(  # type: ignore[no-untyped-def]
    first, last, left, counted, mode, after, skipped, outcome, violations, reward
):
    latency, energy, accuracy, qoe = outcome
    for e in range(U64(first), U64(last)):
        for n in range(left.shape[1]):
            skip = mode[e, n] == SKIP or not battery.affordable(counted[e, n], left[e, n])
            spent: Any = 0.0 if skip else counted[e, n]
            after[e, n] = battery.remaining(left[e, n], spent)
            skipped[e, n] = skip
            if skip:  # as `model.skipping` has it
                latency[e, n] = accuracy[e, n] = np.nan
                energy[e, n] = qoe[e, n] = 0.0
                violations[e, n] = 0
                reward[e, n] = 0.0


def _observe_ahead_rows(first, last, left, tasks, full, length, shared, start, out):  # type: ignore[no-untyped-def]
    users, viewers = left.shape[1], out.shape[1]
    for e in range(U64(first), U64(last)):
        for n in range(users):
            share = left[e, n] / full[n] if full[n] < np.inf else 1.0
            for viewer in range(viewers):
                if shared:
                    out[e, viewer, start + n] = (share - 0.5) * SPREAD
                elif viewer == n:
                    out[e, viewer, start] = (share - 0.5) * SPREAD
        for viewer in range(viewers):
            out[e, viewer, start + (users if shared else 1)] = (tasks[e] / length - 0.5) * SPREAD


decide = row_loop(_decide_rows, "decide", actions, model)
reward = row_loop(_reward_rows, "reward", model)
observe = row_loop(_observe_rows, "observe", streams)
user_energy = row_loop(_user_energy_rows, "user_energy", model)
charge = row_loop(_charge_rows, "charge", battery, model)
observe_ahead = row_loop(_observe_ahead_rows, "observe_ahead")
