"""The API does what the pages do: every page that writes beside its endpoint, every form beside its shape.

A page that takes a POST and stands in neither list fails, and so does an endpoint that is not there.
"""

from typing import Any

import pytest
from django.urls import get_resolver

from annotate.api.campaigns import CampaignShape, ChangedMembersShape, InstructionsShape, MembersShape
from annotate.api.data import SnapshotQueryShape
from annotate.api.people import ChangedPersonShape, LanguagesShape, NewPersonShape
from annotate.api.prompts import NewFewShotShape
from annotate.api.runs import NewRunShape, PromotionShape
from annotate.api.screening import NewDecisionShape
from annotate.api.transfers import UploadShape
from annotate.api.webhooks import ChangedWebhookShape, NewWebhookShape
from annotate.campaign_forms import (
    CampaignForm,
    InstructionsForm,
    MembersForm,
    PromotionForm,
    RetrainingForm,
    WebhookForm,
)
from annotate.data_forms import ImportForm, SnapshotForm
from annotate.forms import FewShotForm
from annotate.people_forms import DecisionForm, InviteForm, LanguagesForm, RoleForm, WorkForm
from annotate.run_forms import StartForm
from tests.annotate.test_doors import shortened, who_by

# The page's URL name, and the method and address of the API that does the same; # is an id.
SAME = {
    "rank": "POST campaigns/#/rankings/next",
    "draft-ranking": "PUT rankings/#/draft",
    "submit-ranking": "POST rankings/#/submit",
    "skip-ranking": "POST rankings/#/skip",
    "undo-ranking": "POST rankings/#/undo",
    "write-prompt": "POST campaigns/#/prompts",
    "demonstrate": "POST campaigns/#/demonstrations/next",
    "draft-demonstration": "PUT demonstrations/#/draft",
    "submit-demonstration": "POST demonstrations/#/submit",
    "skip-demonstration": "POST demonstrations/#/skip",
    "undo-demonstration": "POST demonstrations/#/undo",
    "rank-prompt": "POST prompts/#/rank",
    "write-few-shot": "POST campaigns/#/few-shot-prompts",
    "open-dialogue": "POST campaigns/#/dialogues",
    "suggest-turn": "POST dialogues/#/suggestions",
    "draft-turn": "PUT dialogues/#/draft",
    "add-turn": "POST dialogues/#/turns",
    "change-turn": "PUT dialogues/#/turns/#",
    "take-back-turn": "POST dialogues/#/take-back",
    "ask-again": "POST dialogues/#/ask-again",
    "finish-dialogue": "POST dialogues/#/finish",
    "drop-dialogue": "POST dialogues/#/drop",
    "suggest-completion": "POST demonstrations/#/suggestions",
    "retrain-now": "POST campaigns/#/retrainings",
    "campaign-webhooks": "POST campaigns/#/webhooks",
    "webhook": "PATCH webhooks/#",
    "webhook-pause": "PATCH webhooks/#",
    "webhook-resume": "PATCH webhooks/#",
    "webhook-remove": "DELETE webhooks/#",
    "redeliver": "POST deliveries/#/redeliver",
    "own-languages": "PUT account/languages",
    "token-revoke": "POST tokens/#/revoke",
    "campaign-create": "POST campaigns",
    "campaign-settings": "PATCH campaigns/#",
    "campaign-instructions": "POST campaigns/#/instructions",
    "campaign-members": "PATCH campaigns/#/members",
    "run-start": "POST campaigns/#/runs",
    "run-cancel": "POST runs/#/cancel",
    "run-retry": "POST runs/#/retry",
    "campaign-policies": "PUT campaigns/#/policies",
    "checkpoint-promote": "POST campaigns/#/promotions",
    "retraining": "PATCH campaigns/#",
    "review-next": "POST campaigns/#/reviews/next",
    "import": "POST campaigns/#/imports",
    "snapshot-take": "POST campaigns/#/snapshots",
    "snapshot-file-make": "POST snapshots/#/files/kind",
    "transfer-cancel": "POST transfers/#/cancel",
    "transfer-retry": "POST transfers/#/retry",
    "retry-sampling": "POST prompts/#/retry",
    "prompts-retry": "POST campaigns/#/prompts/retry",
    "intake-reverse": "POST intake/#/reverse",
    "intake-uphold": "POST intake/#/uphold",
    "figures-anew": "POST campaigns/#/figures/subject/anew",
    "ranking-gold": "POST rankings/#/gold",
    "gold-remove": "DELETE gold/#",
    "screening-grade": "POST grades",
    "screening-decide": "POST campaigns/#/screening/decisions",
    "self-assessment": "PUT campaigns/#/self-assessment",
    "person-invite": "POST people",
    "person-role": "PATCH people/#",
    "person-work": "PATCH people/#",
    "person-deactivate": "PATCH people/#",
    "person-reactivate": "PATCH people/#",
    "person-password": "POST people/#/password",
}
# What a program has no use for, and why.
NO_USE = {
    "sign-in": "A token signs a program in.",
    "sign-out": "A token ends by being revoked; a program holds no session.",
    "theme": "Colours are a page's.",
    "language": "Which language pages are in; a program's answers follow its own Accept-Language.",
    "account": "Whoever found a token could shut its owner out.",
    "own-tokens": "Whoever found a token could make others, which would outlive its end.",
    "ranking-ahead": "A page fetches the next item while its labeler works; a program waits for nobody.",
    "demonstration-ahead": "The same.",
    "preview-few-shot": "It shows what is typed so far and writes nothing.",
}


def pages_that_write() -> set[str]:
    patterns = [each for each in get_resolver().url_patterns if hasattr(each, "name")]
    return {str(each.name) for each in patterns if who_by(f"/{shortened(str(each.pattern))}", "POST")}


def test_every_page_that_writes_has_its_endpoint_or_a_reason() -> None:
    assert pages_that_write() == SAME.keys() | NO_USE.keys()


def test_no_page_stands_in_both_lists() -> None:
    assert not SAME.keys() & NO_USE.keys()


def test_the_endpoints_are_there() -> None:
    for page, endpoint in SAME.items():
        method, address = endpoint.split()
        assert who_by(f"/api/{address}", method), f"{page}: {endpoint}"


@pytest.mark.parametrize(
    ("form", "shape"),
    [
        (CampaignForm, CampaignShape),
        (RetrainingForm, CampaignShape),
        (InstructionsForm, InstructionsShape),
        (MembersForm, MembersShape),
        (MembersForm, ChangedMembersShape),
        (PromotionForm, PromotionShape),
        (SnapshotForm, SnapshotQueryShape),
        (ImportForm, UploadShape),
        (DecisionForm, NewDecisionShape),
        (WebhookForm, NewWebhookShape),
        (WebhookForm, ChangedWebhookShape),
        (InviteForm, NewPersonShape),
        (RoleForm, ChangedPersonShape),
        (WorkForm, ChangedPersonShape),
        (LanguagesForm, LanguagesShape),
        (StartForm, NewRunShape),
        (FewShotForm, NewFewShotShape),
    ],
)
def test_what_a_form_asks_can_be_sent(form: Any, shape: Any) -> None:
    assert form.base_fields and not form.base_fields.keys() - shape().get_fields().keys()
