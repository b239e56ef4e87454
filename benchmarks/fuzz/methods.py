"""Every method of the API, read from the generated descriptors."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Sequence
from dataclasses import dataclass

from google.protobuf.descriptor import Descriptor

import dowser.v1


@dataclass(frozen=True, kw_only=True)
class Method:
    """One method.

    Attributes:
        path: As HTTP/2 names it: "/package.Service/Method".
        request: The descriptor of its request.
        streams_requests: Whether it takes a stream of them.
        streams_replies: Whether it answers with a stream.
    """

    path: str
    request: Descriptor
    streams_requests: bool
    streams_replies: bool


def all_methods() -> Sequence[Method]:
    """Return the methods of all services in dowser.v1, in order of their names."""
    found = []
    for module in pkgutil.iter_modules(dowser.v1.__path__):
        if not module.name.endswith("_pb2"):
            continue
        file = importlib.import_module(f"dowser.v1.{module.name}").DESCRIPTOR
        found += [
            Method(
                path=f"/{service.full_name}/{method.name}",
                request=method.input_type,
                streams_requests=method.client_streaming,
                streams_replies=method.server_streaming,
            )
            for service in file.services_by_name.values()
            for method in service.methods
        ]
    return sorted(found, key=lambda method: method.path)
