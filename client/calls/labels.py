"""Labels of a campaign and their history; blocking and as coroutines."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping

from client.calls.base import AsyncCalls, Calls
from client.conversion.requests import labels as requests
from client.types.campaigns import Campaign
from client.types.labels import Label, LabelEvent, LabelsCorrected, LabelsRecorded, LabelsRetracted
from client.types.pools import PoolIds


class LabelCalls(Calls):
    """Labels of a campaign and their history."""

    def record_labels(
        self,
        campaign: Campaign | str,
        labels: Mapping[int, int] | Iterable[tuple[int, int]],
        *,
        annotator: str = "",
        request_id: str | None = None,
    ) -> LabelsRecorded:
        """Record what the oracle said, {pool_id: class}; all or none, at most 100,000 a call."""
        return self._send(
            requests.record_labels(campaign, labels, annotator=annotator, request_id=request_id)
        )

    def correct_labels(
        self,
        campaign: Campaign | str,
        labels: Mapping[int, int] | Iterable[tuple[int, int]],
        *,
        annotator: str = "",
        request_id: str | None = None,
    ) -> LabelsCorrected:
        """Give labeled samples other labels, {pool_id: class}; all or none, at most 100,000 a call."""
        return self._send(
            requests.correct_labels(campaign, labels, annotator=annotator, request_id=request_id)
        )

    def retract_labels(
        self,
        campaign: Campaign | str,
        pool_ids: PoolIds,
        *,
        annotator: str = "",
        request_id: str | None = None,
    ) -> LabelsRetracted:
        """Take labels back, all or none, so that their samples can be selected again; at most 100,000 a call."""
        return self._send(
            requests.retract_labels(campaign, pool_ids, annotator=annotator, request_id=request_id)
        )

    def list_labels(self, campaign: Campaign | str, *, page_size: int = 10_000) -> Iterator[Label]:
        """Yield the labels of a campaign in the order they were recorded, fetching a page at a time."""
        token = ""
        while True:
            page = self._send(requests.list_labels(campaign, page_size=page_size, page_token=token))
            yield from page.labels
            token = page.next_page_token
            if not token:
                return

    def list_label_history(
        self, campaign: Campaign | str, *, page_size: int = 10_000
    ) -> Iterator[LabelEvent]:
        """Yield all that was ever said of a campaign's samples, in its order, fetching a page at a time."""
        token = ""
        while True:
            page = self._send(requests.list_label_history(campaign, page_size=page_size, page_token=token))
            yield from page.events
            token = page.next_page_token
            if not token:
                return


class AsyncLabelCalls(AsyncCalls):
    """The same as coroutines."""

    async def record_labels(
        self,
        campaign: Campaign | str,
        labels: Mapping[int, int] | Iterable[tuple[int, int]],
        *,
        annotator: str = "",
        request_id: str | None = None,
    ) -> LabelsRecorded:
        """Record what the oracle said, {pool_id: class}; all or none, at most 100,000 a call."""
        return await self._send(
            requests.record_labels(campaign, labels, annotator=annotator, request_id=request_id)
        )

    async def correct_labels(
        self,
        campaign: Campaign | str,
        labels: Mapping[int, int] | Iterable[tuple[int, int]],
        *,
        annotator: str = "",
        request_id: str | None = None,
    ) -> LabelsCorrected:
        """Give labeled samples other labels, {pool_id: class}; all or none, at most 100,000 a call."""
        return await self._send(
            requests.correct_labels(campaign, labels, annotator=annotator, request_id=request_id)
        )

    async def retract_labels(
        self,
        campaign: Campaign | str,
        pool_ids: PoolIds,
        *,
        annotator: str = "",
        request_id: str | None = None,
    ) -> LabelsRetracted:
        """Take labels back, all or none, so that their samples can be selected again; at most 100,000 a call."""
        return await self._send(
            requests.retract_labels(campaign, pool_ids, annotator=annotator, request_id=request_id)
        )

    async def list_labels(self, campaign: Campaign | str, *, page_size: int = 10_000) -> AsyncIterator[Label]:
        """Yield the labels of a campaign in the order they were recorded, fetching a page at a time."""
        token = ""
        while True:
            page = await self._send(requests.list_labels(campaign, page_size=page_size, page_token=token))
            for label in page.labels:
                yield label
            token = page.next_page_token
            if not token:
                return

    async def list_label_history(
        self, campaign: Campaign | str, *, page_size: int = 10_000
    ) -> AsyncIterator[LabelEvent]:
        """Yield all that was ever said of a campaign's samples, in its order, fetching a page at a time."""
        token = ""
        while True:
            page = await self._send(
                requests.list_label_history(campaign, page_size=page_size, page_token=token)
            )
            for event in page.events:
                yield event
            token = page.next_page_token
            if not token:
                return
