"""Files in every format, and files that are broken, hostile or huge."""

import csv
import gzip
import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from annotate import datasets, tables
from annotate.actions.imports import import_by_name, import_file
from annotate.errors import Invalid
from annotate.models import Campaign, Prompt, Ranking
from annotate.reading import MAX_LINE_BYTES, read_path
from annotate.wire import Kind, Row

PROMPT = [{"role": "user", "content": "Why, «so»?\nSay."}]
COMPLETIONS = [{"text": "Rayleigh.", "policy": "a"}, {"text": "", "policy": "b"}]
RANKING = {"id": "r1", "prompt": PROMPT, "completions": COMPLETIONS, "ranks": [1, 2]}
FULL = RANKING | {"labeler": "w", "ratings": [7, 1], "flags": [[], ["opinion"]], "seconds": 2.5}


def rows_of(path: Path, kind: Kind = "rankings") -> list[Row]:
    return list(read_path(kind, path, 2**30))


def written(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def packed(folder: Path, row: dict[str, Any], form: str) -> Path:
    path = folder / f"rows.{form}"
    with path.open("wb") as file:
        tables.write("rankings", form, [json.dumps(row).encode() + b"\n"], file)
    return path


@pytest.mark.parametrize("form", tables.FORMATS)
def test_every_format_says_the_same(tmp_path: Path, form: str) -> None:
    (row,) = rows_of(packed(tmp_path, FULL, form))
    assert (row.id, row.prompt, row.ranks, row.ratings) == ("r1", PROMPT, [1, 2], [7, 1])
    assert (row.completions, row.flags) == ([("Rayleigh.", "a"), ("", "b")], [[], ["opinion"]])
    assert (row.labeler, row.seconds) == ("w", 2.5)


def test_a_hugging_face_folder_is_read_file_by_file(tmp_path: Path) -> None:
    for split in ("train", "test"):
        (tmp_path / split).mkdir()
        table = pa.Table.from_pylist([{"id": split, "prompt": PROMPT}])
        with pa.ipc.new_stream(tmp_path / split / "data-00000-of-00001.arrow", table.schema) as stream:
            stream.write_table(table)
    written(tmp_path, "dataset_dict.json", b"{}")
    assert [row.id for row in rows_of(tmp_path, "prompts")] == ["test", "train"]


def test_a_folder_without_data_is_refused(tmp_path: Path) -> None:
    written(tmp_path, "README.md", b"# Nothing")
    with pytest.raises(Invalid, match="The folder has no"):
        rows_of(tmp_path)


def test_a_csv_prompt_may_be_plain_text_over_two_lines(tmp_path: Path) -> None:
    text = io.StringIO()
    csv.writer(text).writerows(
        [["id", "prompt", "split"], ["p1", "Why?\nSay.", ""], ["p2", "So, what?", "test"]]
    )
    rows = rows_of(written(tmp_path, "p.csv", b"\xef\xbb\xbf" + text.getvalue().encode()), "prompts")
    assert [row.prompt[0]["content"] for row in rows] == ["Why?\nSay.", "So, what?"]
    assert [(row.line, row.split) for row in rows] == [(2, ""), (4, "test")]


LINE = json.dumps(RANKING).encode()
TABLE = io.BytesIO()
pq.write_table(pa.table({"id": ["a"] * 50}), TABLE)
# One text of 16 MB, named a thousand times: a few KB on disk, 16 GB unpacked.
BOMB = pa.table({"id": pa.DictionaryArray.from_arrays(pa.array([0] * 1000, pa.int32()), ["x" * 2**24])})
HOSTILE = [
    ("a.csv", b'id,prompt\np1,"never closed', "not CSV"),
    ("b.csv", b"id,prompt\np1\n", "Line 2: 1 cells under 2 names"),
    ("c.csv", b"id,prompt\np\xff,x\n", "Line 2: byte 2 is not UTF-8"),
    ("d.csv", b"id,prompt,ranks\np,x,{\n", "Line 2: ranks: not JSON"),
    ("e.csv", b"id,prompt\np,x\0y\n", "Line 2: prompt missing|NUL"),
    ("f.csv", b"x" * (MAX_LINE_BYTES + 9), "Line 1: longer than"),
    ("a.jsonl", LINE + b"\n" + LINE[:-9], "Line 2: not JSON"),
    ("b.jsonl", "é".encode("utf-16"), "Line 1: byte 1 is not UTF-8"),
    ("c.jsonl", b"[" * 3_000_000, "Line 1: nested too deeply"),
    ("d.jsonl", LINE.replace(b'"r1"', b'"r1", "id" : "r2"'), "Line 1: a key stands twice"),
    ("e.jsonl", LINE.replace(b'"r1"', b'"r1", "\\u0069d": "r2"'), "Line 1: a key stands twice"),
    ("f.jsonl", LINE.replace(b"Rayleigh", b"\\ud800"), "Line 1: text: has half a character"),
    ("g.jsonl", LINE.replace(b"Rayleigh", b"\\u0000"), "Line 1: text: has a NUL"),
    ("h.jsonl.gz", gzip.compress(LINE * 99)[:-20], "Line 1: the gzip file is damaged"),
    ("a.parquet", TABLE.getvalue()[:-40], "a.parquet cannot be unpacked"),
    ("b.parquet", b"PAR1" * 100, "b.parquet cannot be unpacked"),
    ("c.arrow", b"\xff" * 100, "c.arrow cannot be unpacked"),
]


@pytest.mark.parametrize(("name", "content", "message"), HOSTILE, ids=[name for name, *_rest in HOSTILE])
def test_a_broken_file_is_refused_with_a_reason(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    kind: Kind = "prompts" if name.endswith("csv") else "rankings"
    with pytest.raises(Invalid, match=message):
        rows_of(written(tmp_path, name, content), kind)


def test_a_parquet_bomb_kills_neither_this_process_nor_the_machine(tmp_path: Path) -> None:
    path = tmp_path / "bomb.parquet"
    pq.write_table(BOMB, path, compression="zstd")
    assert path.stat().st_size < 100_000
    with pytest.raises(Invalid, match="longer than|cannot be unpacked"):
        rows_of(path, "prompts")


def test_a_line_of_a_hundred_megabytes_is_passed_over(campaign: Campaign, tmp_path: Path) -> None:
    path = tmp_path / "long.jsonl"
    with path.open("wb") as file:
        file.truncate(100 * 2**20)
        file.seek(0, io.SEEK_END)
        file.write(b"\n" + LINE)
    done = import_file("rankings", path, campaign, None, keep_good=True)
    assert (done.rows, done.refused) == (1, 1)
    assert "Line 1: longer than" in done.problems[0]


def test_good_lines_are_kept_when_the_importer_says_so(campaign: Campaign) -> None:
    rows = [RANKING, RANKING | {"ranks": [1]}, RANKING | {"id": "r2"}, RANKING, {"id": "r3"}]
    file = io.BytesIO(b"\n".join(json.dumps(row).encode() for row in rows))
    done = import_file("rankings", file, campaign, None, keep_good=True)
    assert (done.rows, done.rankings, done.refused) == (2, 2, 3)
    assert [problem.split(":")[0] for problem in done.problems] == ["Line 2", "Line 5", "Line 4"]
    assert set(Ranking.objects.values_list("source_id", flat=True)) == {"r1", "r2"}


def test_a_file_without_one_good_line_is_refused(campaign: Campaign) -> None:
    with pytest.raises(Invalid, match="no good rows. Line 1: .*missing"):
        import_file("rankings", io.BytesIO(b"{}"), campaign, None, keep_good=True)
    assert not Prompt.objects.exists()


@pytest.mark.django_db
def test_an_exported_parquet_file_comes_back_the_same(tmp_path: Path) -> None:
    import_by_name("rankings", packed(tmp_path, FULL, "parquet"), "First")
    first = b"".join(datasets.lines("rankings", datasets.of_campaign(Campaign.objects.get())))
    assert json.loads(first)["flags"] == FULL["flags"]
    assert import_by_name("rankings", packed(tmp_path, FULL, "parquet"), "First").rankings == 0
