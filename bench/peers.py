"""What a good user of Numba, torch or NumPy would write: the peers that suites compare with.

The only place besides model.py and model.h where the formulas stand: a peer that called either
would not be one.
"""

from __future__ import annotations

import numpy as np
from numba import get_num_threads, njit, prange

from semopt import _core

# ---- evaluate ----


def arguments(problem, actions, gain, task, dtype):
    """Return the arrays of `evaluate` in one precision: records, accuracy tables, slots."""

    def rows(owner, names):
        columns = [np.atleast_1d(getattr(owner, name)) for name in names]
        return np.stack(columns, axis=1).astype(dtype)

    tables = problem.tasks.accuracy
    return (
        rows(problem.system, _core.SYSTEM_FIELDS)[0],
        rows(problem.users, _core.USER_FIELDS),
        rows(problem.tasks, _core.TASK_FIELDS),
        *(
            np.stack([getattr(t, name) for t in tables]).astype(dtype)
            for name in ("extraction", "snr_db", "table", "raw")
        ),
        actions.channel,
        *(getattr(actions, name).astype(dtype) for name in ("power", "frequency", "extraction")),
        gain.astype(dtype),
        task,
        np.empty((4, *actions.channel.shape), dtype),
        np.empty(actions.channel.shape, np.uint8),
    )


@njit(parallel=True, fastmath=True)
def evaluate(
    system, users, tasks, extractions, snrs, tables, raws,
    channel, power, frequency, extraction, gain, task, out, violations,
):  # fmt: skip
    """Score joint actions (B, N) into out (4, B, N): latency, energy, accuracy, QoE."""
    one = power.dtype.type(1)
    ten = power.dtype.type(10)
    # fmt: off
    (bandwidth, noise, server_frequency, server_flop_per_cycle, server_coefficient, compress,
     extract, latency_max, slope_latency, slope_energy, slope_accuracy) = system[:11]
    # fmt: on
    for b in prange(channel.shape[0]):
        offloaders = power.dtype.type(0)
        for n in range(channel.shape[1]):
            if channel[b, n] >= 0:
                offloaders += one
        for n in range(channel.shape[1]):
            u, kind = users[n], task[b, n]
            t, mu, f = tasks[kind], extraction[b, n], frequency[b, n]
            if channel[b, n] < 0:
                latency = t[2] / (u[0] * f)
                energy = u[1] * latency * f * f * f
                reached = t[6]
            else:
                raw = mu == one
                link = gain[b, n, channel[b, n]] * power[b, n] / noise
                bits = t[0] if raw else t[1] * mu**compress
                sending = bits / (bandwidth * np.log2(one + link))
                own = power.dtype.type(0)
                if not raw:
                    own = t[3] / mu**extract / (u[0] * f)
                served = (
                    (t[5] if raw else t[4])
                    * offloaders
                    / (server_flop_per_cycle * server_frequency)
                )
                share = server_frequency / offloaders
                latency = own + sending + served
                energy = u[1] * own * f * f * f + power[b, n] * sending
                energy += server_coefficient * served * share * share * share
                db = ten * np.log10(link)
                axis = snrs[kind]
                j = 0
                for i in range(1, axis.shape[0] - 1):
                    j += db >= axis[i]
                v = min(max((db - axis[j]) / (axis[j + 1] - axis[j]), one - one), one)
                if raw:
                    reached = (one - v) * raws[kind, j] + v * raws[kind, j + 1]
                else:
                    axis = extractions[kind]
                    i = 0
                    for k in range(1, axis.shape[0] - 1):
                        i += mu >= axis[k]
                    w = min(max((mu - axis[i]) / (axis[i + 1] - axis[i]), one - one), one)
                    low = (one - v) * tables[kind, i, j] + v * tables[kind, i, j + 1]
                    high = (one - v) * tables[kind, i + 1, j] + v * tables[kind, i + 1, j + 1]
                    reached = (one - w) * low + w * high
            usual = t[2] / (u[0] * u[4])
            costs = u[1] * usual * u[4] * u[4] * u[4]
            qoe = u[9] / (one + np.exp(-slope_latency * (usual - latency)))
            qoe += u[10] / (one + np.exp(-slope_energy * (costs - energy)))
            qoe += u[11] / (one + np.exp(-slope_accuracy * (reached - t[6])))
            out[0, b, n], out[1, b, n], out[2, b, n], out[3, b, n] = latency, energy, reached, qoe
            late, dear, poor = latency > latency_max, energy > u[8], reached < t[7]
            violations[b, n] = late + 2 * dear + 4 * poor


