"""The nouns, in the order the data flows; a table points only back."""

from annotate.models.audit import AuditEntry
from annotate.models.campaigns import Campaign, Instructions
from annotate.models.checkpoints import (
    Checkpoint,
    CheckpointKind,
    PolicyShare,
    Promotion,
    current_policy,
    sampled_policies,
)
from annotate.models.claims import ClaimState, SkipKind
from annotate.models.completions import Completion
from annotate.models.demonstrations import Demonstration
from annotate.models.dialogues import (
    Dialogue,
    DialogueMode,
    DialogueQuerySet,
    DialogueState,
    DialogueTurn,
)
from annotate.models.gold import GoldItem, GoldItemQuerySet
from annotate.models.intake import IntakeDecision, Rule
from annotate.models.kept_figures import KeptFigures
from annotate.models.notices import Notice
from annotate.models.people import Role, Split, User
from annotate.models.prompts import UNKNOWN_LANGUAGE, Kind, Prompt, PromptFlag, Sampling, Source
from annotate.models.rankings import LETTERS, Flag, Purpose, RankedCompletion, Ranking
from annotate.models.revisions import Revision
from annotate.models.runs import (
    EngineStatus,
    Retraining,
    RetrainingState,
    Run,
    RunMetric,
    RunState,
    Stage,
)
from annotate.models.screening import Grade, ScreeningDecision, SelfAssessment
from annotate.models.snapshots import Snapshot
from annotate.models.suggestions import Suggestion, SuggestionState
from annotate.models.tokens import ApiToken, KeptAnswer, Scope
from annotate.models.transfers import Transfer, TransferKind
from annotate.models.webhooks import MOST_FAILED, Delivery, DeliveryState, Event, Webhook

__all__ = [
    "MOST_FAILED",
    "ApiToken",
    "LETTERS",
    "UNKNOWN_LANGUAGE",
    "AuditEntry",
    "Campaign",
    "Checkpoint",
    "CheckpointKind",
    "ClaimState",
    "Completion",
    "Delivery",
    "DeliveryState",
    "Demonstration",
    "Dialogue",
    "DialogueMode",
    "DialogueQuerySet",
    "DialogueState",
    "DialogueTurn",
    "EngineStatus",
    "Event",
    "Flag",
    "Grade",
    "GoldItem",
    "GoldItemQuerySet",
    "Instructions",
    "KeptAnswer",
    "KeptFigures",
    "IntakeDecision",
    "Kind",
    "Notice",
    "PolicyShare",
    "Promotion",
    "Prompt",
    "PromptFlag",
    "Purpose",
    "RankedCompletion",
    "Ranking",
    "Retraining",
    "RetrainingState",
    "Revision",
    "Role",
    "Rule",
    "Run",
    "RunMetric",
    "RunState",
    "Sampling",
    "Scope",
    "SkipKind",
    "ScreeningDecision",
    "SelfAssessment",
    "Snapshot",
    "Source",
    "Split",
    "Stage",
    "Suggestion",
    "SuggestionState",
    "Transfer",
    "TransferKind",
    "User",
    "Webhook",
    "current_policy",
    "sampled_policies",
]
