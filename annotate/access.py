"""The one door: a row if this person may see it, else 404, so that nobody learns what exists elsewhere."""

from django.db.models import Q, QuerySet
from django.http import Http404
from django.shortcuts import get_object_or_404

from annotate.models import (
    ApiToken,
    Campaign,
    Checkpoint,
    ClaimState,
    Completion,
    Delivery,
    Demonstration,
    Dialogue,
    DialogueQuerySet,
    GoldItem,
    GoldItemQuerySet,
    IntakeDecision,
    KeptFigures,
    Notice,
    Promotion,
    Prompt,
    Ranking,
    Retraining,
    Role,
    Run,
    Snapshot,
    Suggestion,
    Transfer,
    TransferKind,
    User,
    Webhook,
)


def campaigns(user: User) -> QuerySet[Campaign]:
    """Return the campaigns this person may see: all for researchers and admins, else those they label in."""
    if user.is_researcher:
        return Campaign.objects.all()
    return Campaign.objects.filter(labelers=user)


def campaign(user: User, pk: int) -> Campaign:
    return get_object_or_404(campaigns(user), pk=pk)


def labeling_campaigns(user: User) -> QuerySet[Campaign]:
    """Return the campaigns in which this person may label now: a qualified member's, and open."""
    is_qualified = Q(qualification__in=["", *user.qualifications])
    return Campaign.objects.filter(is_qualified, labelers=user, is_open=True)


def labeling_campaign(user: User, pk: int) -> Campaign:
    return get_object_or_404(labeling_campaigns(user), pk=pk)


def reviewing_campaign(user: User, pk: int) -> Campaign:
    """Return a campaign to whoever reviews in it: researchers, and those of its labelers who are named."""
    if user.is_researcher:
        return campaign(user, pk)
    return get_object_or_404(labeling_campaigns(user).filter(reviewers=user), pk=pk)


def screening(user: User, pk: int) -> Campaign:
    """Return a campaign that screens candidates, to whoever may see it."""
    return get_object_or_404(campaigns(user).filter(is_screening=True), pk=pk)


def campaigns_to_join(user: User) -> QuerySet[Campaign]:
    """Return where whoever a screening accepts can label from then on."""
    return campaigns(user).filter(is_screening=False)


def candidacy(user: User, pk: int) -> Campaign:
    """Return a campaign that screens this person now."""
    return get_object_or_404(labeling_campaigns(user).filter(is_screening=True), pk=pk)


def may_label(user: User, campaign: Campaign) -> bool:
    return labeling_campaigns(user).filter(pk=campaign.pk).exists()


def prompts(user: User) -> QuerySet[Prompt]:
    """Return what a researcher may see (every prompt) or a labeler (those they wrote)."""
    return Prompt.objects.all() if user.is_researcher else Prompt.objects.filter(author=user)


def prompt(user: User, pk: int) -> Prompt:
    return get_object_or_404(prompts(user).select_related("campaign"), pk=pk)


def notice(user: User, prompt_pk: int) -> Notice:
    """Return the notice of use that a customer's prompt came under."""
    rows = Notice.objects.all() if user.is_researcher else Notice.objects.none()
    return get_object_or_404(rows, prompt=prompt_pk)


def completions(user: User) -> QuerySet[Completion]:
    """Return the completions of the prompts that this person may see."""
    return Completion.objects.all() if user.is_researcher else Completion.objects.filter(prompt__author=user)


def intake_decisions(user: User) -> QuerySet[IntakeDecision]:
    """Return what intake decided, to researchers."""
    rows = IntakeDecision.objects.all() if user.is_researcher else IntakeDecision.objects.none()
    return rows.select_related("prompt", "reversed_by")


def intake_decision(user: User, pk: int) -> IntakeDecision:
    """Return a decision to reverse or uphold, which admins do."""
    rows = intake_decisions(user) if user.is_admin else IntakeDecision.objects.none()
    return get_object_or_404(rows, pk=pk)


def ranking(user: User, pk: int) -> Ranking:
    """Return a ranking of this person's own: nobody judges in another's name."""
    own = Ranking.objects.filter(labeler=user).select_related("prompt__campaign")
    return get_object_or_404(own, pk=pk)


def judged_rankings(user: User) -> QuerySet[Ranking]:
    """Return everyone's rankings, to researchers."""
    rows = Ranking.objects.all() if user.is_researcher else Ranking.objects.none()
    return rows.select_related("labeler")


def judged_ranking(user: User, pk: int) -> Ranking:
    return get_object_or_404(judged_rankings(user), pk=pk)


def gold_items(user: User) -> GoldItemQuerySet:
    rows = GoldItem.objects.all() if user.is_researcher else GoldItem.objects.none()
    return rows.select_related("prompt", "marked_by")


def gold_item(user: User, pk: int) -> GoldItem:
    return get_object_or_404(gold_items(user), pk=pk)


def demonstration(user: User, pk: int) -> Demonstration:
    own = Demonstration.objects.filter(labeler=user).select_related("prompt__campaign", "instructions")
    return get_object_or_404(own, pk=pk)


def written_demonstrations(user: User) -> QuerySet[Demonstration]:
    """Return everyone's submitted demonstrations, to researchers."""
    rows = Demonstration.objects.all() if user.is_researcher else Demonstration.objects.none()
    return rows.filter(state=ClaimState.SUBMITTED).select_related("labeler")


