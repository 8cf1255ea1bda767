"""Re-checks the cases of a queue off the grid: ranges of users' energies in slots.

What each slot is worth at a case's prices is bounded by covers and an assignment, as a slot of its
own is (`checker`); see `queue_format`, "Off the grid".
"""

from __future__ import annotations

from math import fsum, inf, nextafter
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..problem import Floats, Problem
from .checker import Tally, assignment_bound, check_covers, check_local
from .claims import Progress, require, whole
from .queue_cases import ROUNDINGS

if TYPE_CHECKING:
    from .balls import Toll


class Proven(NamedTuple):
    """What a proof says: a slot, at most one of these energies a user (N,), is worth no more."""

    slot: int
    price: int
    least: Floats
    most: Floats
    worth: float


def check_ranges(
    slots: list[Problem], body: dict[str, Any], upper: float, progress: Progress
) -> str:
    """Check that no decision, on the grid or off it, is worth more than `upper`."""
    prices = [check_price(slots[0], price, i) for i, price in enumerate(body["prices"])]
    covers = sum(
        len(proof["local"]) + sum(len(size["covers"]) for size in proof["sizes"])
        for proof in body["proofs"]
    )
    tally, device = Tally(covers, progress), body["battery_pays"] == "device"
    proofs = [
        check_proof(slots, prices, proof, device, f"proofs[{i}]", tally)
        for i, proof in enumerate(body["proofs"])
    ]
    Ranges(slots, prices, proofs, upper).check(body["cases"])
    return f"{len(body['cases'])} cases, {len(proofs)} slots at prices, {tally}"


def check_price(problem: Problem, price: list[float], place: int) -> Floats:
    """Check prices of energy; return them as an array (N,)."""
    path, y, battery = f"prices[{place}]", np.array(price), problem.users.battery
    require(y.shape == battery.shape, f"{path}: not one number a user")
    require(bool((y >= 0.0).all()), f"{path}: a price is negative")
    free = bool((y[battery == inf] == 0.0).all())
    require(free, f"{path}: a user without a battery has one")
    return y


def check_proof(
    slots: list[Problem],
    prices: list[Floats],
    proof: dict[str, Any],
    device: bool,
    path: str,
    tally: Tally,
) -> Proven:
    """Check the covers of a slot at prices; return what its assignments prove."""
    from .balls import Toll

    slot = whole(proof["slot"], 0, len(slots), f"{path}: slot")
    at = whole(proof["price"], 0, len(prices), f"{path}: price")
    least = np.array(proof["least"])
    most = np.array([inf if joules is None else joules for joules in proof["most"]], dtype=float)
    for name, ends in (("least", least), ("most", most)):
        require(ends.shape == prices[at].shape, f"{path}.{name}: not one number a user")
    require(bool((least >= 0.0).all()), f"{path}.least: an energy is negative")
    tolls = [
        Toll(*figures, device)
        for figures in zip(prices[at].tolist(), least.tolist(), most.tolist(), strict=True)
    ]
    return Proven(slot, at, least, most, worth_of_slot(slots[slot], proof, tolls, path, tally))


def worth_of_slot(
    problem: Problem, proof: dict[str, Any], tolls: list[Toll], path: str, tally: Tally
) -> float:
    """Return a bound on all joint actions of a slot, less tolls, that covers and prices prove."""
    local = check_local(problem, proof["local"], tally, f"{path}.local", tolls)
    skipped = [nextafter(-toll.price * toll.least, inf) for toll in tolls]
    home = [max(one, skip) for one, skip in zip(local, skipped, strict=True)]
    most, sizes = min(problem.gain.shape), proof["sizes"]
    require(len(sizes) == most + 1, f"{path}.sizes: {len(sizes)}, not 0 to {most} offloaders")
    bounds = []
    for m, size in enumerate(sizes):
        where = f"{path}.sizes[{m}]"
        cells = check_covers(problem, m, size["covers"], tally, where, tolls)
        bounds.append(assignment_bound(home, cells, size, m, where))
    return max(bounds)


