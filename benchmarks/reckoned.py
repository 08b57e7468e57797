"""Memory and time of training on GPUs, reckoned: prints the table of docs/many.md."""

from typing import NamedTuple

GIB = 2**30
TOKENS = 8192
"""In memory at once on a GPU: micro_batch_tokens."""
EPISODES, PROMPT, COMPLETION = 512, 512, 256
RATE = 989e12 * 0.35
"""Operations a second of one H100: its dense bfloat16 rate, and the share of it that is assumed."""
BANDWIDTH = 3.35e12 * 0.6
"""Bytes a second from an H100's memory, and the share assumed; sampling reads all weights for each token."""
SEQUENCES = 64
"""Completions that the engine samples side by side."""


class Size(NamedTuple):
    """A decoder's shape; kv is the dimension of its keys."""

    name: str
    parameters: float
    layers: int
    hidden: int
    kv: int
    vocabulary: int


SIZES = (
    Size("1.3B", 1.32e9, 24, 2048, 2048, 50257),
    Size("7B", 6.74e9, 32, 4096, 4096, 32000),
    Size("70B", 69.0e9, 80, 8192, 1024, 32000),
)


def trained(size: Size) -> float:
    """Bytes of a model that learns: weights, gradients and Adam's two moments, all float32."""
    return 16 * size.parameters


def frozen(size: Size) -> float:
    return 4 * size.parameters


def passing(size: Size) -> float:
    """Bytes on each GPU that sharding does not divide.

    Each layer's input, kept (float32); one layer worked out again, about 34 bytes a token and dimension; two
    layers gathered, and embeddings with the output layer; 512 rows of logits, three times.
    """
    layer = (size.parameters - 2 * size.vocabulary * size.hidden) / size.layers
    kept = TOKENS * size.hidden * (4 * size.layers + 34)
    return kept + 4 * (2 * layer + 2 * size.vocabulary * size.hidden) + 3 * 4 * 512 * size.vocabulary


def engine(size: Size) -> float:
    """Bytes of the engine on the first GPU: bfloat16 weights, and keys and values of what it samples."""
    return 2 * size.parameters + SEQUENCES * (PROMPT + COMPLETION) * 2 * 2 * size.layers * size.kv


def learning_memory(size: Size, gpus: int) -> float:
    """Gigabytes a GPU for SFT or a reward model."""
    return (trained(size) / gpus + passing(size)) / GIB


def ppo_memory(size: Size, gpus: int) -> float:
    """Gigabytes of the fullest GPU for PPO: two models learn, one of them averaged; two are frozen."""
    held = 2 * trained(size) + 4 * size.parameters + 2 * frozen(size)
    return (held / gpus + passing(size) + engine(size)) / GIB


def learning_time(size: Size, gpus: int) -> float:
    """Minutes a million tokens: 2 operations a weight forwards, 4 backwards, 2 for layers done again."""
    return 8 * size.parameters * 1e6 / (RATE * gpus) / 60


def ppo_time(size: Size, gpus: int) -> float:
    """Minutes a step, sampling by one engine on one GPU: four models look, two learn."""
    tokens = EPISODES * (PROMPT + COMPLETION)
    looking_and_learning = (4 * 2 + 2 * 8) * size.parameters * tokens / (RATE * gpus)
    batches = EPISODES / SEQUENCES
    sampling = batches * COMPLETION * engine(size) / BANDWIDTH + 2 * size.parameters * tokens / RATE
    return (looking_and_learning + sampling) / 60


def table() -> str:
    lines = [
        "| model | GPUs | SFT or reward model, GB a GPU | minutes a million tokens "
        "| PPO, GB on the fullest GPU | minutes a step of 512 |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for size in SIZES:
        for gpus in (1, 8, 32, 64):
            figures = (
                learning_memory(size, gpus),
                learning_time(size, gpus),
                ppo_memory(size, gpus),
                ppo_time(size, gpus),
            )
            told = (f"{figures[0]:,.0f}", f"{figures[1]:.2f}", f"{figures[2]:,.0f}", f"{figures[3]:.1f}")
            lines.append(f"| {size.name} | {gpus} | " + " | ".join(told) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
