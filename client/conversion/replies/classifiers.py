"""Answers of ClassifierService."""

from __future__ import annotations

from client.types.classifiers import ClassifierInfo
from dowser.v1 import classifiers_pb2


def uploaded_classifier(reply: classifiers_pb2.UploadClassifierResponse) -> ClassifierInfo:
    """Read what the server found in an upload."""
    return _classifier(reply.classifier)


def classifier(reply: classifiers_pb2.GetClassifierResponse) -> ClassifierInfo:
    """Read one classifier."""
    return _classifier(reply.classifier)


def _classifier(message: classifiers_pb2.Classifier) -> ClassifierInfo:
    return ClassifierInfo(
        classifier_id=message.classifier_id,
        size_bytes=message.size_bytes,
        input_shape=tuple(message.input_shape),
        classes=message.classes,
        passes=message.passes,
        has_pullback=message.has_pullback,
        embedding_dim=message.embedding_dim,
        has_score=message.has_score,
    )
