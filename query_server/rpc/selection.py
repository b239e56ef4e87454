"""SelectionService: the round of an active-learning loop."""

from __future__ import annotations

from typing import Any

import numpy as np
from grpc import aio

from dowser.v1 import selection_pb2, selection_pb2_grpc
from query_server.campaigns import CampaignStore
from query_server.campaigns.values import Request
from query_server.courtesy import Courtesy
from query_server.rpc import campaign_values, convert, proposals, selection_values
from query_server.rpc.work import Waiting, Workers
from query_server.selection.proposals import PROPOSE
from query_server.selection.values import Selection, SynthesisOptions, SyntheticSamples
from query_server.serving import Serving
from query_server.timing import StageTiming

_Context = aio.ServicerContext[Any, Any]


class SelectionServicer(selection_pb2_grpc.SelectionServiceServicer):
    """Selects samples and takes what the oracle said of them."""

    def __init__(
        self,
        *,
        serving: Serving,
        campaigns: CampaignStore,
        workers: Workers,
        quick: Workers,
        courtesy: Courtesy,
    ) -> None:
        self._serving = serving
        self._courtesy = courtesy
        self._campaigns = campaigns
        self._workers = workers
        self._quick = quick

    async def SelectSamples(
        self, request: selection_pb2.SelectSamplesRequest, context: _Context
    ) -> selection_pb2.SelectSamplesResponse:
        """Pick samples and lease them."""
        write = convert.write_request(request, "SelectSamples")
        answer = await self._workers.run(context, lambda waiting: self._select(request, write, waiting))
        return selection_pb2.SelectSamplesResponse.FromString(answer)

    async def ProposeSamples(
        self, request: selection_pb2.ProposeSamplesRequest, context: _Context
    ) -> selection_pb2.ProposeSamplesResponse:
        """Name candidates and lease them."""
        write = convert.write_request(request, PROPOSE)
        answer = await self._workers.run(context, lambda waiting: self._propose(request, write, waiting))
        return selection_pb2.ProposeSamplesResponse.FromString(answer)

    async def CommitSelection(
        self, request: selection_pb2.CommitSelectionRequest, context: _Context
    ) -> selection_pb2.CommitSelectionResponse:
        """Pick among proposed candidates."""
        write = convert.write_request(request, "CommitSelection")
        answer = await self._workers.run(context, lambda waiting: self._commit(request, write, waiting))
        return selection_pb2.CommitSelectionResponse.FromString(answer)

    async def RecordLabels(
        self, request: selection_pb2.RecordLabelsRequest, context: _Context
    ) -> selection_pb2.RecordLabelsResponse:
        """Record labels."""
        convert.refuse_more("labels", request.labels)
        write = convert.write_request(request, "RecordLabels")
        outcome = await self._quick.run(
            context,
            lambda _: self._campaigns.record_labels(
                request.campaign_id, campaign_values.labels(request.labels), write
            ),
        )
        return selection_pb2.RecordLabelsResponse(recorded=outcome.recorded, labeled=outcome.labeled)

    async def ReleaseSamples(
        self, request: selection_pb2.ReleaseSamplesRequest, context: _Context
    ) -> selection_pb2.ReleaseSamplesResponse:
        """Release leases."""
        convert.refuse_more("pool_ids", request.pool_ids)
        write = convert.write_request(request, "ReleaseSamples")
        ids = np.fromiter(request.pool_ids, np.uint64, len(request.pool_ids))
        released = await self._quick.run(
            context, lambda _: self._campaigns.release(request.campaign_id, ids, write)
        )
        return selection_pb2.ReleaseSamplesResponse(released=released)

    async def SynthesizeSamples(
        self, request: selection_pb2.SynthesizeSamplesRequest, context: _Context
    ) -> selection_pb2.SynthesizeSamplesResponse:
        """Synthesize samples."""
        self._serving.require_pool(request.pool)
        options = selection_values.synthesis_options(request.synthesis)
        acquisition = selection_values.acquisition(request.acquisition, default="maximum_entropy")
        made, timings = await self._workers.run(
            context,
            lambda waiting: self._synthesize(request, acquisition, options, waiting),
        )
        return selection_pb2.SynthesizeSamplesResponse(
            samples=convert.tensor(made.x),
            scores=made.scores,
            initial_scores=made.initial_scores,
            timings=selection_values.timings(timings),
        )

    def _propose(
        self, request: selection_pb2.ProposeSamplesRequest, write: Request, waiting: Waiting
    ) -> bytes:
        with self._courtesy.interactive(), self._serving.use() as generation:
            return generation.remote_scoring.propose(
                proposals.proposal_request(request),
                write,
                answer=lambda proposed: proposals.proposal_response(proposed).SerializeToString(),
                checkpoint=waiting.checkpoint,
            )

    def _commit(
        self, request: selection_pb2.CommitSelectionRequest, write: Request, waiting: Waiting
    ) -> bytes:
        def answer(selection: Selection) -> bytes:
            response = selection_values.selection_response(selection, return_synthetic=False)
            return selection_pb2.CommitSelectionResponse(selection=response).SerializeToString()

        with self._courtesy.interactive(), self._serving.use() as generation:
            return generation.remote_scoring.commit(
                proposals.scored_candidates(request),
                write,
                read=proposals.proposed,
                answer=answer,
                checkpoint=waiting.checkpoint,
            )

    def _select(self, request: selection_pb2.SelectSamplesRequest, write: Request, waiting: Waiting) -> bytes:
        def answer(selection: Selection) -> bytes:
            return selection_values.selection_response(
                selection, return_synthetic=request.return_synthetic
            ).SerializeToString()

        with self._courtesy.interactive(), self._serving.use() as generation:
            return generation.selection.select(
                selection_values.selection_request(request),
                write,
                answer=answer,
                checkpoint=waiting.checkpoint,
            )

    def _synthesize(
        self,
        request: selection_pb2.SynthesizeSamplesRequest,
        acquisition: str,
        options: SynthesisOptions,
        waiting: Waiting,
    ) -> tuple[SyntheticSamples, tuple[StageTiming, ...]]:
        with self._courtesy.interactive(), self._serving.use() as generation:
            return generation.selection.synthesize(
                request.classifier_id, acquisition, options, seed=request.seed, checkpoint=waiting.checkpoint
            )
