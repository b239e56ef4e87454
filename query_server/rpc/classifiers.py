"""ClassifierService: takes the classifier of the current round."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from typing import Any

from grpc import aio

from dowser.v1 import classifiers_pb2, classifiers_pb2_grpc
from query_server.errors import checksum_mismatch, invalid_argument, pool_not_found, too_large
from query_server.models.sandbox import SandboxedClassifiers
from query_server.rpc import convert
from query_server.rpc.work import Workers

_Context = aio.ServicerContext[Any, Any]


class ClassifierServicer(classifiers_pb2_grpc.ClassifierServiceServicer):
    """Keeps uploaded classifiers."""

    def __init__(self, *, classifiers: SandboxedClassifiers, pool_name: str, workers: Workers) -> None:
        self._classifiers = classifiers
        self._pool_name = pool_name
        self._workers = workers

    async def UploadClassifier(
        self, request: AsyncIterator[classifiers_pb2.UploadClassifierRequest], context: _Context
    ) -> classifiers_pb2.UploadClassifierResponse:
        """Receive, check and keep a classifier."""
        data = await self._receive(request)
        info = await self._workers.run(context, lambda _: self._classifiers.add(data))
        return classifiers_pb2.UploadClassifierResponse(classifier=convert.classifier(info))

    async def GetClassifier(
        self, request: classifiers_pb2.GetClassifierRequest, context: _Context
    ) -> classifiers_pb2.GetClassifierResponse:
        """Describe a classifier."""
        info = await self._workers.run(context, lambda _: self._classifiers.info(request.classifier_id))
        return classifiers_pb2.GetClassifierResponse(classifier=convert.classifier(info))

    async def _receive(self, parts: AsyncIterator[classifiers_pb2.UploadClassifierRequest]) -> bytes:
        """Collect the chunks; never holds more than the header announced."""
        header: classifiers_pb2.UploadClassifierHeader | None = None
        data = bytearray()
        async for part in parts:
            if part.WhichOneof("part") == "header":
                if header is not None:
                    raise invalid_argument("header", "a second header", "the first message only")
                header = part.header
                if header.pool not in ("", self._pool_name):
                    raise pool_not_found(header.pool)
                if header.size_bytes > self._classifiers.max_bytes:
                    raise too_large(f"a classifier of {header.size_bytes} bytes", self._classifiers.max_bytes)
            elif header is None:
                raise invalid_argument("header", "a chunk", "the first message of the upload")
            else:
                data += part.chunk
                if len(data) > header.size_bytes:
                    limit = f"the announced {header.size_bytes} bytes in all"
                    raise invalid_argument("chunk", f"{len(data)} bytes", limit)
        if header is None:
            raise invalid_argument("header", "nothing", "the first message of the upload")
        if len(data) != header.size_bytes:
            raise invalid_argument("size_bytes", len(data), f"the announced {header.size_bytes}")
        received = hashlib.sha256(data).hexdigest()
        if received != header.sha256.lower():
            raise checksum_mismatch(header.sha256, received)
        return bytes(data)