def evaluate_torch(
    system, users, tasks, extractions, snrs, tables, raws,
    channel, power, frequency, extraction, gain, task,
):  # fmt: skip
    """Return latency, energy, accuracy, QoE (B, N) and violations of the same, as tensors."""
    import torch

    (bandwidth, noise, server_frequency, server_flop_per_cycle, server_coefficient, compress,
     extract, latency_max, slope_latency, slope_energy, slope_accuracy) = system[:11]  # fmt: skip

    def share(axis, x):
        cell = (x[..., None] >= axis[..., 1:-1]).sum(-1)
        low, high = (axis.gather(-1, (cell + k)[..., None])[..., 0] for k in (0, 1))
        return cell, ((x - low) / (high - low)).clamp(0, 1)

    def blend(v, low, high):
        return (1 - v) * low + v * high

    here, raw = channel >= 0, extraction == 1
    offloaders = here.sum(1, keepdim=True).to(power.dtype)
    t = [column[task] for column in tasks.T]
    link = gain.gather(2, channel.clamp(min=0)[..., None])[..., 0] * power / noise
    bits = torch.where(raw, t[0], t[1] * extraction**compress)
    sending = bits / (bandwidth * torch.log2(1 + link))
    flop = torch.where(raw, 0, t[3] * extraction**-extract)
    flop = torch.where(here, flop, t[2])
    own = flop / (users[:, 0] * torch.where(here & raw, users[:, 2], frequency))
    own_energy = users[:, 1] * own * torch.where(here & raw, users[:, 2], frequency) ** 3
    served = torch.where(raw, t[5], t[4]) * offloaders
    served = served / (server_flop_per_cycle * server_frequency)
    away = power * sending + server_coefficient * served * (server_frequency / offloaders) ** 3
    latency = own + torch.where(here, sending + served, 0)
    energy = own_energy + torch.where(here, away, 0)
    j, v = share(snrs[task], 10 * torch.log10(link))
    i, u = share(extractions[task], extraction)
    semantic = blend(
        u,
        blend(v, tables[task, i, j], tables[task, i, j + 1]),
        blend(v, tables[task, i + 1, j], tables[task, i + 1, j + 1]),
    )
    reached = torch.where(raw, blend(v, raws[task, j], raws[task, j + 1]), semantic)
    reached = torch.where(here, reached, t[6])
    usual = t[2] / (users[:, 0] * users[:, 4])
    costs = users[:, 1] * usual * users[:, 4] ** 3
    qoe = users[:, 9] * torch.sigmoid(slope_latency * (usual - latency))
    qoe = qoe + users[:, 10] * torch.sigmoid(slope_energy * (costs - energy))
    qoe = qoe + users[:, 11] * torch.sigmoid(slope_accuracy * (reached - t[6]))
    broken = (latency > latency_max) + 2 * (energy > users[:, 8]) + 4 * (reached < t[7])
    return latency, energy, reached, qoe, broken.to(torch.uint8)


# ---- search: every pair of an entry of list a and one of list b ----


@njit(parallel=True, fastmath=True)
def row_best(a, b):
    """Return the best score of every entry of a."""
    best = np.empty(a.shape[0], a.dtype)
    for i in prange(a.shape[0]):
        top = a[i] + b[0]
        for j in range(b.shape[0]):
            top = max(top, a[i] + b[j])
        best[i] = top
    return best


def best(a, b):
    """Return the best pair: one scan for the best of each row, one over the best row."""
    i = int(row_best(a, b).argmax())
    return i, int((a[i] + b).argmax())


@njit(parallel=True, fastmath=True)
def best_scores(a, b, keep):
    """Return the `keep` best scores: each thread keeps its own, and skips rows that are worse."""
    lanes = get_num_threads()
    kept = np.full((lanes, keep), -np.inf, a.dtype)
    for lane in prange(lanes):
        own = kept[lane]
        for i in range(lane, a.shape[0], lanes):
            top = a[i] + b[0]
            for j in range(b.shape[0]):
                top = max(top, a[i] + b[j])
            if top <= own[0]:
                continue
            for j in range(b.shape[0]):
                x = a[i] + b[j]
                if x > own[0]:
                    k = 1
                    while k < keep and own[k] < x:
                        own[k - 1] = own[k]
                        k += 1
                    own[k - 1] = x
    return np.sort(kept.ravel())[-keep:]


@njit(parallel=True, fastmath=True)
def count_above(a, b, value):
    """Count the scores above a value."""
    above = 0
    for i in prange(a.shape[0]):
        own = np.int32(0)
        for j in range(b.shape[0]):
            own += np.int32(a[i] + b[j] > value)
        above += own
    return above


@njit(parallel=True, fastmath=True)
def histogram(a, b, bins, low, high):
    """Count scores by bin: each thread has bins of its own."""
    lanes = get_num_threads()
    counts = np.zeros((lanes, bins), np.int64)
    per_unit = a.dtype.type(bins / (high - low))
    least, last = a.dtype.type(low), np.int32(bins - 1)
    for lane in prange(lanes):
        own = counts[lane]
        for i in range(lane, a.shape[0], lanes):
            base = a[i] - least
            for j in range(b.shape[0]):
                x = (base + b[j]) * per_unit
                if x >= 0 and x <= bins:
                    own[min(np.int32(x), last)] += 1
    return counts.sum(axis=0)
