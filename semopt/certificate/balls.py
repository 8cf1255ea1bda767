"""What one user can do, in Arb balls, which enclose the exact value: the checker's arithmetic.

A leaf of a certificate bounds the QoE over a box of actions. Let y, z, q be the logarithms of
power, extraction and frequency. Latency and energy are sums of constants and of

    t_tx ~ e^(c z) / ln(1 + s e^y),  e_tx = e^y t_tx,
    t_device ~ e^(-k z - q),            e_device ~ e^(-k z + 2 q),

each of which is convex, being the exponential of a convex function: ln(1 + e^x) is log-concave.
Accuracy A is linear in y and convex in z between the knots of its table, as it falls in neither, so
A - P . (y, z) is largest at a knot or an end of the box. For any prices W >= 0 of the costs
u = (latency, energy, -A), with [u_j] what the box and the limits leave of cost j,

    QoE  =   sum_j w_j S(l_j (u0_j - u_j))
         <=  sum_j max over [u_j] of (w_j S(l_j (u0_j - u)) + W_j u)  -  sum_j W_j u_j
         <=  sum_j max over [u_j] of (w_j S(l_j (u0_j - u)) + W_j u)
             + max over the box of (W_loss A - P . (y, z))
             - min over the box of (W_latency latency + W_energy energy - P . (y, z)).

The first maxima have closed forms, the second is over finitely many points, and a tangent plane
bounds the minimum. A leaf of a certificate holds W, P and the power and the extraction where the
plane touches; the frequency there is the best one for W.

A ball is a number and a radius, and what is true holds at every point of it: comparisons of balls
say yes only where all their points do, and no ball is taken for its centre. One that is too wide to
say yes is computed again, with the next of `PRECISIONS`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from math import cbrt, inf, isfinite
from typing import Any, NamedTuple

import numpy as np
from flint import arb, ctx

from ..figures import LIMITS
from ..limits import PRICED, of_user
from ..problem import Problem
from .surface import Surface

# Bits of a ball's centre (a double has 53), tried in turn. The allowed numbers make exponents of up
# to 1e240, which takes some 800 bits more than a result is to have.
PRECISIONS = 96, 192, 384, 768, 1536
WIDE = 2.0**-20  # radius of an exponent from which its ends are better than the ball

Range = tuple[float, float]
Box = tuple[Range, ...]  # of power, extraction, latency, energy, loss
Ranges = list[tuple[arb, arb]]  # of latency, energy, loss


@contextmanager
def precision(bits: int = PRECISIONS[0]) -> Iterator[None]:
    """Compute with so many bits."""
    before, ctx.prec = ctx.prec, bits
    try:
        yield
    finally:
        ctx.prec = before


SCORE = "logistic"  # whose values, ends and peaks `Score` has


class Toll(NamedTuple):
    """What a slot of a queue asks of a task's energy: see `queue_format`, "Off the grid"."""

    price: float = 0.0  # QoE/J
    least: float = 0.0  # J
    most: float = inf  # J
    device: bool = False  # whether a user's own energy (7) counts, not that of its task (9)


