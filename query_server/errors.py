"""The one error type of the server's domain.

Everything below rpc/ raises `DowserError`; the interceptor alone turns it into a gRPC status. The reasons are
the names of `dowser.v1.ErrorReason` without their prefix (a test holds the two lists together), and the
functions here build each error with the metadata errors.proto promises for it, so that no caller spells a
metadata key by hand.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum

__all__ = [
    "DowserError",
    "Reason",
    "acquisition_unsupported",
    "budget_exceeds_pool",
    "campaign_exists",
    "campaign_not_found",
    "cancelled",
    "checksum_mismatch",
    "classifier_failed",
    "classifier_mismatch",
    "classifier_not_found",
    "classifier_rejected",
    "corrupt_file",
    "deadline_exceeded",
    "extra_not_installed",
    "gradient_required",
    "index_version_too_old",
    "invalid_argument",
    "label_conflict",
    "label_not_found",
    "not_finite",
    "overloaded",
    "permission_denied",
    "pool_full",
    "pool_id_exists",
    "pool_id_not_found",
    "pool_not_found",
    "reconstruction_unsupported",
    "reload_refused",
    "request_id_reused",
    "samples_not_stored",
    "score_job_not_found",
    "shape_mismatch",
    "shard_not_ready",
    "snapshot_refused",
    "storage_full",
    "too_large",
    "unauthenticated",
    "unavailable",
]


# Errors quote what they were given, and travel in trailers, of which gRPC takes 8 KiB: the message three times there,
# percent-encoded and in base64.
MAX_MESSAGE_BYTES = 800
MAX_METADATA_BYTES = 200


class Reason(StrEnum):
    """Why a call was refused; stable names, part of the API."""

    UNSPECIFIED = "UNSPECIFIED"
    INVALID_ARGUMENT = "INVALID_ARGUMENT"
    POOL_NOT_FOUND = "POOL_NOT_FOUND"
    CAMPAIGN_NOT_FOUND = "CAMPAIGN_NOT_FOUND"
    CLASSIFIER_NOT_FOUND = "CLASSIFIER_NOT_FOUND"
    POOL_ID_NOT_FOUND = "POOL_ID_NOT_FOUND"
    CAMPAIGN_EXISTS = "CAMPAIGN_EXISTS"
    BUDGET_EXCEEDS_POOL = "BUDGET_EXCEEDS_POOL"
    SHAPE_MISMATCH = "SHAPE_MISMATCH"
    NOT_FINITE = "NOT_FINITE"
    CLASSIFIER_REJECTED = "CLASSIFIER_REJECTED"
    CLASSIFIER_MISMATCH = "CLASSIFIER_MISMATCH"
    ACQUISITION_UNSUPPORTED = "ACQUISITION_UNSUPPORTED"
    GRADIENT_REQUIRED = "GRADIENT_REQUIRED"
    CHECKSUM_MISMATCH = "CHECKSUM_MISMATCH"
    TOO_LARGE = "TOO_LARGE"
    REQUEST_ID_REUSED = "REQUEST_ID_REUSED"
    LABEL_CONFLICT = "LABEL_CONFLICT"
    OVERLOADED = "OVERLOADED"
    UNAVAILABLE = "UNAVAILABLE"
    INDEX_VERSION_TOO_OLD = "INDEX_VERSION_TOO_OLD"
    DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
    CANCELLED = "CANCELLED"
    CORRUPT_FILE = "CORRUPT_FILE"
    INTERNAL = "INTERNAL"
    POOL_ID_EXISTS = "POOL_ID_EXISTS"
    POOL_FULL = "POOL_FULL"
    STORAGE_FULL = "STORAGE_FULL"
    RELOAD_REFUSED = "RELOAD_REFUSED"
    SNAPSHOT_REFUSED = "SNAPSHOT_REFUSED"
    SAMPLES_NOT_STORED = "SAMPLES_NOT_STORED"
    LABEL_NOT_FOUND = "LABEL_NOT_FOUND"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    PERMISSION_DENIED = "PERMISSION_DENIED"
    CLASSIFIER_FAILED = "CLASSIFIER_FAILED"
    SCORE_JOB_NOT_FOUND = "SCORE_JOB_NOT_FOUND"
    SHARD_NOT_READY = "SHARD_NOT_READY"
    EXTRA_NOT_INSTALLED = "EXTRA_NOT_INSTALLED"
    RECONSTRUCTION_UNSUPPORTED = "RECONSTRUCTION_UNSUPPORTED"


class DowserError(Exception):
    """A refused call: what was wrong, the limit, the value received, and what to do next.

    Attributes:
        reason: The stable reason.
        metadata: Details a program can read, as errors.proto describes them for the reason.
        retry_after_seconds: When trying again makes sense; None where it does not.
    """

    def __init__(
        self,
        reason: Reason,
        message: str,
        *,
        metadata: Mapping[str, str] | None = None,
        retry_after_seconds: float | None = None,
    ) -> None:
        message = _cut(message, MAX_MESSAGE_BYTES)
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.metadata: dict[str, str] = {
            key: _cut(value, MAX_METADATA_BYTES) for key, value in (metadata or {}).items()
        }
        self.retry_after_seconds = retry_after_seconds


def invalid_argument(field: str, value: object, limit: str) -> DowserError:
    """Refuse a field whose value is outside `limit` (words: "1 to 50000")."""
    return DowserError(
        Reason.INVALID_ARGUMENT,
        f"{field} must be {limit}, got {value!r}",
        metadata={"field": field, "value": str(value), "limit": limit},
    )


def pool_not_found(pool: str) -> DowserError:
    """Refuse a pool this server does not serve."""
    return DowserError(
        Reason.POOL_NOT_FOUND,
        f"this server serves no pool {pool!r}; ListPools names those it serves",
        metadata={"pool": pool},
    )


def campaign_not_found(campaign_id: str) -> DowserError:
    """Refuse a campaign id or name that is not in the ledger."""
    return DowserError(
        Reason.CAMPAIGN_NOT_FOUND,
        f"there is no campaign with the id or name {campaign_id!r}; ListCampaigns names those there are",
        metadata={"campaign_id": campaign_id},
    )


def classifier_not_found(classifier_id: str) -> DowserError:
    """Refuse a classifier that was never uploaded or was evicted."""
    return DowserError(
        Reason.CLASSIFIER_NOT_FOUND,
        f"classifier {classifier_id!r} was never uploaded or was evicted; upload it again",
        metadata={"classifier_id": classifier_id},
    )


def pool_id_not_found(pool_id: int, missing: int) -> DowserError:
    """Refuse pool ids the pool does not hold; names the first and how many there are."""
    return DowserError(
        Reason.POOL_ID_NOT_FOUND,
        f"the pool holds no sample {pool_id}; {missing} of the pool ids given are unknown",
        metadata={"pool_id": str(pool_id), "missing": str(missing)},
    )


def campaign_exists(name: str) -> DowserError:
    """Refuse a second campaign of one name."""
    return DowserError(
        Reason.CAMPAIGN_EXISTS,
        f"a campaign named {name!r} exists; choose another name or delete it first",
        metadata={"name": name},
    )


def budget_exceeds_pool(budget: int, available: int) -> DowserError:
    """Refuse a budget above what is neither labeled nor leased."""
    return DowserError(
        Reason.BUDGET_EXCEEDS_POOL,
        f"a budget of {budget} is above the {available} samples that are neither labeled nor leased; "
        "ask for fewer, or label or release what is leased",
        metadata={"budget": str(budget), "available": str(available)},
    )


def shape_mismatch(expected: Sequence[int | str], got: Sequence[int], *, what: str = "tensor") -> DowserError:
    """Refuse an array whose shape is not the expected one (a name stands for a free dimension)."""
    expected_text, got_text = _shape_text(expected), _shape_text(got)
    return DowserError(
        Reason.SHAPE_MISMATCH,
        f"{what} must have the shape {expected_text}, got {got_text}",
        metadata={"expected": expected_text, "got": got_text},
    )


def not_finite(where: str, index: int) -> DowserError:
    """Refuse NaN or infinity; `index` is the first entry that holds one."""
    return DowserError(
        Reason.NOT_FINITE,
        f"{where} holds NaN or infinity, first at entry {index}",
        metadata={"where": where, "index": str(index)},
    )


def classifier_rejected(code: str, message: str, *, metadata: Mapping[str, str] | None = None) -> DowserError:
    """Refuse an uploaded graph; `code` is the check it failed."""
    return DowserError(Reason.CLASSIFIER_REJECTED, message, metadata={"code": code, **(metadata or {})})


def classifier_mismatch(classifier_input: Sequence[int], pool_sample: Sequence[int]) -> DowserError:
    """Refuse a classifier that does not take the pool's samples."""
    got, expected = _shape_text(classifier_input), _shape_text(pool_sample)
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


