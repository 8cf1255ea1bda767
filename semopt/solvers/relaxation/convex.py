"""The convex problem of a piece, and the bound on its QoE that any multipliers prove.

In the logarithms x of power, frequency and extraction each of

    airtime       bits mu^c / (B log2(1 + snr))         radio energy    power x airtime
    compute time  flop mu^-k / (o f)                    compute energy  kappa o^-1 flop mu^-k f^2

is log-convex: the exponential of a convex function (log log(1 + e^s) is concave). So three costs
are convex in x over the box of a piece, or have convex envelopes over it that are known:

    c_0 = latency - its least,   c_1 = energy - its least,   c_2 = most accuracy - accuracy

where the server's share is a constant and drops out. QoE is the sum of w_i S(y_i - s_i c_i), with
y_i from the ends. For any prices a >= 0 of the costs, and any x* in the box,

    QoE <= sum_i max_c [w_i S(y_i - s_i c) + a_i c]  -  min_x sum_i a_i c_i(x),

    the second at least   min_x [a_2 c_2(x) + tangents of a_0 c_0 + a_1 c_1 at x*].

The first maximum has a closed form, over the costs that limits and cuts leave. The last minimum is
at a corner of the grid that the accuracy table's points and the box make: there accuracy is linear
in log-power, and convex in log-extraction. Nobody's figures are trusted: bad prices are loose.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from ... import model
from ...problem import Floats, Integers
from .pieces import ACCURACY, EXTRACTION, FREQUENCY, LATENCY, POWER, ROUNDING, Physics

TIME = np.array([1.0, 0.0, 1.0, 0.0])[:, None]  # which of the four terms are of latency


class Costs:
    """The three costs of J pieces over propagated boxes (2, 6, J).

    Attributes
    ----------
    width : (3, J), largest cost that box and limits allow, above 0
    least : (3, J), smallest
    first : (2, J), latency and energy where their costs begin
    top : (J,), accuracy where its cost begins
    """

    def __init__(self, physics: Physics, box: Floats) -> None:
        self.physics, self.box = physics, box
        (self.floor, ceiling), figures = physics.ranges(box)  # of terms (4, J); of what limits see
        self.first = figures[0, :2]
        spans = np.stack([(ceiling - self.floor)[i::2].sum(axis=0) for i in (0, 1)])
        size = np.stack([ceiling[i::2].sum(axis=0) for i in (0, 1)])
        first, last = self.first, box[1, LATENCY:ACCURACY]
        server = np.stack([physics.server_time, physics.server_energy])
        shift = server[:, 1] - server[:, 0]
        begun = box[0, LATENCY:ACCURACY] - first - shift
        self.top = figures[1, 2]
        self.width = np.stack(
            [
                *np.fmin(spans + ROUNDING * size, last - first + ROUNDING * (last + first)),
                self.top - np.maximum(figures[0, 2], box[0, ACCURACY]) + 2.0 * ROUNDING,
            ]
        )
        self.width = np.maximum(self.width, 1e-300)
        least = np.stack(
            [
                *begun - ROUNDING * (box[0, LATENCY:ACCURACY] + first + server.sum(axis=1)),
                self.top - box[1, ACCURACY] - 2.0 * ROUNDING,
            ]
        )
        self.least = np.clip(np.nan_to_num(least), 0.0, self.width)
        start, slope = np.stack([*first, self.top]), np.abs(physics.slope)
        away = np.where(physics.slope > 0.0, start - physics.reference, physics.reference - start)
        away = away + ROUNDING * (np.abs(start) + physics.reference + self.width)
        away = np.where(slope > 0.0, slope * away, 0.0)
        self.best = np.where(np.isnan(away), np.inf, away)  # the sigmoids' argument at cost 0
        self.steepness = slope * self.width

    def take(self, price: Floats) -> Floats:
        """Return prices of a whole `width`, 0 where they prove nothing."""
        a = price * self.width
        return np.where((a > 0.0) & np.isfinite(a) & np.isfinite(self.steepness), a, 0.0)

    def argument(self, cost: Floats) -> Floats:
        """Return the sigmoids' arguments, or a little more, at costs (..., 3, J) in widths."""
        fall = np.nan_to_num(self.steepness * cost)
        return np.asarray(np.nan_to_num(self.best - fall, nan=np.inf))

    def qoe(self, cost: Floats) -> Floats:
        """Return the terms of the QoE, or a little more, at costs (..., 3, J) in widths."""
        return self.physics.weight * model.sigmoid(self.argument(cost))

    def conjugate(self, a: Floats) -> Floats:
        """Return max over the costs of QoE + a cost, a being a price of a width: (..., 3, J).

        It is at an end, or where S falls as fast as the price rises. There the argument is known;
        as the difference of the best one and the steepness it would drown in rounding.
        """
        weight, steepness = self.physics.weight, self.steepness
        tilt = a / (weight * steepness)  # the derivative of S
        argument = np.nan_to_num(model.sigmoid_steep(tilt))
        least, whole = self.least / self.width, np.ones_like(self.least)
        peak = np.clip(np.nan_to_num((self.best - argument) / steepness), least, whole)
        argument = np.clip(argument, self.argument(whole), self.argument(least))
        maximum: Floats = weight * model.sigmoid(argument) + a * peak
        for cost in (least, whole):
            maximum = np.maximum(maximum, self.qoe(cost) + a * cost)
        return maximum

    def costs(self, point: Floats) -> Floats:
        """Return the costs of actions (3, J), in units of `width`."""
        terms = self.physics.terms(*point) - self.floor
        rows = [*(terms[i::2].sum(axis=0) for i in (0, 1)), self.top - self.accuracy(point)]
        return np.asarray(np.stack(rows) / self.width)

    def accuracy(self, point: Floats) -> Floats:
        """Return the accuracy at actions, as high as it may be: (J,)."""
        return self.physics.accuracy(point[EXTRACTION], point[POWER], 1)

    def gradients(self, point: Floats) -> tuple[Floats, Floats]:
        """Return terms (4, ..., J), and their relative derivatives by the logs (3, 4, ..., J)."""
        physics = self.physics
        snr = physics.snr(point[POWER])
        fall = snr / ((1.0 + snr) * np.log1p(snr))  # of the airtime, by log-power
        one, none = np.ones_like(fall), np.zeros_like(fall)
        more, less = physics.system.compress_exponent, physics.system.extract_exponent
        by_power = np.stack([-fall, 1.0 - fall, none, none])
        by_frequency = np.stack([none, none, -one, 2.0 * one])
        by_extraction = np.stack([more * one, more * one, -less * one, -less * one])
        return physics.terms(*point), np.stack([by_power, by_frequency, by_extraction])

    def logs(self, point: Floats) -> Floats:
        """Return the logs of the box's ends over those of actions: (2, 3, J)."""
        return np.asarray(np.log(self.box[:, :LATENCY] / point))

    def bound(self, price: Floats, point: Floats) -> tuple[Floats, Floats, Floats]:
        """Return what prices (3, J) and tangents at actions (3, J) prove.

        Returns
        -------
        bound : (J,) on the QoE
        slack : (4, J), by how much each cost's sigmoid, and all costs, exceed what they are there
        corner : (2, J), extraction and power that the accuracy's envelope is tight at
        """
        point = np.clip(point, *self.box[:, :LATENCY])
        a = self.take(price)
        price = np.where(a > 0.0, price, 0.0)
        terms, derivative = self.gradients(point)
        term_price = np.where(TIME > 0.0, price[0], price[1])
        pull = (derivative * term_price * terms).sum(axis=1)  # (3, J)
        logs = self.logs(point)
        ahead = (term_price * (terms - self.floor)).sum(axis=0)
        ahead += np.minimum(*pull[FREQUENCY] * logs[:, FREQUENCY])
        short, corner = self.corners(price[2], pull, point)
        least = ahead + short
        steps = 2.0 + (np.abs(derivative) * np.abs(logs).max(axis=0)[:, None]).sum(axis=0)
        conjugate = self.conjugate(a)
        size = (term_price * (terms * steps + self.floor)).sum(axis=0)
        size = size + price[2] + a.sum(axis=0) + np.abs(conjugate).sum(axis=0)
        bound = conjugate.sum(axis=0) - least + ROUNDING * size
        cost = self.costs(point)
        slack = np.stack([*conjugate - self.qoe(cost) - a * cost, (a * cost).sum(axis=0) - least])
        return np.where(np.isfinite(bound), bound, np.inf), slack, corner

    def corners(self, price: Floats, pull: Floats, point: Floats) -> tuple[Floats, Floats]:
        """Minimise priced shortfall of accuracy + tangents over extraction and power.

        Returns
        -------
        least : (J,)
        corner : (2, J), the extraction and power of it
        """
        least, corner = np.zeros_like(price), point[[EXTRACTION, POWER]].copy()
        for index, extraction, power, short in self.grid:
            x = pull[EXTRACTION, index] * np.log(extraction / point[EXTRACTION, index])
            p = pull[POWER, index] * np.log(power / point[POWER, index])
            whole = price[index] * short + x[:, None] + p
            flat = whole.reshape(-1, len(index))
            flat_index = np.nan_to_num(flat, nan=np.inf).argmin(axis=0)
            least[index] = flat.min(axis=0)
            i, j, columns = flat_index // len(power), flat_index % len(power), np.arange(len(index))
            corner[:, index] = extraction[i, columns], power[j, columns]
        return least, corner

    @cached_property
    def grid(self) -> list[tuple[Integers, Floats, Floats, Floats]]:
        """Index (P,), extractions (I, P), powers (L, P), shortfalls (I, L, P) of one table each."""
        physics, grid = self.physics, []
        for index, table in physics.tables:
            box = self.box[..., index]
            loudness = physics.system.noise / physics.gain[index]
            powers = 10.0 ** (table.snr_db[:, None] / 10.0) * loudness
            bends = table.extraction[:, None] * np.ones(len(index))
            extraction, power = (
                np.concatenate([box[:1, row], np.clip(knots, *box[:, row]), box[1:, row]])
                for row, knots in ((EXTRACTION, bends), (POWER, powers))
            )
            extraction = extraction if physics.semantic[index].any() else box[:1, EXTRACTION]
            high = physics.table_accuracy(index, table, extraction[:, None], power, 1)
            short = np.maximum(self.top[index] - high, 0.0)
            grid.append((index, extraction, power, short))
        return grid
