"""A campaign in which every page has something to show: texts of each kind, answers, runs and checkpoints."""

from datetime import timedelta

from django.utils import timezone

from annotate.actions import dialogues, rankings, suggestions
from annotate.actions.rankings import Answer, Judgement
from annotate.actions.snapshots import take_snapshot
from annotate.models import (
    Campaign,
    Checkpoint,
    CheckpointKind,
    Completion,
    Demonstration,
    DialogueMode,
    Instructions,
    Prompt,
    Ranking,
    Retraining,
    Run,
    RunMetric,
    Sampling,
    User,
)
from tests.rows import make_policy, make_prompt, promoted_policy, sampled_prompt, write_suggestion

ARABIC = "الطاحونة المائية تطحن القمح بقوة النهر."
HEBREW = "טחנת המים טוחנת חיטה בכוח הנהר."
MIXED = f"A mill, in two more languages:\n\n{ARABIC}\n\n{HEBREW}"
LONG = "The river bends slowly around old stone mills where people once ground wheat and barley. " * 40
COMPLETIONS = [
    "## Parts\n\n1. The **wheel**\n2. The `axle`\n\n| part | turns |\n|---|---|\n| wheel | yes |\n\n> Slow.",
    "The power is $P = \\rho g Q h$, and so\n\n$$E = P \\cdot t$$\n\n```python\nprint('flour')\n```",
    ARABIC,
    HEBREW,
    MIXED,
    LONG,
    "",
    "A [link](https://example.org/mill) and " + "averylongword" * 12,
    "Water turns the wheel, the wheel turns the stone.",
]
"""One of each kind of text, K = 9."""
TALK = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "What is a mill?"},
    {"role": "assistant", "content": "A place where wheat is **ground**."},
    {"role": "user", "content": f"How does it work?\n{ARABIC}"},
]


def fill(campaign: Campaign, lena: User, lars: User) -> None:
    """Give each page its rows: what is begun, what is answered, what has run."""
    campaign.k = len(COMPLETIONS)
    campaign.use_cases = "summarise a letter\nplan a trip"
    campaign.save()
    Instructions.objects.create(campaign=campaign, version=2, text="Prefer **true** answers.\n\n- Be kind.")
    promoted_policy(campaign)
    answer_twice(campaign, lars)
    begin_ranking(campaign, lena)
    answer_twice(campaign, lena)
    make_prompt(campaign, "Name a lake.", author=lena, sampling="failed", sampling_reason="No engine.")
    begin_demonstration(campaign, lena)
    talk(campaign, lena)
    train(campaign)
    take_snapshot(campaign, lena)


def begin_ranking(campaign: Campaign, labeler: User) -> Ranking:
    """Claim nine outputs of all kinds, some of them judged, two of these against their ratings."""
    prompt = Prompt.objects.create(campaign=campaign, messages=TALK, split="train", sampling=Sampling.SAMPLED)
    policy = make_policy(campaign)
    for place, text in enumerate(COMPLETIONS):
        Completion.objects.create(prompt=prompt, policy=policy, place=place, text=text)
    ranking = rankings.claim_prompt(prompt, labeler)
    assert ranking is not None, "the prompt has a slot"
    said = {"A": Judgement(1, 3, ("opinion",), "Too short."), "B": Judgement(2, 6), "C": Judgement(2, 6)}
    rankings.save_draft(ranking, Answer(said, "So far.", ("opinion",), 12))
    return ranking


def answer_twice(campaign: Campaign, labeler: User) -> None:
    """Submit a ranking and change it, so that it has a history; the ratings differ by labeler."""
    prompt = sampled_prompt(campaign, f"Name a river, {labeler}.", author=labeler)
    ranking = rankings.claim_prompt(prompt, labeler)
    assert ranking is not None, "the prompt has a slot"
    for shift in (0, 1):
        ranks = {"ABCDEFGHI"[place]: Judgement(1 + (place + shift) % 9, 4) for place in range(9)}
        rankings.submit(ranking, Answer(ranks, "Hard to tell.", (), 40))


def begin_demonstration(campaign: Campaign, labeler: User) -> Demonstration:
    """Claim a prompt to demonstrate, with a suggestion that has come and a draft that began from it."""
    prompt = make_prompt(campaign, MIXED, sampling=Sampling.NONE)
    suggestions.ask(campaign, labeler, prompt.messages, prompt=prompt)
    suggestion = write_suggestion(f"It **grinds** wheat.\n\n{ARABIC}")
    return Demonstration.objects.create(
        prompt=prompt,
        labeler=labeler,
        instructions=campaign.instructions.first(),
        slot=0,
        lease_until=timezone.now() + timedelta(hours=1),
        drafted_at=timezone.now(),
        text=ARABIC,
        suggestion=suggestion,
    )


def talk(campaign: Campaign, author: User) -> None:
    """Begin a dialogue of each mode, and finish a chat."""
    both = dialogues.open_dialogue(campaign, author, DialogueMode.BOTH_SIDES)
    for place, text in enumerate(["What is a mill?", HEBREW, "And in Arabic?"]):
        dialogues.add_turn(both, place, text, None, 10)
    for is_finished in (True, False):
        chat = dialogues.open_dialogue(campaign, author, DialogueMode.CHAT)
        dialogues.add_turn(chat, 0, ARABIC, None, 10)
        write_suggestion(MIXED)
        if is_finished:
            dialogues.finish(chat, "", 30)


def train(campaign: Campaign) -> None:
    """Add a run of each state, a round that was declined and one under way, and what they made."""
    policy = make_policy(campaign)
    facts = {"campaign": campaign, "policy": policy}
    now = timezone.now()
    judge = Checkpoint.objects.create(
        kind=CheckpointKind.REWARD_MODEL, name="judge", campaign=campaign, parent=policy, stage="reward"
    )
    interval = {"accuracy": 0.71, "accuracy_low": 0.66, "accuracy_high": 0.76, "comparisons": 90}
    done = Run.objects.create(
        **facts, stage="reward", state="succeeded", finished_at=now, result=interval, checkpoint=judge
    )
    Run.objects.create(
        **facts,
        stage="sft",
        state="failed",
        finished_at=now,
        reason="Out of memory.",
        log_tail="step 1\n" * 40,
    )
    Run.objects.create(**facts, stage="evaluate", state="queued")
    ppo = Run.objects.create(**facts, stage="ppo", state="running", step=3, total_steps=8, phase="sampling")
    for step in (1, 2, 3):
        RunMetric.objects.create(run=ppo, step=step, values={"kl": step / 8, "score": 0.5, "loss": 0.7})
    Checkpoint.objects.create(
        kind=CheckpointKind.POLICY,
        name="ppo 1",
        campaign=campaign,
        parent=policy,
        stage="ppo",
        location="/ppo-1",
        summary={"kl": 1.5, "samples": [{"prompt": ARABIC, "completion": MIXED}]},
    )
    Retraining.objects.create(
        campaign=campaign, state="declined", due_because="50 of 50", decision="Too low.", reward_run=done
    )
    Retraining.objects.create(campaign=campaign, state="ppo", due_because="Asked for by rosa", ppo_run=ppo)
