"""The one error type of the server's domain.

Everything below rpc/ raises `DowserError`; the interceptor alone turns it into a gRPC status. The reasons are
the names of `dowser.v1.ErrorReason` without their prefix (a test holds the two lists together), and the
functions here, one file a subject, build each error with the metadata errors.proto promises for it, so that no
caller spells a metadata key by hand. Callers import them from here, whatever their subject.
"""

from query_server.errors.admin import compaction_refused, reload_refused, snapshot_refused
from query_server.errors.arguments import (
    checksum_mismatch,
    invalid_argument,
    not_finite,
    request_id_reused,
    shape_mismatch,
    too_large,
)
from query_server.errors.callers import permission_denied, unauthenticated
from query_server.errors.campaigns import (
    budget_exceeds_pool,
    campaign_exists,
    campaign_not_found,
    label_conflict,
    label_not_found,
)
from query_server.errors.classifiers import (
    acquisition_unsupported,
    classifier_failed,
    classifier_mismatch,
    classifier_not_found,
    classifier_rejected,
)
from query_server.errors.error import DowserError
from query_server.errors.files import corrupt_file, storage_full
from query_server.errors.pools import (
    index_version_too_old,
    pool_full,
    pool_id_exists,
    pool_id_not_found,
    pool_not_found,
    reconstruction_unsupported,
    samples_not_stored,
)
from query_server.errors.reasons import Reason
from query_server.errors.scoring import score_job_not_found, shard_not_ready
from query_server.errors.work import (
    cancelled,
    deadline_exceeded,
    extra_not_installed,
    overloaded,
    unavailable,
)

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
    "compaction_refused",
    "corrupt_file",
    "deadline_exceeded",
    "extra_not_installed",
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
