"""vLLM, inside the engine's process."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

# All are read when vLLM is imported. One process is enough for one device: a second would spin on shared
# memory and leave socket files behind. A small fixed cache, since by default vLLM takes a share of all
# memory of the machine.
os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")  # it warns of each weight it converts
os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")  # no request to another host, ever
if not Path("/dev/nvidiactl").exists():
    # Eager mode leaves one small function to the compiler, which costs 40 s at the first completion and
    # needs g++ on the machine.
    os.environ.setdefault("TORCH_COMPILE_DISABLE", "1")

import vllm
from vllm import LLM, SamplingParams, TokensPrompt
from vllm.platforms import current_platform
from vllm.sampling_params import RequestOutputKind

from trainer.engine import Request, Sampling


class VllmBackend:
    """A policy in vLLM's memory."""

    def __init__(self, policy_dir: Path, dtype: str, max_model_len: int, memory_share: float) -> None:
        is_cpu = current_platform.is_cpu()
        self._llm = LLM(
            str(policy_dir),
            dtype=dtype,
            max_model_len=max_model_len,
            gpu_memory_utilization=memory_share,  # on a processor the cache's fixed size holds instead
            enforce_eager=is_cpu,  # compiling costs 50 s more at the start there and gains nothing
            distributed_executor_backend="uni" if is_cpu else None,
            # A seeded prompt that is encoded in parts ends vLLM on a processor: its generators cannot
            # take back the draw made after each part ("CPU Generator does not use offset").
            enable_chunked_prefill=not is_cpu,
            max_num_batched_tokens=max(2048, max_model_len) if is_cpu else None,
            logprobs_mode="processed_logprobs",  # raw ones would leave the temperature out
            enable_prefix_caching=True,
            disable_log_stats=True,
        )
        self._engine = self._llm.llm_engine
        self._next_id = 0
        self.description = {
            "engine": "vllm",
            "version": vllm.__version__,
            "dtype": dtype,
            "device": "cpu" if is_cpu else str(current_platform.get_device_name()),
        }

    def sample(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[dict[str, Any]]:
        """Yield every completion when it ends; a request's prompt is encoded once for all of them."""
        known: dict[str, tuple[int, int]] = {}
        for number, request in enumerate(requests):
            for first, count in _runs(request.seeds, sampling.temperature):
                params = _params(sampling, request.seeds[first], count)
                known[self._add(request.prompt_ids, params)] = (number, first)
        while self._engine.has_unfinished_requests():
            for output in self._engine.step():
                number, first = known[output.request_id]
                for completion in output.outputs:
                    if completion.finish_reason is not None:
                        yield _sampled(completion, number, first + completion.index)

    def next_logprobs(
        self, texts: list[list[int]], token_ids: list[int], temperature: float
    ) -> list[list[float]]:
        """Return each token's logprob after each text, as if it were being sampled there.

        vLLM's prompt_logprobs would be simpler, but they skip the prefix cache and the temperature:
        the two things that a probe is for.
        """
        params = SamplingParams(
            max_tokens=1, temperature=temperature, top_k=0, logprob_token_ids=token_ids, detokenize=False
        )
        known = {self._add(text, params): number for number, text in enumerate(texts)}
        found: list[list[float]] = [[]] * len(texts)
        while self._engine.has_unfinished_requests():
            for output in self._engine.step():
                logprobs = output.outputs[0].logprobs[0]
                found[known[output.request_id]] = [logprobs[token].logprob for token in token_ids]
        return found

    def reload(self, policy_dir: Path) -> None:
        """Put other weights of the same architecture in place, and forget what the old ones cached."""
        self._llm.collective_rpc("reload_weights", kwargs={"weights_path": str(policy_dir)})
        self._llm.reset_prefix_cache()

    def _add(self, prompt_ids: list[int], params: SamplingParams) -> str:
        name = str(self._next_id)
        self._next_id += 1
        self._engine.add_request(name, TokensPrompt(prompt_token_ids=prompt_ids), params)
        return name


def _runs(seeds: Sequence[int], temperature: float) -> Iterator[tuple[int, int]]:
    """Yield (first index, count) of the runs of consecutive seeds: vLLM gives child i of n the seed + i.

    Greedy requests must be single ones in vLLM.
    """
    first = 0
    for index in range(1, len(seeds) + 1):
        is_end = index == len(seeds) or seeds[index] != seeds[index - 1] + 1
        if is_end or temperature == 0:
            yield first, index - first
            first = index


def _params(sampling: Sampling, seed: int, count: int) -> SamplingParams:
    return SamplingParams(
        n=count,
        seed=seed,
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        top_k=0,
        max_tokens=sampling.max_tokens,
        logprobs=0,
        detokenize=False,
        output_kind=RequestOutputKind.CUMULATIVE,  # else the n of a prompt come only when the last is done
    )


def _sampled(completion: Any, request: int, index: int) -> dict[str, Any]:
    token_ids = list(completion.token_ids)
    logprobs = [place[token].logprob for place, token in zip(completion.logprobs, token_ids, strict=True)]
    return {
        "request": request,
        "index": index,
        "token_ids": token_ids,
        "logprobs": logprobs,
        "finish_reason": completion.finish_reason,
    }