class Score:
    """weight S(slope (reference - u)) of a cost u, to be had where u <= limit.

    Of u beyond `free` it goes `toll` for each unit, and less than `floor` counts as so much.
    """

    def __init__(self, weight: float, slope: float, reference: arb, limit: float) -> None:
        self.weight, self.slope, self.reference = arb(weight), arb(slope), reference
        self.limit = arb(limit) if isfinite(limit) else None
        self.toll = self.free = arb(0)
        self.floor: arb | None = None

    def charge(self, toll: Toll, free: arb) -> None:
        """Ask a toll of what exceeds `free`."""
        self.toll, self.free = arb(toll.price), free
        if toll.least > 0.0:
            self.floor = free + toll.least
        if isfinite(toll.most):
            most = free + toll.most
            self.limit = most if self.limit is None else self.limit.min(most)

    def value(self, u: arb) -> arb:
        """Return the score at u, before any toll."""
        x = self.slope * (u - self.reference)
        if x.rad() < WIDE:
            return self._at(x)
        return self._at(x.lower()).union(self._at(x.upper()))  # the score only falls

    def _at(self, x: arb) -> arb:
        """Return weight S(-x), without exponentials that grow beyond all balls."""
        if x > 0:
            small = (-x).exp()
            return self.weight * small / (1 + small)
        return self.weight / (1 + x.exp())

    def conjugate(self, price: arb, low: arb, high: arb) -> arb:
        """Return the largest value(u) - toll (u - free) + price u for u from `low` to `high`.

        Or a little more.
        """
        return self._highest(price - self.toll, low, high) + self.toll * self.free

    def _highest(self, price: arb, low: arb, high: arb) -> arb:
        best = (self.value(low) + price * low).max(self.value(high) + price * high)
        if price <= 0 or self.weight * self.slope == 0:
            return best
        # Inside, where S' = S (1 - S) = price / (weight slope), on the concave side; without such a
        # point the sum only rises.
        steepness = price / (self.weight * self.slope)
        if steepness > 0.25:
            return best
        s = (1 + (1 - 4 * steepness).nonnegative_part().sqrt()) / 2
        touch = self.reference - (s * s / steepness).log() / self.slope
        if touch < low or touch > high:
            return best
        return best.max(self.weight * s + price * touch)


