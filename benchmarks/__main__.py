"""Run benchmarks: `python -m benchmarks NAME ...`, or `all`; without a name it lists them."""

import importlib
import json
import os
import sys

from annotate import embedded
from benchmarks import learning

# What runs on the website's servers, by the module and function that measures it.
WEBSITE = {
    "desk-next": ("desk", "next_item"),
    "desk-submit": ("desk", "submit"),
    "desk-bytes": ("desk_bytes", "visits"),
    "claims-race": ("claims_race", "race"),
    "export-jsonl": ("exports", "export_jsonl"),
    "export-parquet": ("exports", "export_parquet"),
    "snapshot": ("exports", "snapshot"),
    "list-pages": ("list_pages", "list_pages"),
    "import": ("imports", "import_rankings"),
}


def main(names: list[str]) -> int:
    known = [*WEBSITE, *learning.BENCHMARKS]
    if not names:
        print("\n".join(known))
        return 0
    if unknown := set(names) - {*known, "all"}:
        print(f"There is no benchmark {', '.join(sorted(unknown))}.", file=sys.stderr)
        return 2
    wanted = known if names == ["all"] else names
    for name in [name for name in wanted if name in learning.BENCHMARKS]:
        tell(name, learning.BENCHMARKS[name]())
    measure_website([name for name in wanted if name in WEBSITE])
    return 0


def tell(name: str, line: dict[str, object]) -> None:
    print(json.dumps({"benchmark": name, **line}), flush=True)


def measure_website(names: list[str]) -> None:
    """Run these with servers of their own, so that no benchmark touches what people work on."""
    if not names:
        return
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "annotate.settings")
    os.environ["PODIUM_DATA"] = str(embedded.data_dir() / "benchmarks")
    embedded.start()
    import django

    django.setup()
    from django.core.management import call_command

    from benchmarks import rows

    call_command("collectstatic", verbosity=0, interactive=False)
    with rows.database():
        for name in names:
            module, function = WEBSITE[name]
            tell(name, getattr(importlib.import_module(f"benchmarks.{module}"), function)())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
