"""Who may call what: one table from methods to roles, and the one interceptor that checks it.

A call is refused before a byte of its messages is read.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NoReturn

import grpc
from grpc import aio

from query_server.errors import DowserError, permission_denied, unauthenticated
from query_server.rpc.caller import token_name
from query_server.rpc.tokens import Role, Token, TokenFile

_SCHEME = "bearer"

# The role of every method of a service; a method that is not named here is for administrators.
_ROLES: dict[str, dict[Role, Sequence[str]]] = {
    "dowser.v1.PoolService": {
        Role.SELECT: ("ListPools", "GetPool", "GetSamples", "SearchNeighbors"),
        Role.ADMINISTER: ("AddSamples", "RemoveSamples"),
    },
    "dowser.v1.ClassifierService": {Role.SELECT: ("GetClassifier",), Role.UPLOAD: ("UploadClassifier",)},
    "dowser.v1.CampaignService": {
        Role.SELECT: (
            "CreateCampaign",
            "GetCampaign",
            "ListCampaigns",
            "ListLabels",
            "ListLeases",
            "ExtendLeases",
            "CorrectLabels",
            "RetractLabels",
            "ListLabelHistory",
            "ListRounds",
            "ImportCampaign",
        ),
        Role.ADMINISTER: ("DeleteCampaign",),
    },
    "dowser.v1.SelectionService": {
        Role.SELECT: (
            "SelectSamples",
            "SynthesizeSamples",
            "RecordLabels",
            "ReleaseSamples",
            "ProposeSamples",
            "CommitSelection",
        ),
    },
    "dowser.v1.AugmentationService": {Role.SELECT: ("AugmentSamples",)},
    "dowser.v1.ScoringService": {
        Role.SELECT: (
            "StartScorePool",
            "GetScoreJob",
            "ListScoreJobs",
            "CancelScoreJob",
            "ReadScoreShard",
            "ScoreSamples",
        ),
    },
}
ROLES: dict[str, Role] = {
    f"/{service}/{method}": role
    for service, roles in _ROLES.items()
    for role, methods in roles.items()
    for method in methods
}
# Services that are administration as a whole.
_ADMINISTRATION = ("/dowser.v1.AdminService/",)
# Probes carry no token.
_OPEN = ("/grpc.health.v1.Health/",)
# What the API looks like is told to whoever has a token, whatever it allows.
_ANY_TOKEN = ("/grpc.reflection.v1alpha.ServerReflection/", "/grpc.reflection.v1.ServerReflection/")


def is_open(method: str) -> bool:
    """Tell whether a method needs no token."""
    return method.startswith(_OPEN)


def is_listed(method: str) -> bool:
    """Tell whether a method's role was decided here, rather than defaulted to."""
    return method in ROLES or method.startswith((*_OPEN, *_ANY_TOKEN, *_ADMINISTRATION))


class AccessInterceptor(aio.ServerInterceptor):
    """Lets a call through where its bearer token has the method's role.

    Args:
        tokens: The tokens in force.
    """

    def __init__(self, tokens: TokenFile) -> None:
        self._tokens = tokens

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        """Check, and answer for the method where the caller may not call it."""
        method = str(handler_call_details.method)
        if not is_open(method):
            try:
                token_name.set(self._admit(method, handler_call_details).name)
            except DowserError as error:
                return _refusing(error)
        return await continuation(handler_call_details)

    def _admit(self, method: str, details: grpc.HandlerCallDetails) -> Token:
        given = [value for key, value in details.invocation_metadata or () if key == "authorization"]
        if len(given) != 1:
            raise unauthenticated("the call carries no token" if not given else "the call carries two tokens")
        scheme, _, presented = str(given[0]).partition(" ")
        if scheme.lower() != _SCHEME or not presented:
            raise unauthenticated("the call carries credentials of another scheme")
        token = self._tokens.find(presented)
        if token is None:
            raise unauthenticated("the server does not know the call's token")
        role = ROLES.get(method, Role.ADMINISTER)
        if not method.startswith(_ANY_TOKEN) and not token.allows(role):
            raise permission_denied(token.name, method.rpartition("/")[2], role)
        return token


def _refusing(error: DowserError) -> grpc.RpcMethodHandler[Any, Any]:
    async def refuse(_: Any, __: aio.ServicerContext[Any, Any]) -> NoReturn:
        raise error

    # Of the kind that reads nothing of its own; the caller cannot tell it from the method's.
    return grpc.stream_unary_rpc_method_handler(refuse)