class Ranges:
    """The tree of cases of a queue, re-checked in preorder.

    Parameters
    ----------
    slots : of the queue
    prices : of energy, (N,) each
    proofs : of slots at prices
    upper : what is claimed to bound them
    """

    def __init__(
        self, slots: list[Problem], prices: list[Floats], proofs: list[Proven], upper: float
    ) -> None:
        self.prices, self.proofs, self.upper = prices, proofs, upper
        self.battery = slots[0].users.battery
        self.shape = len(slots), len(self.battery)

    def check(self, cases: list[dict[str, Any]]) -> None:
        """Check that the cases cover all decisions, and that each one's proofs prove the bound."""
        waiting = [(np.zeros(self.shape), np.full(self.shape, inf))]
        for place, case in enumerate(cases):
            path = f"cases[{place}]"
            require(bool(waiting), f"{path}: all decisions are covered before it")
            least, most = waiting.pop()
            if case["split"] is not None:
                require(case["proofs"] is None, f"{path}: it is split, and has proofs")
                waiting += self.parts(case["split"], least, most, path)
            elif case["proofs"] is None:
                within = (self.room(least) >= 0.0).all()
                require(not within, f"{path}: no proof, and its energies fit into the batteries")
            else:
                bound = self.bound(case["proofs"], least, most, path)
                claim = f"{path}: its proofs prove {bound}, not {self.upper}"
                require(bound <= self.upper, claim)
        require(not waiting, f"cases: {len(waiting)} of them have no proof")

    def room(self, least: Floats) -> Floats:
        """Return what batteries leave beside the least that slots take (N,), correctly rounded."""
        full = zip(self.battery.tolist(), least.T.tolist(), strict=True)
        return np.array([fsum([held, *(-x for x in taken)]) for held, taken in full])

    def parts(
        self, split: list[Any], least: Floats, most: Floats, path: str
    ) -> list[tuple[Floats, Floats]]:
        """Return the ranges of the two cases of a split, the one of more energy first."""
        t = whole(split[0], 0, self.shape[0], f"{path}.split: slot")
        n = whole(split[1], 0, self.shape[1], f"{path}.split: user")
        require(split[2] >= 0.0, f"{path}.split: energy {split[2]} is negative")
        above, below = least.copy(), most.copy()
        above[t, n] = max(above[t, n], split[2])
        below[t, n] = min(below[t, n], split[2])
        return [(above, most), (least, below)]

    def bound(self, places: list[Any], least: Floats, most: Floats, path: str) -> float:
        """Return what proofs, one a slot, prove of a case."""
        require(len(places) == self.shape[0], f"{path}.proofs: not one a slot")
        numbers = [whole(i, 0, len(self.proofs), f"{path}.proofs") for i in places]
        proofs = [self.proofs[i] for i in numbers]
        price = self.prices[proofs[0].price]
        spare = self.room(least)
        for t, proof in enumerate(proofs):
            require(proof.slot == t, f"{path}.proofs[{t}]: it is of slot {proof.slot}")
            same = bool((self.prices[proof.price] == price).all())
            require(same, f"{path}.proofs[{t}]: it has other prices than that of slot 0")
            # A user takes no more than what is least here and what is spare.
            highest = np.minimum(most[t], np.nextafter(np.nextafter(spare, inf) + least[t], inf))
            holds = bool((proof.least <= least[t]).all() and (highest <= proof.most).all())
            require(holds, f"{path}.proofs[{t}]: its energies do not hold those of the case")
        paid = price * np.where(self.battery < inf, self.battery, 0.0)
        terms = [*(proof.worth for proof in proofs), *paid.tolist()]
        return fsum(terms) + ROUNDINGS * fsum(abs(x) for x in terms)