def gradient_required(classifier_id: str) -> DowserError:
    """Refuse what needs a classifier's own pullback; synthesis does not, so nothing raises this today."""
    return DowserError(
        Reason.GRADIENT_REQUIRED,
        f"classifier {classifier_id!r} carries no gradient and the strategy needs one; "
        "export it with its pullback or choose another strategy",
        metadata={"classifier_id": classifier_id},
    )


def checksum_mismatch(announced: str, received: str) -> DowserError:
    """Refuse an upload whose bytes do not hash to what it announced."""
    return DowserError(
        Reason.CHECKSUM_MISMATCH,
        f"the upload announced sha256 {announced} and its bytes hash to {received}; send it again",
        metadata={"announced": announced, "received": received},
    )


def too_large(what: str, limit_bytes: int) -> DowserError:
    """Refuse an upload or message above its limit."""
    return DowserError(
        Reason.TOO_LARGE,
        f"{what} is above the limit of {limit_bytes} bytes",
        metadata={"limit_bytes": str(limit_bytes)},
    )


def request_id_reused(request_id: str) -> DowserError:
    """Refuse a request id that already answered a different request."""
    return DowserError(
        Reason.REQUEST_ID_REUSED,
        f"request_id {request_id!r} was used for a different request; make a new id for every new request",
        metadata={"request_id": request_id},
    )


