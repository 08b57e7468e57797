"""Backup and restore, between two installations with servers of their own."""

import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.core.management import CommandError, call_command

ROOT = Path(__file__).resolve().parents[2]
PROMPT = {"id": "p1", "prompt": [{"role": "user", "content": "Späť?"}], "split": "train", "author": "ann"}


def run(data: Path, code: str) -> str:
    """Run commands in an installation; one process, because each start and stop of servers takes seconds."""
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_URL")}
    environment |= {"PODIUM_DATA": str(data), "DJANGO_SETTINGS_MODULE": "annotate.settings"}
    code = f"from django.core.management import call_command as call\n{code}"
    command = [sys.executable, str(ROOT / "manage.py"), "shell", "--no-imports", "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def tar_of(path: Path, **files: str) -> Path:
    for name, content in files.items():
        (path.parent / name).write_text(content)
    with tarfile.open(path, "w") as tar:
        for name in files:
            tar.add(path.parent / name, name.replace("_", "."))
    return path


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    """A backup of an installation with a prompt, a snapshot, a checkpoint and an unfinished one."""
    data, rows, file = tmp_path / "data", tmp_path / "prompts.jsonl", tmp_path / "backup.tar.gz"
    rows.write_text(json.dumps(PROMPT))
    for name in ("run-1", "run-2.partial"):
        (data / "checkpoints" / name).mkdir(parents=True)
        (data / "checkpoints" / name / "model.safetensors").write_text("weights")
    bring = f'call("migrate", verbosity=0); call("import_prompts", r"{rows}", campaign="Moved")'
    run(data, f'{bring}\ncall("take_snapshot", campaign="Moved"); call("backup", r"{file}")')
    return file


def test_a_backup_comes_back_elsewhere(backup: Path, tmp_path: Path) -> None:
    data, out = tmp_path / "elsewhere", tmp_path / "prompts.out"
    export = f'call("export", "prompts", campaign="Moved", out=__import__("pathlib").Path(r"{out}"))'
    said = run(data, f'call("restore", r"{backup}"); {export}; call("take_snapshot", campaign="Moved")')
    assert json.loads(out.read_text()) == PROMPT
    snapshot = json.loads(said.splitlines()[-1])
    assert Path(snapshot["location"]).is_relative_to(data)
    assert [path.name for path in (data / "checkpoints").iterdir()] == ["run-1"]


def test_a_broken_backup_changes_nothing(tmp_path: Path) -> None:
    sql = "CREATE TABLE half (); SELECT nonsense;"
    file = tar_of(tmp_path / "backup.tar", about_json='{"data_dir": "/nowhere"}', database_sql=sql)
    said = run(
        tmp_path / "data",
        f'try: call("restore", r"{file}")\nexcept Exception as error: print(error)\n'
        "from django.db import connection; print(connection.introspection.table_names())",
    )
    assert 'column "nonsense" does not exist' in said
    assert said.endswith("[]\n")


@pytest.mark.django_db
def test_an_installation_with_people_is_left_alone(tmp_path: Path, ada: object) -> None:
    with pytest.raises(CommandError, match="not empty; --force"):
        call_command("restore", str(tmp_path / "backup.tar"))


@pytest.mark.django_db
def test_a_file_that_is_no_backup_is_refused(tmp_path: Path, settings: LazySettings) -> None:
    settings.DATA_DIR = tmp_path / "data"
    file = tmp_path / "backup.tar"
    with tarfile.open(file, "w") as tar:
        tar.add(__file__, "../../outside")
    with pytest.raises(CommandError, match="outside the data folder"):
        call_command("restore", str(file))
    with pytest.raises(CommandError, match="is no whole backup: .*database.sql"):
        call_command("restore", str(tar_of(file, about_json="{}")))
    assert not (tmp_path / "outside").exists()
    assert not list(settings.DATA_DIR.iterdir())
