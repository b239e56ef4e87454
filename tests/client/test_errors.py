from __future__ import annotations

import asyncio
import pickle
from collections.abc import Callable

import grpc
import pytest
from google.rpc import status_pb2

from client import (
    AlreadyExistsError,
    AsyncClient,
    Client,
    ConflictError,
    DowserError,
    FailedPreconditionError,
    InternalError,
    InvalidArgumentError,
    NotFoundError,
    ResourceExhaustedError,
    RetryPolicy,
    UnauthenticatedError,
    UnavailableError,
    UnimplementedError,
)
from client.errors import from_rpc_error
from tests.client.peer import Peer, refusal

ONCE = RetryPolicy(max_attempts=1)


@pytest.fixture(params=["sync", "asyncio"])
def provoke(request: pytest.FixtureRequest, peer: Peer) -> Callable[[status_pb2.Status], DowserError]:
    """Have the peer refuse a call and return what the client makes of it."""

    def run_sync() -> None:
        with Client.connect(peer.target, timeout_seconds=5, retry=ONCE) as client:
            client.get_pool("digits")

    async def run_async() -> None:
        async with AsyncClient.connect(peer.target, timeout_seconds=5, retry=ONCE) as client:
            await client.get_pool("digits")

    def provoke(status: status_pb2.Status) -> DowserError:
        peer.refusals = [status]
        with pytest.raises(DowserError) as caught:
            run_sync() if request.param == "sync" else asyncio.run(run_async())
        return caught.value

    return provoke


def test_a_refusal_carries_reason_metadata_and_message(provoke) -> None:
    error = provoke(
        refusal(grpc.StatusCode.NOT_FOUND, "no pool", reason="POOL_NOT_FOUND", metadata={"pool": "digits"})
    )
    assert type(error) is NotFoundError
    assert error.reason == "POOL_NOT_FOUND"
    assert error.metadata == {"pool": "digits"}
    assert error.message == "no pool"
    assert error.grpc_code is grpc.StatusCode.NOT_FOUND
    assert str(error) == "no pool [POOL_NOT_FOUND]"


def test_retry_info_is_read_in_seconds(provoke) -> None:
    error = provoke(refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, reason="OVERLOADED", retry_seconds=1.25))
    assert isinstance(error, ResourceExhaustedError)
    assert error.retry_after_seconds == 1.25


def test_field_violations_are_told_once(provoke) -> None:
    error = provoke(
        refusal(
            grpc.StatusCode.INVALID_ARGUMENT,
            "budget must be positive",
            violations=(("budget", "budget must be positive"), ("k", "too large")),
        )
    )
    assert isinstance(error, InvalidArgumentError)
    assert error.message == "budget must be positive (k: too large)"


def test_reasons_of_another_domain_are_not_ours(provoke) -> None:
    error = provoke(refusal(grpc.StatusCode.UNAUTHENTICATED, reason="NO_KEY", domain="proxy.example"))
    assert isinstance(error, UnauthenticatedError)
    assert error.reason == ""


def test_without_details_the_status_code_decides(provoke) -> None:
    assert type(provoke(refusal(grpc.StatusCode.UNAVAILABLE))) is UnavailableError
    assert type(provoke(refusal(grpc.StatusCode.UNIMPLEMENTED))) is UnimplementedError
    assert type(provoke(refusal(grpc.StatusCode.UNKNOWN))) is DowserError


@pytest.mark.parametrize(
    ("code", "reason", "kind"),
    [
        (grpc.StatusCode.ALREADY_EXISTS, "CAMPAIGN_EXISTS", AlreadyExistsError),
        (grpc.StatusCode.ALREADY_EXISTS, "REQUEST_ID_REUSED", ConflictError),
        (grpc.StatusCode.FAILED_PRECONDITION, "LABEL_CONFLICT", ConflictError),
        (grpc.StatusCode.FAILED_PRECONDITION, "BUDGET_EXCEEDS_POOL", FailedPreconditionError),
        (grpc.StatusCode.DATA_LOSS, "CORRUPT_FILE", InternalError),
    ],
)
def test_reasons_decide_where_they_say_more_than_the_code(provoke, code, reason, kind) -> None:
    assert type(provoke(refusal(code, reason=reason))) is kind


def test_broken_details_do_not_hide_the_status() -> None:
    class Broken(grpc.RpcError, grpc.Call):
        def __init__(self) -> None: ...
        def code(self):
            return grpc.StatusCode.NOT_FOUND

        def details(self):
            return "gone"

        def trailing_metadata(self):
            return (("grpc-status-details-bin", b"\xff\xff\xff"),)

        initial_metadata = is_active = time_remaining = cancel = add_callback = lambda *_: None

    error = from_rpc_error(Broken())
    assert isinstance(error, NotFoundError)
    assert error.message == "gone"


def test_every_error_is_a_dowser_error_and_an_invalid_argument_a_value_error() -> None:
    import client

    kinds = [getattr(client, name) for name in client.__all__ if name.endswith("Error")]
    assert all(issubclass(kind, DowserError) for kind in kinds if kind.__name__ != "MissingExtraError")
    assert issubclass(InvalidArgumentError, ValueError)


def test_errors_cross_process_boundaries() -> None:
    error = NotFoundError(
        "no pool", reason="POOL_NOT_FOUND", metadata={"pool": "x"}, grpc_code=grpc.StatusCode.NOT_FOUND
    )
    back = pickle.loads(pickle.dumps(error))
    assert (type(back), back.reason, dict(back.metadata)) == (NotFoundError, "POOL_NOT_FOUND", {"pool": "x"})
    assert back.grpc_code is grpc.StatusCode.NOT_FOUND


def test_a_server_that_is_not_there_is_unavailable() -> None:
    with (
        Client.connect("127.0.0.1:1", timeout_seconds=5, retry=ONCE) as client,
        pytest.raises(UnavailableError, match=r"127\.0\.0\.1:1"),
    ):
        client.list_pools()
