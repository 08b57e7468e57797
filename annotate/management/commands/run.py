"""Start everything on this machine: web, workers and beat, on the embedded servers unless URLs are set."""

import os
import time
from argparse import ArgumentParser
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from annotate import processes
from annotate.actions import checkpoints, demo
from annotate.errors import Refused

# A part that dies at once, again and again, is not restarted in a busy loop.
RESTART_SECONDS = 3


class Command(BaseCommand):
    help = "Start the website, the workers and beat; Ctrl-C stops all of it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default=os.environ.get("HOST", "127.0.0.1"))
        parser.add_argument("--port", type=int, default=os.environ.get("PORT", "8000"))

    def handle(self, *, host: str, port: int, **options: Any) -> None:
        processes.leave_on_signals()
        children: processes.Children = {}
        try:
            processes.refuse_a_taken_port(host, port)
            self.bring_up(host, port, children)
            self.supervise(processes.everything(host, port), children)
        except Refused as refused:
            raise CommandError(str(refused)) from refused
        finally:
            self.say("\nStopping ...")
            for name in processes.stop(children):
                self.say(f"{name} did not stop in {processes.GRACE_SECONDS} s and was killed.")

    def bring_up(self, host: str, port: int, children: processes.Children) -> None:
        """Show the first page as early as possible; the base policy, slow the first time, comes after."""
        self.say("Preparing the database and the static files ...")
        call_command("migrate", verbosity=0)
        call_command("collectstatic", verbosity=0, interactive=False)
        password = demo.seed(os.environ.get("PODIUM_DEMO_PASSWORD"))
        children["web"] = processes.start(processes.web(host, port))
        processes.wait_for_page(f"http://{host}:{port}/health")
        self.say(f"\n  Podium is at http://{host}:{port}/")
        self.say(f"  Sign in as {', '.join(demo.PEOPLE)}; the password of each is {password}\n")
        checkpoints.ensure_base_policy(self.say)
        demo.promote_base()

    def supervise(self, parts: dict[str, list[str]], children: processes.Children) -> None:
        """Keep every part running until a signal ends this process."""
        while True:
            for name, arguments in parts.items():
                child = children.get(name)
                if child and child.poll() is not None:
                    self.say(f"{name} ended with status {child.returncode}; starting it again.")
                if child is None or child.poll() is not None:
                    children[name] = processes.start(arguments)
            time.sleep(RESTART_SECONDS)

    def say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()
