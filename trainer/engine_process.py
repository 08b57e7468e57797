"""The engine's own process: it holds a policy and answers JSON lines until its stdin closes."""

import argparse
import json
import os
import queue
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from trainer.engine import Request, Sampling
from trainer.memory import keep_memory

Answer = dict[str, Any]


def main() -> None:
    """Load the policy, say so, then answer one request after the other."""
    keep_memory()
    arguments = _parse()
    requests = _read_requests()
    answers = os.fdopen(arguments.answers, "w")
    try:
        backend = _load(arguments)
    except (ValueError, RuntimeError, OSError, ImportError, NotImplementedError) as error:
        _send(answers, {"error": "start", "message": _first_line(error)})
        raise
    _send(answers, backend.description)
    while True:
        for answer in _serve(backend, requests.get()):
            _send(answers, answer)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="trainer.engine_process")
    parser.add_argument("engine", choices=["vllm", "transformers"])
    parser.add_argument("policy_dir", type=Path)
    parser.add_argument("--dtype", required=True)
    parser.add_argument("--max-model-len", type=int, required=True)
    parser.add_argument("--memory-share", type=float, required=True, help="of a GPU's memory")
    parser.add_argument("--answers", type=int, required=True, help="the descriptor that answers go to")
    return parser.parse_args()


def _load(arguments: argparse.Namespace) -> Any:  # one of two classes with the same five members
    if arguments.engine == "vllm":
        from trainer.engine_vllm import VllmBackend

        room = (arguments.max_model_len, arguments.memory_share)
        return VllmBackend(arguments.policy_dir, arguments.dtype, *room)
    from trainer.engine_transformers import TransformersBackend

    return TransformersBackend(arguments.policy_dir, arguments.dtype)


def _read_requests() -> "queue.Queue[Answer]":
    """Read stdin on a thread, so that a parent's death is noticed even in the middle of sampling."""
    requests: queue.Queue[Answer] = queue.Queue()

    def read() -> None:
        for line in sys.stdin:
            requests.put(json.loads(line))
        # vLLM may have children: the whole group goes. The parent made this process its leader.
        os.killpg(os.getpgrp(), signal.SIGKILL)

    threading.Thread(target=read, daemon=True).start()
    return requests


def _serve(backend: Any, request: Answer) -> Iterator[Answer]:
    if request["op"] == "sample":
        requests = [Request(*request_) for request_ in request["requests"]]
        yield from backend.sample(requests, Sampling(**request["sampling"]))
    elif request["op"] == "next_logprobs":
        how = (request["texts"], request["token_ids"], request["temperature"])
        yield {"logprobs": backend.next_logprobs(*how)}
    elif request["op"] == "reload":
        yield from _reload(backend, Path(request["policy_dir"]))
    else:
        yield {"error": "unknown", "message": f"there is no operation called {request['op']}"}


def _reload(backend: Any, policy_dir: Path) -> Iterator[Answer]:
    try:
        backend.reload(policy_dir)
    except (ValueError, RuntimeError, OSError) as error:
        yield {"error": "reload", "message": f"{policy_dir} could not be loaded: {_first_line(error)}"}
        return
    yield {"reloaded": str(policy_dir)}


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _send(answers: IO[str], answer: Answer) -> None:
    answers.write(json.dumps(answer) + "\n")
    answers.flush()


if __name__ == "__main__":
    main()
