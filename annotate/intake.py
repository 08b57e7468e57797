"""Pure: what is decided about a prompt as it comes in."""

import hashlib
from collections.abc import Mapping, Sequence

VALID_SHARE = 0.1


def split_of_text(text: str) -> str:
    """Return "train" or, for a tenth of all texts, "valid": the same for the same text, everywhere.

    For prompts whose author nobody knows, so that equal ones stay on one side.
    """
    share = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") / 2**64
    return "valid" if share < VALID_SHARE else "train"


def prefix_hash(messages: Sequence[Mapping[str, str]], length: int | None) -> int:
    """Return a number that is equal for conversations with the same first `length` characters.

    Shorter ones are equal as a whole or not at all; None compares all by the whole. Case and white space do
    not count. The paper takes out prompts "that share a long common prefix" (section 3.2) and leaves
    open how long.

    Returns:
        a signed number of 64 bits: two of a million differing prompts share one with a chance of 3e-8.
    """
    text = "\n".join(f"{message['role']} {message['content']}" for message in messages)
    plain = " ".join(text.split()).casefold()[:length]
    return int.from_bytes(hashlib.blake2b(plain.encode(), digest_size=8).digest(), "big", signed=True)


def length_of(messages: Sequence[Mapping[str, str]]) -> int:
    """Return the characters of all messages together."""
    return sum(len(message["content"]) for message in messages)
