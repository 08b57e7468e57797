"""Comparing two outputs: whose words differ, over HTTP, and fast on long texts."""

import random
import time

import pytest

from annotate.actions import rankings
from annotate.models import Campaign, Ranking, User
from annotate.word_diff import difference
from tests.people import client_of
from tests.rows import sampled_prompt


@pytest.fixture
def ranking(campaign: Campaign, lena: User) -> Ranking:
    prompt = sampled_prompt(campaign)
    prompt.completions.filter(place=0).update(text="The <b>Amazon</b> is long.")
    prompt.completions.filter(place=1).update(text="The <b>Nile</b> is long.")
    claimed = rankings.claim_prompt(prompt, lena)
    assert claimed is not None
    return claimed


def letter_of(ranking: Ranking, place: int) -> str:
    return ranking.ranked_completions.get(completion__place=place).letter


def test_two_outputs_stand_side_by_side_with_their_words_marked(ranking: Ranking, lena: User) -> None:
    left, right = letter_of(ranking, 0), letter_of(ranking, 1)
    page = client_of(lena).get(f"/rankings/{ranking.pk}/compare?left={left}&right={right}").content.decode()
    assert f"Output {left}" in page
    assert "The &lt;b&gt;<del>Amazon</del>&lt;/b&gt; is long." in page
    assert "The &lt;b&gt;<ins>Nile</ins>&lt;/b&gt; is long." in page


def test_an_output_that_is_not_there_is_named(ranking: Ranking, lena: User) -> None:
    answer = client_of(lena).get(f"/rankings/{ranking.pk}/compare?left=A&right=Q")
    assert answer.status_code == 422
    assert "Output Q is not in this ranking." in answer.content.decode()


def test_nobody_else_compares(ranking: Ranking, lars: User, ada: User) -> None:
    for other in (lars, ada):
        assert client_of(other).get(f"/rankings/{ranking.pk}/compare?left=A&right=B").status_code == 404


def test_it_marks_words_whatever_their_spaces_and_signs_where_no_spaces_are_written() -> None:
    assert difference("one  two\nthree", "one two four") == (
        "one  two\n<del>three</del>",
        "one two <ins>four</ins>",
    )
    assert difference("你好世界", "你们世界") == ("你<del>好</del>世界", "你<ins>们</ins>世界")
    assert difference("", "new") == ("", "<ins>new</ins>")


@pytest.mark.parametrize("vocabulary", [2, 100, 5000])
def test_two_thousand_words_are_compared_at_once(vocabulary: int) -> None:
    texts = [" ".join(f"w{random.randrange(vocabulary)}" for _ in range(2000)) for _ in range(2)]
    began = time.process_time()
    difference(*texts)
    assert time.process_time() - began < 0.5
