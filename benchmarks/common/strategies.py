"""Strategies as plain values, so that a result can say exactly what was run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from client import Batch, CandidateSource, Dowser, Exhaustive, Random, RandomSubset, Strategy

#: Rules that look at matching features or embeddings, so that their picks depend on the bundle.
_RULES_ON_FEATURES = ("badge", "k_center", "cluster_margin")


@dataclass(frozen=True, kw_only=True)
class StrategySpec:
    """A strategy, its batch rule and acquisition function.

    Attributes:
        kind: which of the client's strategies.
        text: for reports.
        rule: name of the batch rule; None leaves it to the server.
        shares: parts of the scored samples by source; None lets the policy learn them.
        scored: False is plain ASAL, which scores nothing.
        options: more of the client's `Dowser`.
        acquisition: name of the acquisition function.
        class_prior_weight: exponent of the class prior.
    """

    kind: Literal["random", "subset", "exhaustive", "dowser"]
    text: str
    rule: str | None = None
    shares: Mapping[str, float] | None = None
    scored: bool = True
    options: Mapping[str, Any] = field(default_factory=dict)
    acquisition: str = "maximum_entropy"
    class_prior_weight: float = 0.0

    def strategy(self, max_scored: int) -> Strategy:
        """Return the client's strategy, with at most `max_scored` samples scored."""
        if self.kind == "random":
            return Random()
        if self.kind == "exhaustive":
            return Exhaustive()
        if self.kind == "subset":
            return RandomSubset(max_scored=max_scored)
        given: dict[str, Any] = dict(self.options)
        if self.shares is not None:
            given["shares"] = {CandidateSource(name): part for name, part in self.shares.items()}
        return Dowser(max_scored=max_scored if self.scored else 0, **given)

    def learner_options(self) -> dict[str, Any]:
        """Return this strategy's arguments of `ActiveLearner` and of `Client.select_samples`."""
        return {
            "acquisition": self.acquisition,
            "batch": None if self.rule is None else Batch(rule=self.rule),
            "class_prior_weight": self.class_prior_weight,
        }

    @property
    def uses_bundle(self) -> bool:
        """Whether its picks depend on generator or features."""
        return self.kind == "dowser" or self.rule in _RULES_ON_FEATURES

    def describe(self) -> dict[str, Any]:
        """Return what decides about its picks, as plain JSON values."""
        return {name: value for name, value in asdict(self).items() if name != "text"}
