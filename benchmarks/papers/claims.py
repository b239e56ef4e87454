"""A claim of a paper, how it is measured here, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from benchmarks.papers.records import Comparison, NotRunError, Results, compare


class Verdict(StrEnum):
    """What came of a claim."""

    HOLDS = "holds"
    FAILS = "does not hold"
    NOT_RUN = "not run"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What was measured for a claim.

    Attributes:
        ours: our number or ordering, in words.
        holds: whether the claim is borne out.
        why: what explains it, as far as the measurement tells; may be empty.
    """

    ours: str
    holds: bool
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One statement of a paper.

    Attributes:
        name: short, for the JSON and the command line.
        text: what is claimed.
        where: section, figure or table.
        paper: the paper's number or ordering.
        measured: how ours is measured and when it counts as borne out.
        check: judges it from the results; raises `NotRunError` where units are missing.
    """

    name: str
    text: str
    where: str
    paper: str
    measured: str
    check: Callable[[Results], Finding]


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A claim with its verdict."""

    claim: Claim
    verdict: Verdict
    ours: str
    why: str

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        claim = self.claim
        return {
            **{name: getattr(claim, name) for name in ("text", "where", "paper", "measured")},
            "ours": self.ours,
            "verdict": str(self.verdict),
            "why": self.why,
        }


def judge(claims: Sequence[Claim], results: Results) -> list[Judged]:
    """Judge every claim; what is not finished is said to be not run."""
    return [_judge(claim, results) for claim in claims]


def _judge(claim: Claim, results: Results) -> Judged:
    try:
        found = claim.check(results)
    except NotRunError as missing:
        return Judged(claim=claim, verdict=Verdict.NOT_RUN, ours="", why=str(missing))
    verdict = Verdict.HOLDS if found.holds else Verdict.FAILS
    return Judged(claim=claim, verdict=verdict, ours=found.ours, why=found.why)


def ordering(comparisons: Sequence[Comparison], why: str = "") -> Finding:
    """Return the finding that all these comparisons hold, each in every seed."""
    return Finding(
        ours="; ".join(each.describe() for each in comparisons),
        holds=all(each.holds for each in comparisons),
        why=why,
    )


def above(
    settings: Callable[[Results], Sequence[str]], ours: str, *rivals: str
) -> Callable[[Results], Finding]:
    """Return the check that a strategy is above all these in every finished setting of some, at least one.

    Args:
        settings: Returns their names.
        ours: The strategy.
        rivals: What it is held against.
    """

    def check(results: Results) -> Finding:
        found: list[tuple[str, Comparison]] = []
        missing = []
        for name in settings(results):
            try:
                found += [(name, compare(results, name, ours, each)) for each in rivals]
            except NotRunError:
                missing.append(name)
        unfinished = f"not finished: {', '.join(missing)}" if missing else ""
        if not found:
            raise NotRunError(unfinished)
        return Finding(
            ours="; ".join(f"{name}: {each.describe()}" for name, each in found),
            holds=all(each.holds for _, each in found),
            why=unfinished,
        )

    return check
