"""Selecting by the caller's own scores in one go; blocking and as coroutines."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import Awaitable, Callable
from typing import cast

import numpy as np
from numpy.typing import NDArray

from client.calls.leases import AsyncLeaseCalls, LeaseCalls
from client.calls.proposals import AsyncProposalCalls, ProposalCalls
from client.errors import DowserError, FailedPreconditionError, InvalidArgumentError
from client.scores import Scores
from client.types.acquisition import Acquisition
from client.types.campaigns import Campaign
from client.types.classifiers import ClassifierInfo
from client.types.selection import Selection
from client.types.strategies import Batch, Dowser


class ScoredSelectionCalls(ProposalCalls, LeaseCalls):
    """Selecting by the caller's own scores in one go."""

    def select_by_scoring(
        self,
        campaign: Campaign | str,
        score: Callable[[NDArray[np.uint64]], Scores],
        *,
        budget: int,
        classifier: ClassifierInfo | str | None = None,
        acquisition: Acquisition | str = Acquisition.MARGIN,
        strategy: Dowser = Dowser(),
        batch: Batch | None = None,
        class_prior_weight: float = 0.0,
        seed: int | None = None,
        min_index_version: int = 0,
        request_id: str | None = None,
    ) -> Selection:
        """Propose, score with your own function, commit: `select_samples` where the samples are not on the server.

        Args:
            campaign: The campaign, its id or its name.
            score: Given ids uint64 [M], returns their `Scores`; `OnnxScorer` is one. Where it fails the
                candidates are given back, and another try needs another request_id.
            budget: How many samples to pick.
            classifier: An uploaded classifier, for synthesis alone; without one nothing is synthesized.
            acquisition: What synthesis climbs, and what the scores are.
            strategy: Its `max_scored` is how many candidates you are asked to score at most.
            batch: How the batch is made; None means class-balanced.
            class_prior_weight: As for `select_samples`; the server multiplies your scores.
            seed: Same seed, same campaign state, same answer; None derives one from the campaign's.
            min_index_version: Refuse to answer from an older index.
            request_id: Names this selection, and with ":proposal" behind it its proposal. None makes one.
        """
        proposal = self.propose_samples(
            campaign,
            budget=budget,
            classifier=classifier,
            acquisition=acquisition,
            strategy=strategy,
            class_prior_weight=class_prior_weight,
            seed=seed,
            min_index_version=min_index_version,
            request_id=None if request_id is None else f"{request_id}:proposal",
        )
        try:
            scores = score(proposal.pool_ids)
        except BaseException:
            # The leases would keep the candidates from everybody.
            with contextlib.suppress(DowserError):
                self.release_samples(campaign, proposal.pool_ids)
            raise
        try:
            return self.commit_selection(
                campaign,
                proposal,
                scores,
                budget=budget,
                acquisition=acquisition,
                batch=batch,
                class_prior_weight=class_prior_weight,
                request_id=request_id,
            )
        except (FailedPreconditionError, InvalidArgumentError):
            # Refused, so nothing was picked; after any other error a repeated request may still find its answer.
            with contextlib.suppress(DowserError):
                self.release_samples(campaign, proposal.pool_ids)
            raise


class AsyncScoredSelectionCalls(AsyncProposalCalls, AsyncLeaseCalls):
    """The same as coroutines."""

    async def select_by_scoring(
        self,
        campaign: Campaign | str,
        score: Callable[[NDArray[np.uint64]], Scores | Awaitable[Scores]],
        *,
        budget: int,
        classifier: ClassifierInfo | str | None = None,
        acquisition: Acquisition | str = Acquisition.MARGIN,
        strategy: Dowser = Dowser(),
        batch: Batch | None = None,
        class_prior_weight: float = 0.0,
        seed: int | None = None,
        min_index_version: int = 0,
        request_id: str | None = None,
    ) -> Selection:
        """Propose, score with your own function, commit: `select_samples` where the samples are not on the server.

        `score` is a coroutine function, or a plain one, which runs on a thread.
        """
        proposal = await self.propose_samples(
            campaign,
            budget=budget,
            classifier=classifier,
            acquisition=acquisition,
            strategy=strategy,
            class_prior_weight=class_prior_weight,
            seed=seed,
            min_index_version=min_index_version,
            request_id=None if request_id is None else f"{request_id}:proposal",
        )
        try:
            scores = await _scored(score, proposal.pool_ids)
        except BaseException:
            # The leases would keep the candidates from everybody.
            with contextlib.suppress(DowserError):
                await self.release_samples(campaign, proposal.pool_ids)
            raise
        try:
            return await self.commit_selection(
                campaign,
                proposal,
                scores,
                budget=budget,
                acquisition=acquisition,
                batch=batch,
                class_prior_weight=class_prior_weight,
                request_id=request_id,
            )
        except (FailedPreconditionError, InvalidArgumentError):
            # Refused, so nothing was picked; after any other error a repeated request may still find its answer.
            with contextlib.suppress(DowserError):
                await self.release_samples(campaign, proposal.pool_ids)
            raise


async def _scored(
    score: Callable[[NDArray[np.uint64]], Scores | Awaitable[Scores]], pool_ids: NDArray[np.uint64]
) -> Scores:
    """Call a scoring function without blocking the event loop; what it returns may have to be awaited."""
    said = score(pool_ids) if inspect.iscoroutinefunction(score) else await asyncio.to_thread(score, pool_ids)
    return cast(Scores, await said if inspect.isawaitable(said) else said)
