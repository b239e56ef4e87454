"""Selecting by the caller's own scores, step by step; blocking and as coroutines."""

from __future__ import annotations

from client.calls.base import AsyncCalls, Calls
from client.conversion.requests import proposals as requests
from client.scores import Scores
from client.types.acquisition import Acquisition
from client.types.campaigns import Campaign
from client.types.classifiers import ClassifierInfo
from client.types.pools import PoolIds
from client.types.proposals import Proposal
from client.types.selection import Selection
from client.types.strategies import Batch, Dowser


class ProposalCalls(Calls):
    """Selecting by the caller's own scores, step by step."""

    def propose_samples(
        self,
        campaign: Campaign | str,
        *,
        budget: int,
        classifier: ClassifierInfo | str | None = None,
        acquisition: Acquisition | str = Acquisition.MARGIN,
        strategy: Dowser = Dowser(),
        class_prior_weight: float = 0.0,
        seed: int | None = None,
        min_index_version: int = 0,
        request_id: str | None = None,
    ) -> Proposal:
        """Name candidates for you to score, and lease them until `commit_selection` or `release_samples`.

        For pools whose samples are not on the server, and for scores that it cannot compute.

        Args:
            campaign: The campaign, its id or its name.
            budget: How many samples will be picked.
            classifier: An uploaded classifier, for synthesis alone; without one nothing is synthesized.
            acquisition: What synthesis climbs.
            strategy: Its `max_scored` is how many candidates; sources that look at scores (climb, surrogate) get none.
            class_prior_weight: As for `select_samples`.
            seed: Same seed, same campaign state, same answer; None derives one from the campaign's.
            min_index_version: Refuse to answer from an older index.
            request_id: Names this proposal: sent again, it returns the same answer. None makes one.
        """
        return self._send(
            requests.propose_samples(
                campaign,
                budget=budget,
                classifier=classifier,
                acquisition=acquisition,
                strategy=strategy,
                class_prior_weight=class_prior_weight,
                seed=seed,
                min_index_version=min_index_version,
                request_id=request_id,
            )
        )

    def commit_selection(
        self,
        campaign: Campaign | str,
        proposal: Proposal | str,
        scores: Scores,
        *,
        budget: int,
        pool_ids: PoolIds | None = None,
        acquisition: Acquisition | str | None = None,
        batch: Batch | None = None,
        class_prior_weight: float = 0.0,
        request_id: str | None = None,
    ) -> Selection:
        """Pick among a proposal's candidates by your scores; the leases of the others end.

        Args:
            campaign: The campaign, its id or its name.
            proposal: What `propose_samples` returned, or its `proposal_id`.
            scores: In the order of `pool_ids`.
            budget: How many samples to pick.
            pool_ids: The candidates that were scored; None means all of the proposal.
            acquisition: What the scores are, for the estimate of capture; None is a score of your own.
            batch: How the batch is made; None means class-balanced.
            class_prior_weight: Exponent of the expected rarity that the server multiplies the scores by.
            request_id: Names this selection: sent again, it returns the same answer. None makes one.
        """
        return self._send(
            requests.commit_selection(
                campaign,
                proposal,
                scores,
                budget=budget,
                pool_ids=pool_ids,
                acquisition=acquisition,
                batch=batch,
                class_prior_weight=class_prior_weight,
                request_id=request_id,
            )
        )


class AsyncProposalCalls(AsyncCalls):
    """The same as coroutines."""

    async def propose_samples(
        self,
        campaign: Campaign | str,
        *,
        budget: int,
        classifier: ClassifierInfo | str | None = None,
        acquisition: Acquisition | str = Acquisition.MARGIN,
        strategy: Dowser = Dowser(),
        class_prior_weight: float = 0.0,
        seed: int | None = None,
        min_index_version: int = 0,
        request_id: str | None = None,
    ) -> Proposal:
        """Name candidates for you to score, and lease them until they are committed or released."""
        return await self._send(
            requests.propose_samples(
                campaign,
                budget=budget,
                classifier=classifier,
                acquisition=acquisition,
                strategy=strategy,
                class_prior_weight=class_prior_weight,
                seed=seed,
                min_index_version=min_index_version,
                request_id=request_id,
            )
        )

    async def commit_selection(
        self,
        campaign: Campaign | str,
        proposal: Proposal | str,
        scores: Scores,
        *,
        budget: int,
        pool_ids: PoolIds | None = None,
        acquisition: Acquisition | str | None = None,
        batch: Batch | None = None,
        class_prior_weight: float = 0.0,
        request_id: str | None = None,
    ) -> Selection:
        """Pick among a proposal's candidates by your scores; the leases of the others end."""
        return await self._send(
            requests.commit_selection(
                campaign,
                proposal,
                scores,
                budget=budget,
                pool_ids=pool_ids,
                acquisition=acquisition,
                batch=batch,
                class_prior_weight=class_prior_weight,
                request_id=request_id,
            )
        )
