"""Pure: personal data with a recognisable shape, found in a text and masked.

Mail and network addresses, phone numbers, numbers of cards, accounts and people. Not covered: names, postal
addresses, and whatever else only its meaning tells.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from ipaddress import AddressValueError, IPv4Address

from django.utils.translation import gettext_lazy as _
from phonenumbers import PhoneNumberMatcher
from stdnum import iban, luhn
from stdnum.cn import ric
from stdnum.us import ssn

KINDS = {
    "email": _("mail address"),
    "account": _("bank account"),
    "person": _("national number of a person"),
    "card": _("card number"),
    "address": _("network address"),
    "phone": _("phone number"),
}
"""The words in a mask, and what they are called on the pages."""
REGIONS = ("US", "CN")
"""Where a phone number without its country's code is looked for."""
HAS_SEVEN_DIGITS = re.compile(r"\d(?:[^\w\n]{0,3}\d){6}")
"""What no number of a phone, a person, a card or an account lacks; most texts do, so they cost little."""


def _is_public_address(text: str) -> bool:
    try:
        return IPv4Address(text).is_global
    except AddressValueError:
        return False


def _is_card(text: str) -> bool:
    return bool(luhn.is_valid(re.sub(r"[ -]", "", text)))


def _is_person(text: str) -> bool:
    return bool(ssn.is_valid(text) or ric.is_valid(text))


def _is_phone(text: str) -> bool:
    return any(PhoneNumberMatcher(text, region).has_next() for region in REGIONS)


# No longer than a number with its country and extension: looking through a whole text takes far longer, and
# takes tables of numbers for phones.
PHONE = (
    r"(?<![\w.+-])(?<!\d[ .])(?<!\d [ .])(?:\+ ?)?\(?\d(?:(?:[ .\-/]|\) ?| ?\()?\d){6,16}"
    r"(?![\w-])(?![ .]{1,2}\d)"
)
# In this order, as a phone number may stand inside a longer number.
SHAPES: list[tuple[str, re.Pattern[str], Callable[[str], bool]]] = [
    ("account", re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b"), iban.is_valid),
    ("person", re.compile(r"(?<![\w-])(?:\d{3}-\d{2}-\d{4}|\d{17}[\dXx])(?![\w-])"), _is_person),
    ("card", re.compile(r"(?<![\w-])\d(?:[ -]?\d){12,18}(?![\w-])"), _is_card),
    ("phone", re.compile(PHONE), _is_phone),
]
EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@(?:[\w-]{1,63}\.)+[^\W\d_]{2,24}(?!\w)")
ADDRESS = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.]*\d)")


def mask(text: str) -> tuple[str, Counter[str]]:
    """Return the text with a word in brackets for each find, and how many of each kind were found."""
    found: Counter[str] = Counter()
    if "@" in text:
        text = _replace(text, "email", EMAIL, bool, found)
    if HAS_SEVEN_DIGITS.search(text):
        for kind, shape, is_real in SHAPES:
            text = _replace(text, kind, shape, is_real, found)
    if text.count(".") > 2:
        text = _replace(text, "address", ADDRESS, _is_public_address, found)
    return text, found


def _replace(
    text: str, kind: str, shape: re.Pattern[str], is_real: Callable[[str], bool], found: Counter[str]
) -> str:
    def masked(match: re.Match[str]) -> str:
        if not is_real(match[0]):
            return match[0]
        found[kind] += 1
        return f"[{kind}]"

    return shape.sub(masked, text)


def mask_messages(messages: Sequence[Mapping[str, str]]) -> tuple[list[dict[str, str]], Counter[str]]:
    """Return a conversation masked, message by message, and how many finds of each kind it had."""
    found: Counter[str] = Counter()
    masked = []
    for message in messages:
        text, here = mask(message["content"])
        masked.append({**message, "content": text})
        found += here
    return masked, found
