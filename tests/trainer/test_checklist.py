"""What is known to go wrong when people train from rankings, and that a test here stands against each.

A test says which points it holds with @pytest.mark.checklist(numbers); `pytest -m checklist` runs them all.
The points come from OpenAI's lm-human-preferences and the two public studies of its details, and from faults
that were reported and mended in other trainers.
"""

import re
from pathlib import Path

POINTS = {
    1: "Padding has an id of its own, never EOS's, and EOS is learned.",
    2: "A completion ends with EOS, and its ids are joined to the prompt's, not tokenised anew.",
    3: "A long prompt is cut where it matters least; completions that become equal give no comparison.",
    4: "Masks come from lengths: padding of any side and amount changes no logprob.",
    5: "Positions start at a prompt's first token, however much padding stands before it.",
    6: "No forward pass of PPO or the reward model drops anything out.",
    7: "The seed fixes the order, each row comes once an epoch, and a step's number is the cursor.",
    8: "The SFT loss counts completion tokens of the whole batch, whatever the micro-batches.",
    9: "A new head is small, without bias, and float32 under any autocast.",
    10: "A score is read at EOS, found from lengths.",
    11: "The reward loss is a mean over a prompt's comparisons, then over prompts, whatever their K.",
    12: "K completions are encoded K times, not once a comparison.",
    13: "A tie pulls neither way, and a prompt of ties alone gives neither gradient nor NaN.",
    14: "A prompt stands on one side of the split; one epoch by default, with a warning of overfitting.",
    15: "Demonstrations score 0 on average, and differences stay as they were.",
    16: "Accuracy has an interval over prompts, is shown by length difference, and its surety is measured.",
    17: "A score is the same alone and in a batch.",
    18: "Sampling leaves nothing of the distribution out.",
    19: "The temperature divides the logits of old, reference and new logprobs alike.",
    20: "A completion ends with its first EOS, which is kept.",
    21: "A completion without an end scores low, and how many there are is logged.",
    22: "Token ids travel, never text.",
    23: "Old logprobs are the trainer's own: the first ratio is 1.",
    24: "How far engine and trainer are apart is logged, warned of, and corrected if wanted.",
    25: "A completion's rewards sum to its score less the price of its KL.",
    26: "The KL in the reward is k1, and may be negative.",
    27: "The KL that is logged and steered by is a completion's, summed over its tokens.",
    28: "The adaptive controller follows its closed form.",
    29: "The reference is the frozen policy PPO began from: the KL is exactly 0 at first.",
    30: "Whitened rewards keep their mean.",
    31: "Advantages are those of the paper, and padding carries nothing.",
    32: "Returns are made before whitening, and whitening sees the whole rollout's tokens alone.",
    33: "Policy and value loss see completion tokens alone.",
    34: "A token's logprob is read one position before it.",
    35: "The ratio is bounded, the worse of the two losses counts, the mean is over the optimizer batch.",
    36: "Values are clipped around the rollout's own; the value model begins as the reward model.",
    37: "Each epoch has a fresh partition, and micro-batches add up exactly.",
    38: "Adam's epsilon is 1e-5 in PPO, and no weight decays.",
    39: "The ptx gradient is added to PPO's before one step; without it nothing changes by a bit.",
    40: "The average follows each optimizer step, and is what is saved.",
    41: "An update that goes too far ends the batch; a run that leaves its limits ends, with its reason.",
    42: "A killed run goes on bit for bit.",
    43: "After a sync the engine's logprobs are held against the trainer's.",
    44: "What is needed to see trouble coming is logged at each step.",
    45: "Held-out prompts are sampled and scored on the way, and held-out text is read.",
}

NOT_APPLICABLE = {
    "42, generators of numpy and random": "nothing draws from them",
    "45, win rate": "people give it, by ranking: the website compares policies, a stage cannot",
}
"""Parts of points that this trainer has no place for."""


def test_every_point_of_the_checklist_is_held_by_a_test() -> None:
    held: set[int] = set()
    for file in Path(__file__).parent.glob("test_*.py"):
        for marks in re.findall(r"^@pytest\.mark\.checklist\(([\d, ]+)\)", file.read_text(), re.M):
            held |= {int(number) for number in marks.split(",")}
    missing = [f"{number}: {point}" for number, point in POINTS.items() if number not in held]
    assert not missing, "no test holds " + "; ".join(missing)
    assert held <= POINTS.keys(), "a mark names a point that does not exist"