def label_conflict(pool_id: int, recorded: int, given: int) -> DowserError:
    """Refuse a label that contradicts the recorded one."""
    return DowserError(
        Reason.LABEL_CONFLICT,
        f"sample {pool_id} has the label {recorded} in this campaign and the call says {given}; "
        "nothing of the call was recorded",
        metadata={"pool_id": str(pool_id), "recorded": str(recorded), "given": str(given)},
    )


def label_not_found(pool_id: int, missing: int) -> DowserError:
    """Refuse to correct or retract what was never recorded; names the first sample and how many there are."""
    return DowserError(
        Reason.LABEL_NOT_FOUND,
        f"sample {pool_id} has no label in this campaign, as have {missing} of the samples given; record labels first, "
        "nothing of the call was changed",
        metadata={"pool_id": str(pool_id), "missing": str(missing)},
    )


def overloaded(what: str, limit: float, retry_after_seconds: float) -> DowserError:
    """Refuse work above a limit for now."""
    return DowserError(
        Reason.OVERLOADED,
        f"{what} is at its limit of {limit:.12g}; try again in {retry_after_seconds:g} s",
        metadata={"limit": f"{limit:.12g}"},
        retry_after_seconds=retry_after_seconds,
    )


def unauthenticated(why: str) -> DowserError:
    """Refuse a caller that did not prove who it is; `why` never quotes what it sent."""
    return DowserError(
        Reason.UNAUTHENTICATED,
        f"{why}; send the metadata 'authorization: Bearer TOKEN' with a token from the server's administrator",
        metadata={"scheme": "Bearer"},
    )


def permission_denied(caller: str, method: str, role: str) -> DowserError:
    """Refuse a method to a caller whose token lacks its role."""
    return DowserError(
        Reason.PERMISSION_DENIED,
        f"{method} needs a token with the role {role}, and {caller} has none such",
        metadata={"caller": caller, "method": method, "role": role},
    )


def unavailable(message: str, retry_after_seconds: float | None = None) -> DowserError:
    """Refuse while starting or shutting down."""
    return DowserError(Reason.UNAVAILABLE, message, retry_after_seconds=retry_after_seconds)


def index_version_too_old(index_version: int, min_index_version: int) -> DowserError:
    """Refuse to answer from an index older than the caller demands."""
    return DowserError(
        Reason.INDEX_VERSION_TOO_OLD,
        f"the index has version {index_version}, the call demands at least {min_index_version}",
        metadata={"index_version": str(index_version), "min_index_version": str(min_index_version)},
    )


def deadline_exceeded(stage: str) -> DowserError:
    """Report that the deadline passed in `stage`; nothing was changed."""
    return DowserError(
        Reason.DEADLINE_EXCEEDED,
        f"the deadline passed during {stage}; nothing was changed",
        metadata={"stage": stage},
    )


def cancelled(stage: str) -> DowserError:
    """Report that the caller went away in `stage`; nothing was changed."""
    return DowserError(
        Reason.CANCELLED,
        f"the call was cancelled during {stage}; nothing was changed",
        metadata={"stage": stage},
    )


def corrupt_file(file: object, why: str) -> DowserError:
    """Report a damaged or foreign file; `why` says what to do about it."""
    return DowserError(Reason.CORRUPT_FILE, f"{file}: {why}", metadata={"file": str(file)})


