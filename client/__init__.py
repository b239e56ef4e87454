"""Dowser's client: ask a server which samples to label next.

    from client import ActiveLearner, Client

    with Client.connect("127.0.0.1:50051") as client:
        learner = ActiveLearner(client, campaign="digits", train=train, oracle=oracle, budget=50)
        learner.seed_labels(first_ids, first_labels)
        for report in learner:
            print(report.round, report.labeled)

Needs grpcio, protobuf and numpy. `export_classifier` and `OnnxScorer` need more (pip install "dowser-al[export]"),
`export_linear` and `export_sklearn` too ("dowser-al[sklearn]", or "dowser-al[boosting]" for LightGBM and XGBoost), and
Parquet files of campaigns ("dowser-al[parquet]"); each says so where it is missing.
"""

from client.async_client import AsyncClient
from client.errors import (
    AlreadyExistsError,
    CallCancelledError,
    ConflictError,
    DeadlineExceededError,
    DowserError,
    FailedPreconditionError,
    InternalError,
    InvalidArgumentError,
    MissingExtraError,
    NotFoundError,
    PermissionDeniedError,
    ResourceExhaustedError,
    UnauthenticatedError,
    UnavailableError,
    UnimplementedError,
)
from client.export import ClassifierExporter, export_classifier
from client.export_linear import export_linear
from client.export_sklearn import export_sklearn
from client.local_scoring import OnnxScorer
from client.loop import ActiveLearner, RoundReport, RoundSeconds
from client.retry import RetryPolicy
from client.scores import Scores
from client.sync_client import Client
from client.transport import TlsConfig
from client.types.acquisition import Acquisition, CandidateSource
from client.types.admin import Compacted, Reloaded, SnapshotInfo
from client.types.augmentation import Companions
from client.types.campaigns import Campaign, CampaignImported, Round
from client.types.classifiers import ClassifierInfo, ModelSource
from client.types.diagnosis import CaptureEstimate, Diagnosis, SourceReport
from client.types.labels import (
    Label,
    LabelChange,
    LabelEvent,
    LabelsCorrected,
    LabelsRecorded,
    LabelsRetracted,
)
from client.types.leases import LeasesExtended, LeaseTerm
from client.types.pools import Neighbors, Pool, SamplesAdded, SamplesRemoved
from client.types.proposals import Candidate, Proposal
from client.types.scoring import SampleScores, ScoreJob, ScoreJobState, ScoreShard
from client.types.selection import Pick, Selection, Synthesis
from client.types.strategies import Batch, BatchRule, Dowser, Exhaustive, Random, RandomSubset, Strategy
from client.types.timings import StageTiming

__all__ = [
    "Acquisition",
    "ActiveLearner",
    "AlreadyExistsError",
    "AsyncClient",
    "Batch",
    "BatchRule",
    "CallCancelledError",
    "Campaign",
    "CampaignImported",
    "Candidate",
    "CandidateSource",
    "CaptureEstimate",
    "ClassifierExporter",
    "ClassifierInfo",
    "Client",
    "Compacted",
    "Companions",
    "ConflictError",
    "DeadlineExceededError",
    "Diagnosis",
    "Dowser",
    "DowserError",
    "Exhaustive",
    "FailedPreconditionError",
    "InternalError",
    "InvalidArgumentError",
    "Label",
    "LabelChange",
    "LabelEvent",
    "LabelsCorrected",
    "LabelsRecorded",
    "LabelsRetracted",
    "LeaseTerm",
    "LeasesExtended",
    "MissingExtraError",
    "ModelSource",
    "Neighbors",
    "NotFoundError",
    "OnnxScorer",
    "PermissionDeniedError",
    "Pick",
    "Pool",
    "Proposal",
    "Random",
    "RandomSubset",
    "Reloaded",
    "ResourceExhaustedError",
    "RetryPolicy",
    "Round",
    "RoundReport",
    "RoundSeconds",
    "SampleScores",
    "SamplesAdded",
    "SamplesRemoved",
    "ScoreJob",
    "ScoreJobState",
    "ScoreShard",
    "Scores",
    "Selection",
    "SnapshotInfo",
    "SourceReport",
    "StageTiming",
    "Strategy",
    "Synthesis",
    "TlsConfig",
    "UnauthenticatedError",
    "UnavailableError",
    "UnimplementedError",
    "export_classifier",
    "export_linear",
    "export_sklearn",
]
