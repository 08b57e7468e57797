"""Start everything on this machine: web, workers and beat, on the embedded servers unless URLs are set."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from argparse import ArgumentParser
from types import FrameType
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from annotate.actions import checkpoints, demo

GRACE_SECONDS = 20
# A part that dies at once again and again is not restarted in a busy loop.
RESTART_SECONDS = 3


def celery(queue: str, tasks: str) -> list[str]:
    """Return the command of one worker; threads, because the heavy work is always a child process."""
    worker = ["celery", "--app", "annotate.celery", "worker", "--include", tasks, "--queues", queue]
    pool = ["--pool", "threads", "--concurrency", "2" if queue == "web" else "1"]
    return [*worker, *pool, "--hostname", f"{queue}@%h", "--loglevel", "WARNING", "--without-mingle"]


def parts(host: str, port: int) -> dict[str, list[str]]:
    """Return what runs side by side: a name and the arguments of `python -m`."""
    listen = ["--bind", f"{host}:{port}", "--workers", "2", "--threads", "4", "--log-level", "warning"]
    return {
        "web": ["gunicorn", "annotate.wsgi", *listen],
        "worker-web": celery("web", "annotate.tasks"),
        "worker-sample": celery("sample", "trainer.tasks"),
        "worker-train": celery("train", "trainer.tasks"),
        "beat": ["celery", "--app", "annotate.celery", "beat", "--loglevel", "WARNING"],
    }


class Command(BaseCommand):
    help = "Start the website, the workers and beat; Ctrl-C stops all of it."
    children: dict[str, subprocess.Popen[bytes]]
    stopping = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default=os.environ.get("HOST", "127.0.0.1"))
        parser.add_argument("--port", type=int, default=os.environ.get("PORT", "8000"))

    def handle(self, *, host: str, port: int, **options: Any) -> None:
        refuse_a_taken_port(host, port)
        self.children = {}
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self.stop_soon)
        self.stdout.write("Preparing the database and the static files ...")
        call_command("migrate", verbosity=0)
        call_command("collectstatic", verbosity=0, interactive=False)
        password = demo.seed(os.environ.get("PODIUM_DEMO_PASSWORD"))
        commands = parts(host, port)
        try:
            self.start("web", commands["web"])
            wait_for_page(f"http://{host}:{port}/health")
            self.greet(f"http://{host}:{port}/", password)
            checkpoints.ensure_base_policy(self.say)
            demo.promote_base()
            self.supervise(commands)
        finally:
            self.stop_all()

    def say(self, line: str) -> None:
        self.stdout.write(line)

    def greet(self, url: str, password: str) -> None:
        names = ", ".join(demo.PEOPLE)
        self.say(f"\n  Podium is at {url}\n  Sign in as {names}; their password is {password}\n")

    def start(self, name: str, arguments: list[str]) -> None:
        # A session of its own: Ctrl-C reaches this process alone, which then stops the others in order.
        command = [sys.executable, "-m", *arguments]
        self.children[name] = subprocess.Popen(command, start_new_session=True)

    def supervise(self, commands: dict[str, list[str]]) -> None:
        """Keep every part running until a signal comes."""
        while not self.stopping:
            for name, arguments in commands.items():
                child = self.children.get(name)
                if child and child.poll() is not None:
                    self.say(f"{name} ended with status {child.returncode}; starting it again.")
                if child is None or child.poll() is not None:
                    self.start(name, arguments)
            time.sleep(RESTART_SECONDS)

    def stop_soon(self, number: int, frame: FrameType | None) -> None:
        if self.stopping:
            return
        self.stopping = True
        self.say("\nStopping ...")
        raise SystemExit(0)

    def stop_all(self) -> None:
        """Ask every part to stop, and end what has not after the grace time."""
        for child in self.children.values():
            if child.poll() is None:
                child.terminate()
        deadline = time.monotonic() + GRACE_SECONDS
        for name, child in self.children.items():
            try:
                child.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                self.say(f"{name} did not stop in {GRACE_SECONDS} s; killing it.")
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()


def refuse_a_taken_port(host: str, port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise CommandError(f"Cannot listen on {host}:{port} ({error.strerror}); choose PORT.") from error


def wait_for_page(url: str) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310 - our own loopback address
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise CommandError(f"The website did not answer at {url}; its own lines above say why.")
