"""Selecting, and synthesis without a selection; blocking and as coroutines."""

from __future__ import annotations

from client.calls.base import AsyncCalls, Calls
from client.conversion.requests import selection as requests
from client.types.acquisition import Acquisition
from client.types.campaigns import Campaign
from client.types.classifiers import ClassifierInfo
from client.types.selection import Selection, Synthesis
from client.types.strategies import Batch, Dowser, Strategy


class SelectionCalls(Calls):
    """Selecting, and synthesis without a selection."""

    def select_samples(
        self,
        campaign: Campaign | str,
        *,
        classifier: ClassifierInfo | str | None = None,
        budget: int,
        acquisition: Acquisition | str = Acquisition.MARGIN,
        strategy: Strategy = Dowser(),
        batch: Batch | None = None,
        class_prior_weight: float = 0.0,
        seed: int | None = None,
        return_synthetic: bool = False,
        min_index_version: int = 0,
        request_id: str | None = None,
    ) -> Selection:
        """Pick the samples to label next and lease them to the campaign.

        Args:
            campaign: The campaign, its id or its name.
            classifier: An uploaded classifier; only the `Random` strategy does without.
            budget: How many samples to pick.
            acquisition: What counts as informative.
            strategy: `Dowser`, or one of the baselines `Exhaustive`, `Random` and `RandomSubset`.
            batch: How the batch is made of what was scored; None means the strategy's default.
            class_prior_weight: Exponent of the expected rarity, among the labels so far, that scores are multiplied
                by; 0 leaves them as they are.
            seed: Same seed, same campaign state, same answer; None derives one from the campaign's.
            return_synthetic: Return the synthetic samples too.
            min_index_version: Refuse to answer from an older index.
            request_id: Names this selection: sent again, it returns the same answer. None makes one.
        """
        return self._send(
            requests.select_samples(
                campaign,
                classifier=classifier,
                budget=budget,
                acquisition=acquisition,
                strategy=strategy,
                batch=batch,
                class_prior_weight=class_prior_weight,
                seed=seed,
                return_synthetic=return_synthetic,
                min_index_version=min_index_version,
                request_id=request_id,
            )
        )

    def synthesize_samples(
        self,
        classifier: ClassifierInfo | str,
        *,
        pool: str = "",
        acquisition: Acquisition | str = Acquisition.MAXIMUM_ENTROPY,
        latents: int = 10,
        steps: int | None = None,
        step_size: float | None = None,
        seed: int = 0,
    ) -> Synthesis:
        """Return informative synthetic samples without touching the pool.

        Args:
            classifier: An uploaded classifier.
            pool: The pool whose generator is used; empty means the server's only one.
            acquisition: What is climbed.
            latents: How many samples, S.
            steps: Adam steps, or scores a latent without a gradient; None means the server's default, 100.
            step_size: Adam step size; None means the server's default, 0.05.
            seed: Draws the latents.
        """
        return self._send(
            requests.synthesize_samples(
                classifier,
                pool=pool,
                acquisition=acquisition,
                latents=latents,
                steps=steps,
                step_size=step_size,
                seed=seed,
            )
        )


class AsyncSelectionCalls(AsyncCalls):
    """The same as coroutines."""

    async def select_samples(
        self,
        campaign: Campaign | str,
        *,
        classifier: ClassifierInfo | str | None = None,
        budget: int,
        acquisition: Acquisition | str = Acquisition.MARGIN,
        strategy: Strategy = Dowser(),
        batch: Batch | None = None,
        class_prior_weight: float = 0.0,
        seed: int | None = None,
        return_synthetic: bool = False,
        min_index_version: int = 0,
        request_id: str | None = None,
    ) -> Selection:
        """Pick the samples to label next and lease them to the campaign."""
        return await self._send(
            requests.select_samples(
                campaign,
                classifier=classifier,
                budget=budget,
                acquisition=acquisition,
                strategy=strategy,
                batch=batch,
                class_prior_weight=class_prior_weight,
                seed=seed,
                return_synthetic=return_synthetic,
                min_index_version=min_index_version,
                request_id=request_id,
            )
        )

    async def synthesize_samples(
        self,
        classifier: ClassifierInfo | str,
        *,
        pool: str = "",
        acquisition: Acquisition | str = Acquisition.MAXIMUM_ENTROPY,
        latents: int = 10,
        steps: int | None = None,
        step_size: float | None = None,
        seed: int = 0,
    ) -> Synthesis:
        """Return informative synthetic samples without touching the pool."""
        return await self._send(
            requests.synthesize_samples(
                classifier,
                pool=pool,
                acquisition=acquisition,
                latents=latents,
                steps=steps,
                step_size=step_size,
                seed=seed,
            )
        )