class OneUser:
    """What one user can do in one mode, in balls.

    Attributes
    ----------
    exists : whether the user has the mode
    root : the box of all actions; the costs' ranges are infinite
    frequency : range, Hz
    scores : of latency, energy and loss
    """

    def __init__(
        self, problem: Problem, user: int, mode: str, gain: float, m: int, toll: Toll | None = None
    ) -> None:
        system, users, tasks = problem.system, problem.users, problem.tasks
        task = int(problem.task[user])
        self.name, raw = mode, mode == "raw"
        least, most = float(users.extraction_min[user]), float(tasks.extraction_max[task])
        self.exists = mode != "semantic" or (least < 1.0 and least <= most)
        self.frequency = (float(users.frequency_min[user]), float(users.frequency_max[user]))
        flop_per_cycle = arb(float(users.flop_per_cycle[user]))
        self.kappa = arb(float(users.energy_coefficient[user]))
        reference = arb(float(users.reference_frequency[user]))
        cycles = arb(float(tasks.local_flop[task])) / flop_per_cycle
        t0 = cycles / reference
        local_accuracy = arb(float(tasks.local_accuracy[task]))
        ceiling = {  # of each cost
            limit.figure: limit.worse * of_user(problem, limit, user)
            for limit in LIMITS
            if limit.name in PRICED
        }
        self.scores = (
            Score(users.weight_latency[user], system.slope_latency, t0, ceiling["latency"]),
            Score(
                users.weight_energy[user],
                system.slope_energy,
                self.kappa * t0 * reference**3,
                ceiling["energy"],
            ),
            Score(
                users.weight_accuracy[user],
                system.slope_accuracy,
                -local_accuracy,
                ceiling["accuracy"],
            ),
        )
        one, free = (1.0, 1.0), ((-inf, inf),) * 3
        zero = arb(0)
        self.server_time = self.server_energy = self.seconds = zero
        self.link = arb(1)
        self.compress = self.extract = zero
        self.cycles = cycles
        self.root: Box = (one, one, *free)
        self.surface = Surface(np.ones(1), np.zeros(1), tasks.local_accuracy[task, None][None])
        if mode != "local":
            flop = tasks.server_raw_flop if raw else tasks.server_flop
            speed = arb(system.server_flop_per_cycle) * system.server_frequency
            self.server_time = arb(float(flop[task])) * m / speed
            share = arb(system.server_frequency) / m
            self.server_energy = system.server_energy_coefficient * self.server_time * share**3
            bits = float((tasks.bits if raw else tasks.semantic_bits)[task])
            self.seconds = bits * arb(2).log() / system.bandwidth
            self.link = arb(float(gain)) / system.noise
            power = (float(users.power_min[user]), float(users.power_max[user]))
            table = tasks.accuracy[task]
            if raw:
                self.cycles = zero
                self.root = (power, one, *free)
                self.surface = Surface(np.ones(1), table.snr_db, table.raw[None])
            else:
                self.cycles = arb(float(tasks.extract_flop[task])) / flop_per_cycle
                self.compress = arb(system.compress_exponent)
                self.extract = arb(system.extract_exponent)
                self.root = (power, (least, most), *free)
                self.surface = Surface(table.extraction, table.snr_db, table.table)
        if toll is not None:
            self.scores[1].charge(toll, self.server_energy if toll.device else zero)
        # Boxes share their ends: what is computed there is kept, for this user alone.
        for name in ("at_power", "at_extraction", "accuracy", "_corners"):
            setattr(self, name, cache(getattr(self, name)))

    def at_power(self, power: float) -> tuple[arb, arb, arb]:
        """Return ln(1 + snr), ln power and the SNR in nepers above 0 dB."""
        p = arb(power)
        snr = self.link * p
        return snr.log1p(), p.log(), snr.log()

    def at_extraction(self, extraction: float) -> tuple[arb, arb, arb]:
        """Return seconds on the air at ln(1 + snr) = 1, cycles of extraction and ln extraction."""
        z = arb(extraction).log()
        sent = self.seconds * (self.compress * z).exp()
        return sent, self.cycles * (-self.extract * z).exp(), z

    def accuracy(self, extraction: float, power: float) -> arb:
        """Return the accuracy at a power."""
        return self.surface.at(extraction, self.at_power(power)[2])

    def costs(self, power: float, extraction: float, frequency: float) -> tuple[arb, arb, arb]:
        """Return latency, energy and loss of an action."""
        sent, cycles, _ = self.at_extraction(extraction)
        transmission, execution = sent / self.at_power(power)[0], cycles / frequency
        return (
            self.server_time + transmission + execution,
            self.server_energy
            + power * transmission
            + self.kappa * execution * frequency * frequency * frequency,
            -self.accuracy(extraction, power),
        )

    def counted(self, energy: arb, pays: str) -> arb:
        """Return the energy that a battery pays for, of a task's: all, or the user's own."""
        return energy if pays == "task" else energy - self.server_energy

    def worth(self, costs: tuple[arb, arb, arb]) -> arb:
        """Return the QoE of latency, energy and loss."""
        latency, energy, accuracy = (s.value(u) for s, u in zip(self.scores, costs, strict=True))
        return latency + energy + accuracy

    def ranges(self, box: Box) -> Ranges | None:
        """Return what the box and the limits leave of the costs; None where it is nothing."""
        (p_low, p_high), (mu_low, mu_high) = box[:2]
        ranges = []
        for (low, high), (box_low, box_high), score in zip(
            self._corners(p_low, p_high, mu_low, mu_high), box[2:], self.scores, strict=True
        ):
            if score.floor is not None:
                low, high = low.max(score.floor), high.max(score.floor)
            if box_low > -inf:
                low = low.max(arb(box_low))
            if box_high < inf:
                high = high.min(arb(box_high))
            if score.limit is not None:
                high = high.min(score.limit)
            if low > high:
                return None
            ranges.append((low, high))
        return ranges

    def least(self, ranges: Ranges) -> arb:
        """Return what no feasible action with costs in these ranges is worth less than."""
        energy = self.scores[1]
        return -energy.toll * (ranges[1][1] - energy.free)

    def _corners(self, p_low: float, p_high: float, mu_low: float, mu_high: float) -> Any:
        """Return the ranges of the costs over powers and extractions, each part at its end."""
        (sent_low, most_cycles, _), (sent_high, least_cycles, _) = map(
            self.at_extraction, (mu_low, mu_high)
        )
        slow, fast = self.at_power(p_low)[0], self.at_power(p_high)[0]
        f_low, f_high = self.frequency
        return (
            (
                self.server_time + sent_low / fast + least_cycles / f_high,
                self.server_time + sent_high / slow + most_cycles / f_low,
            ),
            (
                self.server_energy
                + p_low * sent_low / slow
                + self.kappa * least_cycles * f_low * f_low,
                self.server_energy
                + p_high * sent_high / fast
                + self.kappa * most_cycles * f_high * f_high,
            ),
            (-self.accuracy(mu_high, p_high), -self.accuracy(mu_low, p_low)),
        )

    def best_frequency(self, time: float, joule: float) -> float:
        """Return the frequency that minimises time t_device + joule e_device, about."""
        low, high = self.frequency
        kappa = float(self.kappa)
        if time == 0 or low == high:
            return low
        return high if joule * kappa == 0 else min(max(cbrt(time / (2 * kappa * joule)), low), high)

    def bound(self, box: Box, ranges: Ranges, numbers: list[float]) -> arb:
        """Return the bound on QoE that the seven numbers of a leaf prove over a box."""
        time, joule, price, by_y, by_z = map(arb, numbers[:5])
        power, extraction = numbers[5:]
        total = arb(0)
        for score, w, (low, high) in zip(self.scores, (time, joule, price), ranges, strict=True):
            total += score.conjugate(w, low, high)
        # The tangent plane of W . cost at (power, extraction, frequency).
        frequency = self.best_frequency(*numbers[:2])
        log1p, y, _ = self.at_power(power)
        sent, cycles, z = self.at_extraction(extraction)
        snr = self.link * power
        rho = snr / ((1 + snr) * log1p)  # d ln(ln(1 + snr)) / dy
        transmission_time, execution_time = sent / log1p, cycles / frequency
        transmission_energy, execution_energy = (
            power * transmission_time,
            self.kappa * execution_time * frequency * frequency * frequency,
        )
        transmission, execution = (
            time * transmission_time + joule * transmission_energy,
            time * execution_time + joule * execution_energy,
        )
        total -= time * self.server_time + joule * self.server_energy + transmission + execution
        (p_low, p_high), (mu_low, mu_high) = box[:2]
        f_low, f_high = self.frequency
        q = arb(frequency).log()
        for slope, low, high in (
            (
                joule * transmission_energy - rho * transmission - by_y,
                self.at_power(p_low)[1] - y,
                self.at_power(p_high)[1] - y,
            ),
            (
                self.compress * transmission - self.extract * execution - by_z,
                self.at_extraction(mu_low)[2] - z,
                self.at_extraction(mu_high)[2] - z,
            ),
            (
                2 * joule * execution_energy - time * execution_time,
                arb(f_low).log() - q,
                arb(f_high).log() - q,
            ),
        ):
            total -= (slope * low).min(slope * high)
        return total + self.highest_vertex(box, price, by_y, by_z, y, z)

    def highest_vertex(self, box: Box, price: arb, by_y: arb, by_z: arb, y: arb, z: arb) -> arb:
        """Return the largest price A - by_y (y' - y) - by_z (z' - z) over the box."""
        (p_low, p_high), (mu_low, mu_high) = box[:2]
        surface = self.surface
        low, high = self.at_power(p_low)[2], self.at_power(p_high)[2]
        shift = self.link.log()  # nepers of SNR at 1 W
        best = arb("-inf")
        for mu in surface.rows_within(mu_low, mu_high):
            base = -by_z * (self.at_extraction(mu)[2] - z)
            for p in (p_low, p_high):
                vertex = price * self.accuracy(mu, p) - by_y * (self.at_power(p)[1] - y)
                best = best.max(base + vertex)
            for j, snr in surface.columns_within(low, high):
                vertex = price * surface.at_knot(mu, j) - by_y * (snr - shift - y)
                best = best.max(base + vertex)
        return best


def in_mode(
    problem: Problem, user: int, channel: int, m: int, action: tuple[float, float, float]
) -> tuple[OneUser, tuple[float, float, float]]:
    """Return a user in the mode of its power, extraction and frequency, and these.

    Of a local task power and extraction play no part and are 1.
    """
    _, extraction, frequency = action
    if channel < 0:
        return OneUser(problem, user, "local", 1.0, m), (1.0, 1.0, frequency)
    mode = "raw" if extraction == 1.0 else "semantic"
    return OneUser(problem, user, mode, problem.gain[user, channel], m), action
