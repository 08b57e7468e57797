"""Pages of many rows: newest first, neither counted nor passed over."""

import pytest
from django.http import QueryDict

from annotate.models import Campaign, Prompt, User
from annotate.paging import page_of
from tests.people import client_of
from tests.rows import make_prompt

pytestmark = pytest.mark.django_db


@pytest.fixture
def keys(campaign: Campaign) -> list[int]:
    return [make_prompt(campaign, f"Name river {number}.").pk for number in range(5)][::-1]


def shown(asked: str) -> tuple[list[int], int | None, int | None]:
    page = page_of(Prompt.objects.all(), 2, QueryDict(asked))
    return [row.pk for row in page.rows], page.newer, page.older


def test_pages_follow_one_another_in_both_directions(keys: list[int]) -> None:
    first, second, third = (keys[:2], None, keys[1]), (keys[2:4], keys[2], keys[3]), (keys[4:], keys[4], None)
    assert shown("") == first
    assert shown(f"before={keys[1]}") == shown(f"after={keys[4]}") == second
    assert shown(f"before={keys[3]}") == third
    assert shown(f"after={keys[2]}") == first


@pytest.mark.parametrize("asked", ["before=x", "after=", "before=-1", "after=99999999999999999999"])
def test_what_is_no_key_asks_for_the_first_page(keys: list[int], asked: str) -> None:
    assert shown(asked) == shown("")


def test_a_campaigns_prompts_are_read_page_by_page(keys: list[int], campaign: Campaign, rosa: User) -> None:
    address = f"/campaigns/{campaign.pk}/prompts"
    page = client_of(rosa).get(address, {"before": keys[2]}).text
    assert "river 1" in page and "river 0" in page and "river 2" not in page
    assert f"?after={keys[3]}" in page
