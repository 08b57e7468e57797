"""The command line: python -m trainer STAGE, files in, a checkpoint folder out."""

import argparse
import json
import logging
import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType

from pydantic import ValidationError

from trainer.config import STAGES, StageConfig, presets, schemas
from trainer.data import BadInput
from trainer.memory import keep_memory
from trainer.threads import wait_shortly

# What each stage reads, and whether it must be given.
INPUTS: dict[str, dict[str, bool]] = {
    "sft": {"policy": True, "demonstrations": True, "pretraining": False, "reward_model": False},
    "reward": {"policy": True, "rankings": True, "demonstrations": False},
    "ppo": {
        "policy": True,
        "reward_model": True,
        "second_judge": False,
        "prompts": True,
        "pretraining": False,
    },
    "evaluate": {"policy": True, "prompts": True, "reward_model": False},
    "sample": {"policy": True, "prompts": True},
}


def main(argv: list[str] | None = None) -> int:
    """Run one command; return its exit status: 0 done, 2 bad input."""
    arguments = _parser().parse_args(argv)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(message)s")
    # A log file is no place for bars that redraw themselves.
    os.environ.setdefault("TQDM_DISABLE", "1")
    keep_memory()
    wait_shortly()
    signal.signal(signal.SIGTERM, _leave)
    if getattr(arguments, "exit_with_parent", False):
        threading.Thread(target=_watch_parent, daemon=True).start()
    try:
        _run(arguments)
    except BadInput as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


def _leave(signum: int, frame: FrameType | None) -> None:
    # An exit, not a kill, so that child processes are closed on the way out.
    sys.exit(128 + signum)


def _watch_parent() -> None:
    """End at once when stdin closes: the parent held its other end and is gone."""
    descriptor = sys.stdin.fileno()
    while os.read(descriptor, 1024):
        pass
    os._exit(143)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m trainer", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for stage, inputs in INPUTS.items():
        _add_stage(commands.add_parser(stage), inputs, list(presets(stage)))
    commands.choices["sample"].add_argument("-k", type=int, help="completions a prompt")
    prepare = commands.add_parser("prepare", help="make a policy folder of a pretrained model")
    prepare.add_argument("--base", default="packaged", help="packaged, a folder, or a hub name")
    prepare.add_argument("--out", type=Path, required=True)
    commands.add_parser("schema", help="print the stages' configs, as annotate/stages.json")
    return parser


def _add_stage(parser: argparse.ArgumentParser, inputs: dict[str, bool], names: list[str]) -> None:
    for name, required in inputs.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=Path, required=required)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--preset", choices=names, default="paper")
    parser.add_argument("--config", type=Path, help="a JSON file of fields, over the preset")
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE")
    parser.add_argument("--exit-with-parent", action="store_true", help="end when standard input closes")


def _run(arguments: argparse.Namespace) -> None:
    if arguments.command == "schema":
        print(json.dumps(schemas(), indent=2))
    elif arguments.command == "prepare":
        # Stages are imported where they start: torch and an engine take seconds to load.
        from trainer.policy import prepare

        prepare(arguments.base, arguments.out)
    else:
        config = read_config(arguments)
        paths = {name: getattr(arguments, name) for name in INPUTS[arguments.command]}
        _run_stage(arguments.command, config, paths, arguments.out)


def _run_stage(stage: str, config: StageConfig, paths: dict[str, Path], out: Path) -> None:
    if stage == "sft":
        from trainer.sft import train_sft as run
    elif stage == "reward":
        from trainer.reward import train_reward as run
    elif stage == "ppo":
        from trainer.ppo import train_ppo as run
    elif stage == "evaluate":
        from trainer.evaluate import evaluate as run
    else:
        from trainer.evaluate import sample as run
    from trainer.many import together

    with together(stage):
        run(config=config, out=out, **paths)


def read_config(arguments: argparse.Namespace) -> StageConfig:
    """Return the preset with the file's fields and then --set's over it."""
    values = presets(arguments.command)[arguments.preset]
    if arguments.config is not None:
        values |= _config_file(arguments.config)
    for assignment in arguments.set:
        name, equals, text = assignment.partition("=")
        if not equals:
            raise BadInput(f"--set {assignment}: write FIELD=VALUE")
        values[name] = _value(text)
    if getattr(arguments, "k", None) is not None:
        values["k"] = arguments.k
    try:
        return STAGES[arguments.command].model_validate(values)
    except ValidationError as error:
        raise BadInput("; ".join(_sentence(dict(problem)) for problem in error.errors())) from error


def _config_file(path: Path) -> dict[str, object]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(f"--config {path}: {error}") from error
    if not isinstance(values, dict):
        raise BadInput(f"--config {path}: must be one JSON object")
    return values


def _value(text: str) -> object:
    try:
        value: object = json.loads(text)
    except json.JSONDecodeError:
        return text
    return value


def _sentence(problem: dict[str, object]) -> str:
    location = problem["loc"]
    field = ".".join(str(part) for part in location) if isinstance(location, tuple) else location
    return f"config field {field}: {problem['msg']}"


if __name__ == "__main__":
    sys.exit(main())
