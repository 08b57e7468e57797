import gzip
import io
import json

import pytest

from annotate.errors import Invalid
from annotate.reading import MAX_LINE_BYTES, read
from annotate.wire import Kind, Row

PROMPT = [{"role": "user", "content": "Why is the sky blue?"}]
COMPLETIONS = [{"text": "Rayleigh.", "policy": "a"}, {"text": "", "policy": "b"}]
RANKING = {"id": "r1", "prompt": PROMPT, "completions": COMPLETIONS, "ranks": [1, 2]}


def rows(*lines: object, kind: Kind = "rankings", max_bytes: int = 2**30) -> list[Row]:
    texts = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
    return list(read(kind, io.BytesIO(b"\n".join(texts)), max_bytes))


def test_it_reads_a_ranking() -> None:
    (row,) = rows(RANKING | {"ratings": [7, 1], "flags": [[], ["hallucination"]], "seconds": 3})
    assert (row.line, row.id, row.prompt, row.ranks) == (1, "r1", PROMPT, [1, 2])
    assert row.completions == [("Rayleigh.", "a"), ("", "b")]
    assert (row.ratings, row.flags, row.seconds) == ([7, 1], [[], ["hallucination"]], 3.0)


def test_it_reads_gzip_and_passes_over_empty_lines() -> None:
    line = json.dumps(RANKING).encode()
    packed = io.BytesIO(gzip.compress(line + b"\n\n" + line + b"\n"))
    assert [row.line for row in read("rankings", packed, 2**30)] == [1, 3]


WRONG = [
    ({"colour": "red"}, "unknown key colour"),
    ({"id": None}, "id: must be a text"),
    ({"id": " "}, "id: is empty"),
    ({"id": "x" * 201}, "id: at most 200"),
    ({"id": "nul\0"}, "id: has a NUL"),
    ({"id": "\ud800"}, "id: has half a character"),
    ({"prompt": []}, "prompt: the last message"),
    ({"prompt": [{"role": "assistant", "content": "Hi"}]}, "prompt: the last message"),
    ({"prompt": [{"role": "robot", "content": "Hi"}]}, "prompt: a role is"),
    ({"prompt": [{"role": "user", "content": ""}]}, "prompt: a message is empty"),
    ({"prompt": [{"role": "user"}]}, "prompt: each message"),
    ({"prompt": "Hi"}, "prompt: must be a list"),
    ({"completions": []}, "completions: from 2 to 9, not 0"),
    ({"completions": COMPLETIONS * 5}, "completions: from 2 to 9, not 10"),
    ({"completions": [{"text": "only"}] * 2}, "completions: each has"),
    ({"ranks": [1]}, "ranks: 1 for 2 completions"),
    ({"ranks": [1, 3]}, "ranks: whole numbers from 1 to 2"),
    ({"ranks": [2, 2]}, "the best is 1"),
    ({"ranks": [True, 2]}, "ranks: whole numbers"),
    ({"ratings": [1, 8]}, "ratings: whole numbers from 1 to 7"),
    ({"ratings": [1]}, "ratings: one for each"),
    ({"flags": [["rude"], []]}, "flags: unknown name rude"),
    ({"flags": [["opinion", "opinion"], []]}, "flags: a name stands twice"),
    ({"flags": [[]]}, "flags: one list for each"),
    ({"split": "dev"}, "split: use one of train, valid, test"),
    ({"split": ["train"]}, "split: use one of"),
    ({"source": "web"}, "source: use one of labeler, customer"),
    ({"seconds": -1}, "seconds: a number"),
    ({"seconds": True}, "seconds: a number"),
]


@pytest.mark.parametrize(("change", "message"), WRONG)
def test_it_names_the_line_and_the_field(change: dict[str, object], message: str) -> None:
    with pytest.raises(Invalid, match=f"^Line 2: .*{message}"):
        rows(RANKING, RANKING | change)


BROKEN = [
    (b"{", "not JSON"),
    (b"[1]", "not a JSON object"),
    (b'{"id": "\xff"}', "byte 9 is not UTF-8"),
    (b'{"id": NaN}', "NaN is not JSON"),
    (b'{"id": ' + b"9" * 5000 + b"}", "a number in it is too long"),
    (b'{"id": 1, "id": 2}', "a key stands twice"),
    (b'{"id": ' + b"[" * 100_000, "nested too deeply"),
    (b'{"id": "x"}', "completions, prompt, ranks missing"),
    (b" " * (MAX_LINE_BYTES + 1), "longer than"),
]


@pytest.mark.parametrize(("line", "message"), BROKEN, ids=[message for _line, message in BROKEN])
def test_it_refuses_what_is_no_row(line: bytes, message: str) -> None:
    with pytest.raises(Invalid, match=f"^Line 2: .*{message}"):
        rows(RANKING, line)


def test_it_refuses_a_file_over_the_limit_and_a_damaged_gzip() -> None:
    with pytest.raises(Invalid, match="Line 2: the file is longer than 300 bytes"):
        rows(RANKING, RANKING, max_bytes=300)
    cut = gzip.compress(json.dumps(RANKING).encode())[:-9]
    with pytest.raises(Invalid, match="Line 1: the gzip file is damaged"):
        list(read("rankings", io.BytesIO(cut), 2**30))


def test_a_demonstration_needs_its_completion() -> None:
    with pytest.raises(Invalid, match="Line 1: completion missing"):
        rows({"id": "d", "prompt": PROMPT}, kind="demonstrations")
    with pytest.raises(Invalid, match="Line 1: completion: is empty"):
        rows({"id": "d", "prompt": PROMPT, "completion": ""}, kind="demonstrations")