def pool_id_exists(pool_id: int, existing: int) -> DowserError:
    """Refuse to add an id the pool holds or held; names the first and how many there are."""
    return DowserError(
        Reason.POOL_ID_EXISTS,
        f"the pool holds a sample {pool_id} or held it before it was removed, as it does {existing} of the ids "
        "given; add samples under new ids, or under none to have them assigned",
        metadata={"pool_id": str(pool_id), "existing": str(existing)},
    )


def pool_full(added: int, count: int, limit: int) -> DowserError:
    """Refuse to add `count` samples to the `added` ones."""
    return DowserError(
        Reason.POOL_FULL,
        f"{added} samples were added to this pool and {count} more would exceed the limit of {limit}; build the "
        "index again with all samples, or start the server with a higher --max-added-samples",
        metadata={"added": str(added), "limit": str(limit)},
    )


def storage_full(path: object, why: str) -> DowserError:
    """Report that the disk has no room for a write; nothing was changed."""
    return DowserError(
        Reason.STORAGE_FULL,
        f"{path}: the disk has no room ({why}); nothing was changed; free some space and send the request again",
        metadata={"path": str(path)},
    )


def reload_refused(why: str, what: str, metadata: Mapping[str, str] | None = None) -> DowserError:
    """Refuse to serve something new; `why` is the reason underneath it, `what` says what is wrong."""
    return DowserError(
        Reason.RELOAD_REFUSED,
        f"not reloaded, what was served before goes on: {what}",
        metadata={**(metadata or {}), "why": why},
    )


def snapshot_refused(name: str, why: str, what: str) -> DowserError:
    """Report that no snapshot was made; `why` is for programs, `what` says what to do."""
    return DowserError(
        Reason.SNAPSHOT_REFUSED, f"no snapshot {name!r}: {what}", metadata={"name": name, "why": why}
    )


def samples_not_stored(pool: str) -> DowserError:
    """Refuse to read or score samples that stayed with their owner."""
    return DowserError(
        Reason.SAMPLES_NOT_STORED,
        f"the samples of pool {pool!r} are not on this server (its index was built with --no-samples), so it can "
        "neither return nor score them; call ProposeSamples, score the candidates, and call CommitSelection "
        "(select_by_scoring does both); SelectSamples takes the random strategy without a classifier and plain ASAL "
        "(max_scored = 0) alone",
        metadata={"pool": pool},
    )


def score_job_not_found(job_id: str) -> DowserError:
    """Refuse a job that was never started or was dropped for newer ones."""
    return DowserError(
        Reason.SCORE_JOB_NOT_FOUND,
        f"there is no score job {job_id!r}, or it was dropped for newer ones; ListScoreJobs names those there are",
        metadata={"job_id": job_id},
    )


def shard_not_ready(job_id: str, shard: int, finished: int) -> DowserError:
    """Refuse to read a shard that the job has not written."""
    return DowserError(
        Reason.SHARD_NOT_READY,
        f"the score job {job_id} has finished {finished} shards, and number {shard} (counted from 0) is none of them; "
        "GetScoreJob lists them",
        metadata={"job_id": job_id, "shard": str(shard), "finished": str(finished)},
    )


def extra_not_installed(package: str, extra: str) -> DowserError:
    """Refuse what the server was installed without."""
    return DowserError(
        Reason.EXTRA_NOT_INSTALLED,
        f'the server has no {package}; its administrator installs it with: pip install "dowser-al[{extra}]"',
        metadata={"package": package, "extra": extra},
    )


def reconstruction_unsupported(pool: str, generator: str) -> DowserError:
    """Refuse to make companions with a generator that has no encoder to its latents."""
    return DowserError(
        Reason.RECONSTRUCTION_UNSUPPORTED,
        f"the bundle served for pool {pool!r} cannot reconstruct samples: its generator {generator!r} has no encoder "
        "to its latents; train a bundle with dowser-trainer --generator vae or vae-acgan, and reload",
        metadata={"pool": pool, "generator": generator},
    )


def _cut(text: str, limit_bytes: int) -> str:
    """Return a text of at most so many bytes of UTF-8."""
    data = text.encode("utf-8", "replace")
    if len(data) <= limit_bytes:
        return data.decode()
    return data[: limit_bytes - len("…".encode())].decode("utf-8", "ignore") + "…"


def _shape_text(shape: Sequence[int | str]) -> str:
    return "[" + ", ".join(str(size) for size in shape) + "]"
