"""Classifiers; blocking and as coroutines."""

from __future__ import annotations

from client.calls.base import AsyncCalls, Calls
from client.conversion.requests import classifiers as requests
from client.types.classifiers import ClassifierInfo, ModelSource


class ClassifierCalls(Calls):
    """Classifiers."""

    def upload_classifier(self, model: ModelSource, *, pool: str = "") -> ClassifierInfo:
        """Upload the classifier of the current round; the same bytes again are cheap.

        Args:
            model: ONNX, best with its gradient (`export_classifier`): bytes, a path or an `onnx.ModelProto`.
            pool: The pool whose samples it takes; empty means the server's only one.
        """
        return self._send(requests.upload_classifier(model, pool=pool))

    def get_classifier(self, classifier: ClassifierInfo | str) -> ClassifierInfo:
        """Return what the server knows of an uploaded classifier."""
        return self._send(requests.get_classifier(classifier))


class AsyncClassifierCalls(AsyncCalls):
    """The same as coroutines."""

    async def upload_classifier(self, model: ModelSource, *, pool: str = "") -> ClassifierInfo:
        """Upload the classifier of the current round; the same bytes again are cheap."""
        return await self._send(requests.upload_classifier(model, pool=pool))

    async def get_classifier(self, classifier: ClassifierInfo | str) -> ClassifierInfo:
        """Return what the server knows of an uploaded classifier."""
        return await self._send(requests.get_classifier(classifier))
