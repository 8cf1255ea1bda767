"""Tables of studies and audits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan, nan
from typing import TYPE_CHECKING

from ..console import Console, in_four_digits, percent, slim_table
from ..report.learning import of_times

if TYPE_CHECKING:
    from .audit import Checked
    from .gap.rows import Row
    from .paper.measures import View

GAP = (
    *("gap a\ntask", "95%\ninterval", "99% of\nslots", "worst", "hits", "clos-\nure"),
    *("infea-\nsible", "us a\nslot"),
)


@dataclass(frozen=True)
class Cost:
    """A solver on slots of one size.

    Attributes
    ----------
    solved : slots
    seconds : median over slots
    peak_mb : the largest peak of a slot
    why : the reason where slots were not solved; "" where the cell is not there yet
    """

    method: str
    users: int
    solved: int = 0
    seconds: float = nan
    peak_mb: float = nan
    why: str = ""


@dataclass(frozen=True)
class Growth:
    """How a solver's cost grows, as users to this power; from the sizes that are given."""

    method: str
    sizes: str
    time: float
    time_low: float
    time_high: float
    memory: float
    memory_low: float
    memory_high: float


@dataclass(frozen=True)
class Permitted:
    """What observations permit on a scenario, QoE a task.

    Attributes
    ----------
    optimum, constant : means of the certified optimum and of the best fixed action
    loss : what is lost where the user that loses most is the only one that does not see all, with
        its 95% interval `low` to `high` (observations resampled)
    without_interval : why there is none; "" where there is
    added : the losses of all users, added up
    users : whose loss is known
    closed, closed_added : the part closed at most of what lies between `constant` and the optimum;
        the same where all losses add up
    lacks : what the figures lack, in words, such as "failed" where there are none; "" of nothing
    """

    scenario: str
    users: int = 0
    optimum: float = nan
    constant: float = nan
    loss: float = nan
    low: float = nan
    high: float = nan
    added: float = nan
    closed: float = nan
    closed_added: float = nan
    without_interval: str = ""
    lacks: str = ""

    @property
    def label(self) -> str:
        """What every table and figure calls it: the scenario, and what its figures lack."""
        return f"{self.scenario} ({self.lacks})" if self.lacks else self.scenario


@dataclass(frozen=True)
class Policy:
    """What a kind of training reaches on a scenario, the least of its trainings.

    Attributes
    ----------
    trainings : that are there; 0 of what does not learn
    ratio, worst : to the optimum: mean over slots, and the worst slot
    closure : of what lies between 0.5, which method `reference` has, and the optimum
    closed, refined : of what lies between the best fixed action and the optimum, as the policy is
        and with its levels optimised
    seconds : of the shortest and the longest training
    gaps : of each training, QoE a task
    lacks : what the figures lack, in words, such as "failed" where there are none; "" of nothing
    """

    scenario: str
    policy: str
    trainings: int = 0
    ratio: float = nan
    closure: float = nan
    worst: float = nan
    closed: float = nan
    refined: float = nan
    seconds: tuple[float, float] = (nan, nan)
    gaps: tuple[float, ...] = ()
    lacks: str = ""

    @property
    def label(self) -> str:
        """What every table and figure calls it: the policy, and what its figures lack."""
        return f"{self.policy} ({self.lacks})" if self.lacks else self.policy

    def time(self) -> str:
        """Return the seconds in words; "" of what is not trained."""
        low, high = self.seconds
        if isnan(low):
            return ""
        return f"{low:.0f}" if f"{low:.0f}" == f"{high:.0f}" else f"{low:.0f}-{high:.0f}"


def print_gaps(rows: Sequence[Row], alike: dict[str, float], notes: Sequence[str] = ()) -> None:
    """Print each method's gap; on scenarios that are `alike` methods hardly differ.

    `notes` are of the scenarios whose slots resemble their neighbours in time.
    """
    console, ranked = Console(), not all(isnan(row.rank) for row in rows)
    for scenario in dict.fromkeys(row.scenario for row in rows):
        table = slim_table(f"{scenario}: gap to the certified optimum, QoE a task")
        table.add_column("", overflow="fold")
        for heading in GAP:
            table.add_column(heading, justify="right", no_wrap=True)
        if ranked:
            table.add_column("rank", justify="right", no_wrap=True)
        for row in (row for row in rows if row.scenario == scenario):
            rank = "" if isnan(row.rank) else in_four_digits(row.rank)
            table.add_row(row.label, *_figures(row), *[rank] * ranked)
        console.print(table)
    sentences = [
        "Intervals resample slots, in pairs with the optimum's, or the trainings of a method that "
        "learns.",
        "A slot without a decision lacks all of the optimum; a task that breaks a limit scores 0.",
        "Rank: median place among all joint actions.",
    ]
    in_time = len(notes) == len({row.scenario for row in rows})  # of all scenarios
    console.print(" ".join(sentences[in_time : 2 + ranked]))
    if sentence := of_times({row.method for row in rows}):
        console.print(sentence)
    for note in notes:
        console.print(note)
    for scenario, spread in alike.items():
        console.print(
            f"{scenario} hardly tells methods apart: the best fixed action for each kind of task "
            f"lacks {spread:.5f} a task."
        )


def _figures(row: Row) -> list[str]:
    if not row.slots:
        return []
    return [
        f"{row.gap:.5f}",
        "" if isnan(row.low) else f"{row.low:.5f}-{row.high:.5f}",
        *(f"{row.gap_p99:.3f}", f"{row.worst:.3f}", percent(row.hit_share, 0)),
        "" if isnan(row.closure) else f"{row.closure:.4f}",
        percent(row.infeasible_share),
        "" if isnan(row.decision_us) else in_four_digits(row.decision_us),
    ]


