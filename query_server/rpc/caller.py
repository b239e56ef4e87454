"""Who makes the call under way, as limits and logs name them."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

from grpc import aio

# Set by the access interceptor in the task that handles the call; "" without a token.
token_name: ContextVar[str] = ContextVar("token_name", default="")


def caller_of(context: aio.ServicerContext[Any, Any]) -> str:
    """Name the caller: its token's name, else its certificate's common name, else its address without the port."""
    if name := token_name.get():
        return f"token:{name}"
    for name_bytes in context.auth_context().get("x509_common_name", ()):
        return f"certificate:{name_bytes.decode('utf-8', 'replace')}"
    peer = context.peer()
    return peer.rpartition(":")[0] if peer.startswith(("ipv4:", "ipv6:")) else peer
