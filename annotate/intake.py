"""Pure: what is decided about a prompt as it comes in."""

import hashlib

VALID_SHARE = 0.1


def split_of_text(text: str) -> str:
    """Return "train" or, for a tenth of all texts, "valid": the same for the same text, everywhere.

    For prompts whose author nobody knows, so that equal ones stay on one side.
    """
    share = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") / 2**64
    return "valid" if share < VALID_SHARE else "train"
