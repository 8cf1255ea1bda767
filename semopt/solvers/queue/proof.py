"""What proves a queue's bound, as a certificate has it (`certificate.queue_format`)."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from ...result import number
from .continuous import Priced, PricedSlots
from .ranges import Node

SIZE = "channel", "offloader", "covers"  # of what proves a number of offloaders


def of_grid(cases: dict[str, Any]) -> dict[str, Any]:
    """Return a proof of the cases that `_core.Queue.cases` gives."""
    return {"cases": list(in_preorder(cases))}


def in_preorder(cases: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the cases of a tree, each before those that it splits into."""
    waiting = [0]
    while waiting:
        at = waiting.pop()
        below, above = cases["children"][at].tolist()
        split = None
        if below >= 0:
            waiting += [above, below]
            place = int(cases["slot"][at]), int(cases["user"][at])
            split = [*place, float(cases["energy"][at])]
        yield {
            "price": cases["price"][at].tolist(),
            "duals": cases["duals"][at].tolist(),
            "split": split,
        }


def off_grid(slots: PricedSlots, root: Node, threads: int) -> tuple[dict[str, Any], float]:
    """Return a proof of the cases of a tree of ranges, and the bound that it proves.

    The slots on which the cases rest are solved once more, each once: to the bounds that they have,
    or to lower ones where time was up.
    """
    cases, leaves, places = list[dict[str, Any]](), list[Node](), dict[Any, int]()
    wanted, prices = list[Priced](), dict[tuple[float, ...], int]()
    waiting: list[Node | None] = [root]
    while waiting:
        node = waiting.pop()
        split, rests_on = node and node.split, None
        if node and split:
            waiting += reversed(node.parts)
        elif node:
            leaves.append(node)
            for one in node.slots:
                if places.setdefault(one.name, len(wanted)) == len(wanted):
                    wanted.append(one)
            rests_on = [places[one.name] for one in node.slots]
        cases.append({"split": split and list(split), "proofs": rests_on})
    with ThreadPoolExecutor(threads or None) as pool:
        found = list(pool.map(slots.proof, wanted))
    worth = np.array([search["proven"] for search in found])
    bounds = [
        slots.bound(worth[[places[one.name] for one in leaf.slots]], leaf.slots[0].price)
        for leaf in leaves
    ]
    proofs = [
        {
            "slot": one.slot,
            "price": prices.setdefault(tuple(one.price.tolist()), len(prices)),
            "least": one.least.tolist(),
            "most": [number(joules) for joules in one.most.tolist()],
            "local": search["local"],
            "sizes": [{name: size[name] for name in SIZE} for size in search["sizes"]],
        }
        for one, search in zip(wanted, found, strict=True)
    ]
    return {"prices": list(map(list, prices)), "proofs": proofs, "cases": cases}, max(bounds)
