"""The nouns, in the order the data flows; a table points only back."""

from annotate.models.audit import AuditEntry
from annotate.models.campaigns import Campaign, Instructions
from annotate.models.checkpoints import Checkpoint, CheckpointKind, Promotion, current_policy
from annotate.models.claims import ClaimState
from annotate.models.completions import Completion
from annotate.models.demonstrations import Demonstration
from annotate.models.people import Role, Split, User
from annotate.models.prompts import Kind, Prompt, Sampling, Source
from annotate.models.rankings import Flag, RankedCompletion, Ranking
from annotate.models.runs import (
    EngineStatus,
    Retraining,
    RetrainingState,
    Run,
    RunMetric,
    RunState,
    Stage,
)
from annotate.models.snapshots import Snapshot

__all__ = [
    "AuditEntry",
    "Campaign",
    "Checkpoint",
    "CheckpointKind",
    "ClaimState",
    "Completion",
    "Demonstration",
    "EngineStatus",
    "Flag",
    "Instructions",
    "Kind",
    "Promotion",
    "Prompt",
    "RankedCompletion",
    "Ranking",
    "Retraining",
    "RetrainingState",
    "Role",
    "Run",
    "RunMetric",
    "RunState",
    "Sampling",
    "Snapshot",
    "Source",
    "Split",
    "Stage",
    "User",
    "current_policy",
]
