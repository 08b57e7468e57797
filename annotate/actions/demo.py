"""The demonstration set-up: four people and a campaign with prompts, so that the first minute has work."""

import secrets

from django.conf import settings
from django.db import transaction

from annotate.actions import campaigns, checkpoints, prompts
from annotate.models import Campaign, Kind, Role, User

PEOPLE = {
    "admin": Role.ADMIN,
    "researcher": Role.RESEARCHER,
    "labeler1": Role.LABELER,
    "labeler2": Role.LABELER,
}
CAMPAIGN = "Everyday questions"
INSTRUCTIONS = """\
You see a request and several outputs. Judge how well each output helps the person who asked.

- **Helpful first**: does it do what was asked, clearly and without rambling?
- **Truthful**: does it avoid making things up?
- **Harmless**: would it hurt nobody if someone acted on it?

Rate each output from 1 (worst) to 7 (best), answer the yes/no questions where one applies, then rank all of
them. Two outputs of similar quality may share a rank.
"""
USE_CASES = """\
Plan something for a family
Write to a customer
Explain a text to someone who is new to its subject
Find names and slogans
"""
PROMPTS = [
    "Suggest three names for a small bakery that opens at dawn.",
    "Explain to a ten-year-old why the sky is blue.",
    "Write a polite message that moves a meeting from Monday to Wednesday.",
    "What should I check before buying a used bicycle?",
    "Give me a simple dinner idea with rice, eggs and spinach.",
    "Summarise in one sentence: The library will close at noon on Friday for repairs and reopen on Monday.",
]


@transaction.atomic
def seed(password: str | None) -> str:
    """Make the demonstration people and campaign where they are missing; return the people's password."""
    people = {name: ensure_person(name, role, password) for name, role in PEOPLE.items()}
    if not Campaign.objects.exists():
        ensure_campaign(people)
    return password or kept_password()


def kept_password() -> str:
    """Return the generated password, made at first start and kept readable by its owner alone."""
    path = settings.DATA_DIR / "demo_password"
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(12))
    return str(path.read_text())


def ensure_person(name: str, role: Role, password: str | None) -> User:
    """Return the person. Only a password that was asked for replaces one they may have chosen since."""
    person, made = User.objects.get_or_create(username=name, defaults={"role": role})
    if made or (password and not person.check_password(password)):
        person.set_password(password or kept_password())
        person.save(update_fields=["password"])
    return person


def ensure_campaign(people: dict[str, User]) -> None:
    labelers = [person for person in people.values() if person.role == Role.LABELER]
    campaign = campaigns.create_campaign(
        people["admin"], name=CAMPAIGN, k=4, labelers_per_prompt=2, temperature=0.7, use_cases=USE_CASES
    )
    campaigns.set_people(campaign, people["admin"], "labelers", labelers)
    campaigns.write_instructions(campaign, people["admin"], INSTRUCTIONS)
    for text in PROMPTS:
        messages = [{"role": "user", "content": text}]
        prompts.write_prompt(campaign, people["researcher"], kind=Kind.PLAIN, messages=messages)


def promote_base() -> None:
    """Give every campaign without a policy the base policy, so that its prompts can be sampled."""
    for campaign in Campaign.objects.all():
        checkpoints.adopt_base(campaign)
