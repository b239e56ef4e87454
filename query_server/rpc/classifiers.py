"""ClassifierService: takes the classifier of the current round."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from typing import Any

from grpc import aio

from dowser.v1 import classifiers_pb2, classifiers_pb2_grpc
from query_server.errors import checksum_mismatch, invalid_argument, too_large
from query_server.models import ClassifierInfo
from query_server.rpc import convert
from query_server.rpc.headed import headed
from query_server.rpc.work import Workers
from query_server.serving import Serving

_Context = aio.ServicerContext[Any, Any]


class ClassifierServicer(classifiers_pb2_grpc.ClassifierServiceServicer):
    """Keeps uploaded classifiers.

    Args:
        serving: What is served now.
        max_bytes: Largest upload.
        workers: Run the blocking work.
    """

    def __init__(self, *, serving: Serving, max_bytes: int, workers: Workers) -> None:
        self._serving = serving
        self._max_bytes = max_bytes
        self._workers = workers

    async def UploadClassifier(
        self, request: AsyncIterator[classifiers_pb2.UploadClassifierRequest], context: _Context
    ) -> classifiers_pb2.UploadClassifierResponse:
        """Receive, check and keep a classifier."""
        data = await self._receive(request)
        info = await self._workers.run(context, lambda _: self._add(data))
        return classifiers_pb2.UploadClassifierResponse(classifier=convert.classifier(info))

    async def GetClassifier(
        self, request: classifiers_pb2.GetClassifierRequest, context: _Context
    ) -> classifiers_pb2.GetClassifierResponse:
        """Describe a classifier."""
        info = await self._workers.run(context, lambda _: self._info(request.classifier_id))
        return classifiers_pb2.GetClassifierResponse(classifier=convert.classifier(info))

    def _add(self, data: bytes) -> ClassifierInfo:
        with self._serving.use() as generation:
            return generation.classifiers.add(data)

    def _info(self, classifier_id: str) -> ClassifierInfo:
        with self._serving.use() as generation:
            return generation.classifiers.info(classifier_id)

    async def _receive(self, parts: AsyncIterator[classifiers_pb2.UploadClassifierRequest]) -> bytes:
        """Collect the chunks; never holds more than the header announced."""
        data = bytearray()
        async for header, part in headed(parts, of="upload"):
            if part is None:
                self._serving.require_pool(header.pool)
                if header.size_bytes > self._max_bytes:
                    raise too_large(f"a classifier of {header.size_bytes} bytes", self._max_bytes)
            elif not part.chunk:
                raise invalid_argument("chunk", "an empty one", "1 byte or more")
            else:
                data += part.chunk
                if len(data) > header.size_bytes:
                    limit = f"the announced {header.size_bytes} bytes in all"
                    raise invalid_argument("chunk", f"{len(data)} bytes", limit)
        if len(data) != header.size_bytes:
            raise invalid_argument("size_bytes", len(data), f"the announced {header.size_bytes}")
        received = hashlib.sha256(data).hexdigest()
        if received != header.sha256.lower():
            raise checksum_mismatch(header.sha256, received)
        return bytes(data)