def candidates_demonstrations(user: User) -> QuerySet[Demonstration]:
    """Return what candidates of screenings have submitted, to researchers."""
    rows = written_demonstrations(user).filter(prompt__campaign__is_screening=True)
    return rows.filter(labeler__role=Role.LABELER)


def suggestion(user: User, pk: int) -> Suggestion:
    """Return what this person has asked for: nobody reads another's."""
    return get_object_or_404(Suggestion, asked_by=user, pk=pk)


def dialogues(user: User) -> DialogueQuerySet:
    """Return what a researcher may read (every dialogue) or a labeler (those they wrote)."""
    return Dialogue.objects.all() if user.is_researcher else Dialogue.objects.filter(author=user)


def dialogue(user: User, pk: int) -> Dialogue:
    """Return a dialogue to read; only its author writes in it."""
    return get_object_or_404(dialogues(user).select_related("campaign", "instructions"), pk=pk)


def own_dialogue(user: User, pk: int) -> Dialogue:
    own = Dialogue.objects.filter(author=user).select_related("campaign", "instructions")
    return get_object_or_404(own, pk=pk)


def runs(user: User) -> QuerySet[Run]:
    return Run.objects.all() if user.is_researcher else Run.objects.none()


def run(user: User, pk: int) -> Run:
    related = ("campaign", "policy", "reward_model", "second_judge", "checkpoint", "snapshot")
    return get_object_or_404(runs(user).select_related(*related), pk=pk)


def checkpoints(user: User) -> QuerySet[Checkpoint]:
    return Checkpoint.objects.all() if user.is_researcher else Checkpoint.objects.none()


def checkpoint(user: User, pk: int) -> Checkpoint:
    return get_object_or_404(checkpoints(user).select_related("campaign", "parent"), pk=pk)


def loadable_checkpoints(user: User, campaign: Campaign) -> QuerySet[Checkpoint]:
    """Return what workers can load for a campaign's runs: checkpoints of its own, and the shared ones."""
    here = checkpoints(user).filter(Q(campaign=campaign) | Q(campaign=None))
    return here.exclude(location="")


def promotions(user: User) -> QuerySet[Promotion]:
    rows = Promotion.objects.all() if user.is_researcher else Promotion.objects.none()
    return rows.select_related("policy", "promoted_by", "campaign")


def kept_figures(user: User, campaign: Campaign, subject: str) -> KeptFigures:
    """Return how far a subject's figures are; a row that is not stored where none has been begun."""
    rows = KeptFigures.objects.all() if user.is_researcher else KeptFigures.objects.none()
    found = rows.filter(campaign=campaign, subject=subject).first()
    return found or KeptFigures(campaign=campaign, subject=subject)


def retrainings(user: User, campaign: Campaign) -> QuerySet[Retraining]:
    rows = Retraining.objects.filter(campaign=campaign).select_related("reward_run", "ppo_run")
    return rows if user.is_researcher else rows.none()


def snapshot(user: User, pk: int) -> Snapshot:
    rows = Snapshot.objects.all() if user.is_researcher else Snapshot.objects.none()
    return get_object_or_404(rows, pk=pk)


def transfer(user: User, pk: int) -> Transfer:
    """Return a snapshot in the making to researchers, to admins imports and files too."""
    rows = Transfer.objects.all() if user.is_researcher else Transfer.objects.none()
    if not user.is_admin:
        rows = rows.filter(kind=TransferKind.SNAPSHOT)
    return get_object_or_404(rows.select_related("campaign", "created_by"), pk=pk)


def people(user: User) -> QuerySet[User]:
    return User.objects.all() if user.is_admin else User.objects.none()


def who_can_label(user: User) -> QuerySet[User]:
    """Return the people of whom researchers choose who labels in a campaign."""
    return User.objects.filter(is_active=True) if user.is_researcher else User.objects.none()


def person(user: User, pk: int) -> User:
    return get_object_or_404(people(user), pk=pk)


def tokens(user: User) -> QuerySet[ApiToken]:
    """Return the tokens that this person may see and revoke: their own, for admins anyone's."""
    return ApiToken.objects.all() if user.is_admin else ApiToken.objects.filter(owner=user)


def token(user: User, pk: int) -> ApiToken:
    return get_object_or_404(tokens(user).select_related("owner"), pk=pk)


def webhooks(user: User) -> QuerySet[Webhook]:
    return Webhook.objects.all() if user.is_admin else Webhook.objects.none()


def webhook(user: User, pk: int) -> Webhook:
    return get_object_or_404(webhooks(user).select_related("campaign", "created_by"), pk=pk)


def delivery(user: User, pk: int) -> Delivery:
    rows = Delivery.objects.all() if user.is_admin else Delivery.objects.none()
    return get_object_or_404(rows.select_related("webhook"), pk=pk)


def only_researchers(user: User) -> None:
    """Let researchers and admins go on; what follows does not exist for anyone else."""
    if not user.is_researcher:
        raise Http404


def only_admins(user: User) -> None:
    """Let admins go on; what follows does not exist for anyone else."""
    if not user.is_admin:
        raise Http404
