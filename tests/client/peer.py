"""A peer for the transport: a real gRPC server in this process that fails as it is told to.

It stands for whatever may be at the other end of a connection (a busy server, a proxy, a newer version); what
Dowser itself answers is tested against the real server in test_against_server.py.
"""

from __future__ import annotations

import time
from concurrent import futures
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from dowser.v1 import (
    campaigns_pb2,
    campaigns_pb2_grpc,
    classifiers_pb2,
    classifiers_pb2_grpc,
    pools_pb2,
    pools_pb2_grpc,
    selection_pb2,
    selection_pb2_grpc,
)


def one_pick() -> selection_pb2.SelectSamplesResponse:
    return selection_pb2.SelectSamplesResponse(picks=[selection_pb2.Pick(pool_id=7)], round=1)


def refusal(
    code: grpc.StatusCode,
    message: str = "refused",
    *,
    reason: str = "",
    domain: str = "dowser",
    metadata: dict[str, str] | None = None,
    retry_seconds: float | None = None,
    violations: tuple[tuple[str, str], ...] = (),
) -> status_pb2.Status:
    details: list[Any] = []
    if reason:
        details.append(error_details_pb2.ErrorInfo(reason=reason, domain=domain, metadata=metadata or {}))
    if retry_seconds is not None:
        delay = duration_pb2.Duration()
        delay.FromNanoseconds(int(retry_seconds * 1e9))
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    if violations:
        fields = [error_details_pb2.BadRequest.FieldViolation(field=f, description=d) for f, d in violations]
        details.append(error_details_pb2.BadRequest(field_violations=fields))
    packed = []
    for detail in details:
        wrapped = any_pb2.Any()
        wrapped.Pack(detail)
        packed.append(wrapped)
    return status_pb2.Status(code=code.value[0], message=message, details=packed)


@dataclass
class Peer:
    """What the peer was sent, what it shall refuse before it answers, and the selection it answers with."""

    target: str = ""
    delay_seconds: float = 0.0
    refusals: list[status_pb2.Status] = field(default_factory=list)
    requests: list[Any] = field(default_factory=list)
    metadata: list[dict[str, str]] = field(default_factory=list)
    selection: selection_pb2.SelectSamplesResponse = field(default_factory=one_pick)

    def take(self, request: Any, context: grpc.ServicerContext) -> None:
        self.requests.append(request)
        self.metadata.append({each.key: each.value for each in context.invocation_metadata()})
        time.sleep(self.delay_seconds)
        if self.refusals:
            context.abort_with_status(rpc_status.to_status(self.refusals.pop(0)))

    def reset(self) -> None:
        self.delay_seconds, self.refusals, self.requests, self.metadata = 0.0, [], [], []
        self.selection = one_pick()


class _Pools(pools_pb2_grpc.PoolServiceServicer):
    def __init__(self, peer: Peer) -> None:
        self.peer = peer

    def GetPool(self, request, context):  # noqa: N802 - the API's name
        self.peer.take(request, context)
        return pools_pb2.GetPoolResponse(
            pool=pools_pb2.Pool(name=request.pool or "only", raw_dtype=1, size=3)
        )


class _Campaigns(campaigns_pb2_grpc.CampaignServiceServicer):
    def __init__(self, peer: Peer) -> None:
        self.peer = peer

    def CreateCampaign(self, request, context):  # noqa: N802
        self.peer.take(request, context)
        campaign = campaigns_pb2.Campaign(campaign_id="c1", name=request.name)
        return campaigns_pb2.CreateCampaignResponse(campaign=campaign)

    def ListLabels(self, request, context):  # noqa: N802
        self.peer.take(request, context)
        start = int(request.page_token or 0)
        ids = range(start, min(start + request.page_size, 5))
        labels = [campaigns_pb2.Label(pool_id=i, label=i % 2) for i in ids]
        token = str(ids.stop) if ids.stop < 5 else ""
        return campaigns_pb2.ListLabelsResponse(labels=labels, next_page_token=token)


class _Classifiers(classifiers_pb2_grpc.ClassifierServiceServicer):
    def __init__(self, peer: Peer) -> None:
        self.peer = peer

    def UploadClassifier(self, request_iterator, context):  # noqa: N802
        parts = list(request_iterator)
        self.peer.take(parts, context)
        classifier = classifiers_pb2.Classifier(
            classifier_id=f"sha256:{parts[0].header.sha256}", size_bytes=sum(len(p.chunk) for p in parts)
        )
        return classifiers_pb2.UploadClassifierResponse(classifier=classifier)


class _Selection(selection_pb2_grpc.SelectionServiceServicer):
    def __init__(self, peer: Peer) -> None:
        self.peer = peer

    def SelectSamples(self, request, context):  # noqa: N802
        self.peer.take(request, context)
        return self.peer.selection


def start_peer(
    peer: Peer, address: str = "127.0.0.1:0", credentials: grpc.ServerCredentials | None = None
) -> grpc.Server:
    server = grpc.server(futures.ThreadPoolExecutor(4))
    pools_pb2_grpc.add_PoolServiceServicer_to_server(_Pools(peer), server)
    campaigns_pb2_grpc.add_CampaignServiceServicer_to_server(_Campaigns(peer), server)
    classifiers_pb2_grpc.add_ClassifierServiceServicer_to_server(_Classifiers(peer), server)
    selection_pb2_grpc.add_SelectionServiceServicer_to_server(_Selection(peer), server)
    secure = credentials is not None
    port = server.add_secure_port(address, credentials) if secure else server.add_insecure_port(address)
    peer.target = f"127.0.0.1:{port}"
    server.start()
    return server
