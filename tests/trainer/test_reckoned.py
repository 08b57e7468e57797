"""The table of docs/many.md is the one that its script prints."""

from pathlib import Path

from benchmarks.reckoned import SIZES, learning_memory, table, trained

DOCS = Path(__file__).parents[2] / "docs"


def test_the_table_in_the_docs_is_what_the_script_reckons() -> None:
    assert table() in (DOCS / "many.md").read_text()


def test_what_is_shared_out_shrinks_with_the_gpus_and_the_rest_stays() -> None:
    for size in SIZES:
        alone, eight = learning_memory(size, 1), learning_memory(size, 8)
        assert abs((alone - eight) * 2**30 - trained(size) * 7 / 8) < 1e4
