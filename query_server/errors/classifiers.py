"""What is wrong about a classifier, or about a score by it."""

from collections.abc import Mapping, Sequence

from query_server.errors.arguments import shape_text
from query_server.errors.error import DowserError
from query_server.errors.reasons import Reason


def classifier_not_found(classifier_id: str) -> DowserError:
    """Refuse a classifier that was never uploaded or was evicted."""
    return DowserError(
        Reason.CLASSIFIER_NOT_FOUND,
        f"classifier {classifier_id!r} was never uploaded or was evicted; upload it again",
        metadata={"classifier_id": classifier_id},
    )


def classifier_rejected(code: str, message: str, *, metadata: Mapping[str, str] | None = None) -> DowserError:
    """Refuse an uploaded graph; `code` is the check it failed."""
    return DowserError(Reason.CLASSIFIER_REJECTED, message, metadata={"code": code, **(metadata or {})})


def classifier_mismatch(classifier_input: Sequence[int], pool_sample: Sequence[int]) -> DowserError:
    """Refuse a classifier that does not take the pool's samples."""
    got, expected = shape_text(classifier_input), shape_text(pool_sample)
    return DowserError(
        Reason.CLASSIFIER_MISMATCH,
        f"the classifier takes samples of shape {got}, the pool's are {expected}; "
        "export the classifier with an example of that shape",
        metadata={"classifier_input": got, "pool_sample": expected},
    )


def classifier_failed(
    classifier_id: str, what: str, message: str, *, limit: str = "", metadata: Mapping[str, str] | None = None
) -> DowserError:
    """Report a classifier that broke while it ran; `what` is "memory", "cpu", "deadline", "crash", "run" or "shape"."""
    return DowserError(
        Reason.CLASSIFIER_FAILED,
        f"the classifier {classifier_id} failed: {message}",
        metadata={"classifier_id": classifier_id, "what": what, "limit": limit, **(metadata or {})},
    )


def acquisition_unsupported(
    acquisition: str, why: str, *, metadata: Mapping[str, str] | None = None
) -> DowserError:
    """Refuse an acquisition function that does not apply to the classifier."""
    return DowserError(
        Reason.ACQUISITION_UNSUPPORTED,
        f"the acquisition function {acquisition} does not apply: {why}",
        metadata={"acquisition": acquisition, **(metadata or {})},
    )
