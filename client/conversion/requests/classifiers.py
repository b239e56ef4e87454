"""Calls of ClassifierService."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from google.protobuf.message import Message

from client.conversion import fields
from client.conversion.call import Call, unary
from client.conversion.replies import classifiers as replies
from client.conversion.requests.chunks import CHUNK_BYTES
from client.types.classifiers import ClassifierInfo, ModelSource
from dowser.v1 import classifiers_pb2


def upload_classifier(model: ModelSource, *, pool: str) -> Call[ClassifierInfo]:
    """ClassifierService.UploadClassifier: a header, then the bytes in chunks."""
    data = fields.model_bytes(model)
    header = fields.build(
        classifiers_pb2.UploadClassifierHeader,
        pool=pool,
        size_bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
    )

    def parts() -> Iterator[Message]:
        yield classifiers_pb2.UploadClassifierRequest(header=header)
        for start in range(0, len(data), CHUNK_BYTES):
            yield classifiers_pb2.UploadClassifierRequest(chunk=data[start : start + CHUNK_BYTES])

    return Call(
        path="/dowser.v1.ClassifierService/UploadClassifier",
        parts=parts,
        reply_type=classifiers_pb2.UploadClassifierResponse,
        decode=replies.uploaded_classifier,
    )


def get_classifier(classifier: ClassifierInfo | str) -> Call[ClassifierInfo]:
    """ClassifierService.GetClassifier."""
    request = fields.build(
        classifiers_pb2.GetClassifierRequest, classifier_id=fields.classifier_id(classifier)
    )
    return unary(
        "ClassifierService/GetClassifier",
        request,
        classifiers_pb2.GetClassifierResponse,
        replies.classifier,
    )
