"""The interceptor around others that refuse before anybody looks whether a method exists."""

from __future__ import annotations

import asyncio
import contextlib

import grpc
import pytest
from grpc import aio
from prometheus_client import generate_latest

from dowser.v1 import pools_pb2, pools_pb2_grpc
from query_server.errors import overloaded
from query_server.observe.metrics import Metrics
from query_server.observe.observer import Observer
from query_server.observe.request import CURRENT
from query_server.observe.vitals import Vitals
from query_server.rpc.observing import ObserveInterceptor
from query_server.rpc.status import ErrorInterceptor


class RefuseAll(aio.ServerInterceptor):
    async def intercept_service(self, continuation, handler_call_details):
        async def refuse(_, __):
            raise overloaded("calls", 0, retry_after_seconds=1)

        return grpc.stream_unary_rpc_method_handler(refuse)


class Pools(pools_pb2_grpc.PoolServiceServicer):
    async def ListPools(self, request, context):  # noqa: N802 - the API's name
        return pools_pb2.ListPoolsResponse()

    async def GetPool(self, request, context):  # noqa: N802 - the API's name
        raise ValueError("a bug")


async def asked(metrics: Metrics, *inner: aio.ServerInterceptor, methods: list[str]) -> list[grpc.StatusCode]:
    observer = Observer(metrics=metrics, vitals=Vitals())
    outer = ObserveInterceptor(observer, caller_of=lambda _: "team")
    server = aio.server(interceptors=(outer, ErrorInterceptor(), *inner))
    pools_pb2_grpc.add_PoolServiceServicer_to_server(Pools(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    codes = []
    async with aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        for method in methods:
            call = channel.unary_unary(method)(b"")
            codes.append(await call.code())
    await server.stop(None)
    return codes


def test_a_refused_method_that_does_not_exist_makes_no_series():
    metrics = Metrics()
    methods = ["/made/up1", "/made/up2", "/dowser.v1.PoolService/ListPools"]
    codes = asyncio.run(asked(metrics, RefuseAll(), methods=methods))
    assert codes == [grpc.StatusCode.RESOURCE_EXHAUSTED] * 3
    text = generate_latest(metrics.registry).decode()
    assert 'dowser_requests_total{code="RESOURCE_EXHAUSTED",method="unknown"} 2.0' in text
    assert 'dowser_requests_total{code="RESOURCE_EXHAUSTED",method="ListPools"} 1.0' in text
    assert "up1" not in text


@contextlib.contextmanager
def filtered(caplog: pytest.LogCaptureFixture, look):
    """Look at every line while it is logged; the handler outlives the test, so the filter must not."""
    caplog.handler.addFilter(look)
    try:
        yield
    finally:
        caplog.handler.removeFilter(look)


def test_the_access_line_names_the_caller(caplog: pytest.LogCaptureFixture):
    callers = []
    with (
        filtered(caplog, lambda _: callers.append(CURRENT.get() and CURRENT.get().caller) or True),
        caplog.at_level("INFO", "query_server.access"),
    ):
        asyncio.run(asked(Metrics(), methods=["/dowser.v1.PoolService/ListPools"]))
    assert "ListPools OK" in caplog.text
    assert callers == ["team"]


def test_an_unexpected_failure_leaves_one_incident_in_both_log_lines(caplog: pytest.LogCaptureFixture):
    incidents = []
    metrics = Metrics()
    with (
        filtered(caplog, lambda line: incidents.append((line.name, CURRENT.get().incident)) or True),
        caplog.at_level("INFO", "query_server"),
    ):
        codes = asyncio.run(asked(metrics, methods=["/dowser.v1.PoolService/GetPool"]))
    assert codes == [grpc.StatusCode.INTERNAL]
    incident = dict(incidents)["query_server.access"]
    assert len(incident) == 16
    assert f"incident {incident}" in caplog.text
    assert 'dowser_errors_total{reason="INTERNAL"} 1.0' in generate_latest(metrics.registry).decode()
