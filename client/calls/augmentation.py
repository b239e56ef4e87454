"""Companions of labeled samples; blocking and as coroutines."""

from __future__ import annotations

from client.calls.base import AsyncCalls, Calls
from client.conversion.requests import augmentation as requests
from client.types.acquisition import Acquisition
from client.types.augmentation import Companions
from client.types.campaigns import Campaign
from client.types.classifiers import ClassifierInfo
from client.types.pools import PoolIds
from client.types.selection import Selection


class AugmentationCalls(Calls):
    """Companions of labeled samples."""

    def augment_samples(
        self,
        campaign: Campaign | str,
        *,
        classifier: ClassifierInfo | str | None = None,
        acquisition: Acquisition | str = Acquisition.BALD,
        threshold: float | Selection | str | None = None,
        pool_ids: PoolIds | None = None,
        limit: int | None = None,
    ) -> Companions:
        """Return generated companions of the labeled samples that a classifier is still uncertain about.

        Needs a bundle that can reconstruct samples (generators "vae", "vae-acgan" and "m2"); nothing is changed.

        Args:
            campaign: The campaign, its id or its name.
            classifier: An uploaded classifier; None only without a threshold.
            acquisition: What uncertainty is.
            threshold: Least score; or a selection by the same classifier, whose least informative pick's score it is
                then; or that selection's request_id; None takes every labeled sample.
            pool_ids: Look at these labeled samples alone; None means all of the campaign.
            limit: Companions at most, at most 4096; None means as many as an answer holds.
        """
        return self._send(
            requests.augment_samples(
                campaign,
                classifier=classifier,
                acquisition=acquisition,
                threshold=threshold,
                pool_ids=pool_ids,
                limit=limit,
            )
        )


class AsyncAugmentationCalls(AsyncCalls):
    """The same as coroutines."""

    async def augment_samples(
        self,
        campaign: Campaign | str,
        *,
        classifier: ClassifierInfo | str | None = None,
        acquisition: Acquisition | str = Acquisition.BALD,
        threshold: float | Selection | str | None = None,
        pool_ids: PoolIds | None = None,
        limit: int | None = None,
    ) -> Companions:
        """Return generated companions of uncertain labeled samples; arguments as in `Client.augment_samples`."""
        return await self._send(
            requests.augment_samples(
                campaign,
                classifier=classifier,
                acquisition=acquisition,
                threshold=threshold,
                pool_ids=pool_ids,
                limit=limit,
            )
        )
