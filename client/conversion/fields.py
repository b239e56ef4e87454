"""Arguments of a call, checked and turned into what a request's fields hold.

Only what has no meaning on the wire is refused here; limits are the server's to state.
"""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from google.protobuf.message import Message

from client.errors import invalid_argument
from client.types.acquisition import Acquisition
from client.types.campaigns import Campaign
from client.types.classifiers import ClassifierInfo, ModelSource
from client.types.pools import PoolIds
from client.types.scoring import ScoreJob
from dowser.v1 import acquisition_pb2

M = TypeVar("M", bound=Message)


def build(message_type: type[M], **fields: Any) -> M:
    """Make a message; a value that does not fit its field is the caller's mistake, said as such."""
    try:
        return message_type(**fields)
    except (TypeError, ValueError) as error:
        name = message_type.__name__.removesuffix("Request")
        raise invalid_argument(f"{name}: {error}", value=str(error)) from error


def request_id(request_id: str | None) -> str:
    """Return the caller's request id, or make one."""
    return request_id or uuid.uuid4().hex


def campaign_id(campaign: Campaign | str) -> str:
    """Return the id (or the name, which the server takes as well) of a campaign."""
    return campaign.campaign_id if isinstance(campaign, Campaign) else campaign


def job_id(job: ScoreJob | str) -> str:
    """Return a score job's id."""
    return job.job_id if isinstance(job, ScoreJob) else job


def classifier_id(classifier: ClassifierInfo | str) -> str:
    """Return a classifier's id."""
    return classifier.classifier_id if isinstance(classifier, ClassifierInfo) else classifier


def integer(value: Any) -> int:
    """Read a pool id or label; 1.0 and True are slips of the caller, not integers."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | np.integer):
        raise invalid_argument(f"pool ids and labels are integers, got {value!r}", value=repr(value))
    return int(value)


def ids(pool_ids: PoolIds) -> list[int]:
    """Return pool ids as Python integers."""
    array = np.asarray(pool_ids)
    if array.size == 0:
        return []
    if array.dtype.kind not in "ui" or array.ndim != 1:
        raise invalid_argument(
            f"pool ids are a flat list of integers, got {array.dtype} of shape {array.shape}",
            field="pool_ids",
        )
    ids: list[int] = array.tolist()
    if min(ids) < 0:
        raise invalid_argument(f"pool ids are not negative, got {min(ids)}", field="pool_ids")
    return ids


def acquisition(acquisition: Acquisition | str) -> int:
    """Return the wire's number of an acquisition function, given itself or its name."""
    try:
        name = Acquisition(acquisition).name
    except ValueError as error:
        choices = ", ".join(Acquisition)
        raise invalid_argument(
            f"no acquisition function {acquisition!r}; there are {choices}",
            field="acquisition",
            value=str(acquisition),
        ) from error
    return acquisition_pb2.AcquisitionFunction.Value(f"ACQUISITION_FUNCTION_{name}")


def model_bytes(model: ModelSource) -> bytes:
    """Return the ONNX bytes of whatever holds them.

    Raises:
        InvalidArgumentError: The file cannot be read, or this is no model.
    """
    if isinstance(model, bytes):
        return model
    if isinstance(model, Path):
        try:
            return model.read_bytes()
        except OSError as error:
            raise invalid_argument(f"cannot read the classifier: {error}", file=str(model)) from error
    if not hasattr(model, "SerializeToString"):
        raise invalid_argument(
            "a classifier is ONNX bytes, the pathlib.Path of a file, or an onnx.ModelProto, got "
            f"{type(model).__name__}; export_classifier makes one of a torch module",
            field="model",
        )
    return model.SerializeToString()
