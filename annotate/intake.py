"""Pure: what is decided about a prompt as it comes in."""

import hashlib

VALID_SHARE = 0.1


def split_of(key: str) -> str:
    """Return "train" or, for a tenth of all keys, "valid": the same for the same key, everywhere.

    The key is the author's name, so that nothing a person wrote is on both sides; where nobody knows the
    author it is the prompt itself, so that equal prompts stay on one side.
    """
    share = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") / 2**64
    return "valid" if share < VALID_SHARE else "train"
