"""Run benchmarks: `python -m benchmarks NAME ...`, or `all`; without a name it lists them."""

import json
import os
import sys

from annotate import embedded


def main(names: list[str]) -> int:
    # Servers of their own, so that no benchmark touches what people work on.
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "annotate.settings")
    os.environ["PODIUM_DATA"] = str(embedded.data_dir() / "benchmarks")
    embedded.start()
    import django

    django.setup()
    from django.core.management import call_command

    from benchmarks import claims_race, desk, desk_bytes, exports, rows

    call_command("collectstatic", verbosity=0, interactive=False)
    benchmarks = {
        "desk-next": desk.next_item,
        "desk-submit": desk.submit,
        "desk-bytes": desk_bytes.visits,
        "claims-race": claims_race.race,
        "export-jsonl": exports.export_jsonl,
        "export-parquet": exports.export_parquet,
        "snapshot": exports.snapshot,
    }
    if not names:
        print("\n".join(benchmarks))
        return 0
    if unknown := set(names) - {*benchmarks, "all"}:
        print(f"There is no benchmark {', '.join(sorted(unknown))}.", file=sys.stderr)
        return 2
    with rows.database():
        for name in benchmarks if names == ["all"] else names:
            print(json.dumps({"benchmark": name, **benchmarks[name]()}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