def print_scaling(rows: Sequence[Cost], fits: Sequence[Growth], limit: float) -> None:
    """Print what a slot takes by solver and size, and how that grows."""
    console, sizes = Console(), list(dict.fromkeys(row.users for row in rows))
    reasons = list(dict.fromkeys(row.why for row in rows if row.why))
    for figure, title in (("seconds", "time of a slot, s"), ("peak_mb", "memory of a slot, MB")):
        table = slim_table(f"{title}, by the number of users")
        table.add_column("", overflow="fold")
        for users in sizes:
            table.add_column(str(users), justify="right", no_wrap=True)
        for method in dict.fromkeys(row.method for row in rows):
            entries = []
            for row in (row for row in rows if row.method == method):
                mark = f"*{reasons.index(row.why) + 1}" if row.why else ""
                entries.append(f"{getattr(row, figure):.2g}" if row.solved else mark)
            table.add_row(method, *entries)
        console.print(table)
    table = slim_table("cost grows as users to the power of")
    for heading in ("", "users"):
        table.add_column(heading, overflow="fold")
    for heading in ("time", "95%", "memory", "95%"):
        table.add_column(heading, justify="right", no_wrap=True)
    for fit in fits:
        table.add_row(
            fit.method,
            fit.sizes,
            *_power(fit.time, fit.time_low, fit.time_high),
            *_power(fit.memory, fit.memory_low, fit.memory_high),
        )
    if fits:
        console.print(table)
    for number, reason in enumerate(reasons, 1):
        console.print(f"*{number} {reason}")


def _power(value: float, low: float, high: float) -> tuple[str, str]:
    if isnan(value):
        return "", ""
    return f"{value:.2f}", "" if isnan(low) else f"{low:.2f}-{high:.2f}"


def print_information(rows: Sequence[Permitted]) -> None:
    """Print what observations of users' own permit, beside the optimum and `constant`."""
    table = slim_table("own observations: one user does not see the others, who see all")
    table.add_column("", overflow="fold")
    for heading in ("optimum", "constant", "loss", "95%", "closed\nat most", "losses\nadded up"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        if isnan(row.loss):
            table.add_row(row.label)
            continue
        table.add_row(
            row.label,
            f"{row.optimum:.5f}",
            f"{row.constant:.5f}",
            f"{row.loss:.5f}",
            "" if isnan(row.low) else f"{row.low:.5f}-{row.high:.5f}",
            f"{row.closed:.1%}",
            f"{row.closed_added:.1%}",
        )
    console = Console()
    console.print(table)
    console.print(
        "Closed: of what lies between constant and the optimum, QoE a task. No policy of own "
        "observations closes more, but for the grid and the noise of the draws; where the losses "
        "of all users add up it is the last column."
    )
    for row in rows:
        if row.without_interval:
            console.print(f"No interval of {row.scenario}: {row.without_interval}.")


def print_view(view: View) -> None:
    """Print a table or a figure of the paper: numbers beside its own, then orders and shapes."""
    console = Console()
    if view.lines:
        table = slim_table(view.title)
        table.add_column("", overflow="fold")
        for heading in ("", "ours", "95%\ninterval", "paper"):
            table.add_column(heading, justify="right", no_wrap=True)
        table.add_column("", overflow="fold")
        for line in view.lines:
            between = "" if isnan(line.low) else f"{line.low:.4g}-{line.high:.4g}"
            paper = "" if isnan(line.paper) else f"{line.paper:.4g}"
            table.add_row(
                *(line.case, line.heading, f"{line.mean:.4g}", between, paper, line.words)
            )
        console.print(table)
    else:
        console.print(view.title, style="bold")
    for claim in view.claims:
        console.print(claim.sentence)
    console.print()


def print_policies(rows: Sequence[Policy]) -> None:
    """Print what each kind of training reaches."""
    console = Console()
    for scenario in dict.fromkeys(row.scenario for row in rows):
        table = slim_table(f"{scenario}: the least of each kind's trainings")
        table.add_column("", overflow="fold")
        for heading in ("train-\nings", "ratio", "clos-\nure", "worst\nslot", "gap\nclosed"):
            table.add_column(heading, justify="right", no_wrap=True)
        table.add_column("refined", justify="right", no_wrap=True)
        table.add_column("training\ns", justify="right", no_wrap=True)
        for row in (row for row in rows if row.scenario == scenario):
            if isnan(row.ratio):
                table.add_row(row.label)
                continue
            refined = "" if isnan(row.refined) else f"{row.refined:.1%}"
            table.add_row(
                *(row.label, str(row.trainings or ""), f"{row.ratio:.4f}", f"{row.closure:.4f}"),
                *(f"{row.worst:.3f}", f"{row.closed:.1%}", refined, row.time()),
            )
        console.print(table)


def print_audit(rows: Sequence[Checked]) -> None:
    """Print what an audit found, claims that do not hold first."""
    table = slim_table("audit")
    for heading in ("cell", "method", "slot", ""):
        table.add_column(heading, overflow="fold")
    for row in sorted(rows, key=lambda row: row.holds):
        words = row.words if row.holds else f"DOES NOT HOLD: {row.words}"
        table.add_row(row.file[:12], row.method, str(row.slot), words)
    console = Console()
    console.print(table)
    drawn = [row for row in rows if row.method]
    console.print(f"{sum(row.holds for row in drawn)} of {len(drawn)} rows drawn hold.")
    if len(drawn) < len(rows):
        console.print(f"{len(rows) - len(drawn)} files cannot be checked: they are not whole.")
