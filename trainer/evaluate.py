"""What a policy answers: completions in a file, or held-out ones scored, with intervals."""

import json
import logging
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from transformers import PreTrainedTokenizerBase

from trainer import checkpoints
from trainer.config import EvaluateConfig, SampleConfig
from trainer.data import BadInput, Prompt, read_prompts
from trainer.engine import EngineError, Refused, Request, Sampled, Sampling, start_engine
from trainer.intervals import ratio_interval
from trainer.metrics import MetricsLog
from trainer.reward_model import RewardModel, load_judge, scores_of
from trainer.tokens import decode, encode_prompt, load_tokenizer

logger = logging.getLogger(__name__)


class Drawn(NamedTuple):
    """A completion with the row of its prompt and that prompt's ids."""

    row: int
    prompt_ids: list[int]
    sampled: Sampled


def sample(config: SampleConfig, *, policy: Path, prompts: Path, out: Path) -> None:
    """Write k completions a prompt to the file out, one JSON object a line. Raises BadInput."""
    if out.exists():
        raise BadInput(f"--out {out}: exists already; name a new file")
    checkpoints.check(policy, "policy")
    rows = read_prompts(prompts)
    tokenizer = load_tokenizer(policy)
    total = len(rows) * config.k
    found = []
    for drawn in _draw(config, policy, tokenizer, rows):
        found.append(_line(drawn, rows, tokenizer))
        logger.info("sampled %d of %d", len(found), total)
    found.sort(key=lambda line: int(str(line["seed"])))  # the prompts' order
    _write_lines(out, found)


def evaluate(
    config: EvaluateConfig, *, policy: Path, prompts: Path, reward_model: Path | None, out: Path
) -> None:
    """Write samples of held-out prompts to out, with their mean score and length. Raises BadInput.

    Held out are the prompts whose split says so; all of them in a file that names no split.
    """
    checkpoints.check(policy, "policy")
    tokenizer = load_tokenizer(policy)
    judge = load_judge(reward_model, tokenizer) if reward_model else None
    with checkpoints.writing(out) as partial:
        inputs = {"policy": policy, "prompts": prompts, "reward_model": reward_model}
        checkpoints.begin(partial, "evaluate", config.model_dump(mode="json"), inputs)
        rows, how = _held_out(read_prompts(prompts))
        rows = rows[: config.limit]
        metrics = MetricsLog(partial / "metrics.jsonl", len(rows) * config.k)
        drawn = []
        for one in _draw(config, policy, tokenizer, rows):
            drawn.append(one)
            metrics.write(len(drawn), phase="sampling")
        drawn.sort(key=lambda one: one.sampled.seed)
        scores = _scores(judge, drawn, tokenizer, config) if judge else None
        lines = [_line(one, rows, tokenizer) for one in drawn]
        for line, score in zip(lines, scores or [], strict=False):
            line["score"] = score
        _write_lines(partial / "samples.jsonl", lines)
        result = _figures(drawn, scores) | {"prompts": len(rows), "held_out": how}
        metrics.write(len(drawn), **{name: value for name, value in result.items() if name in _SHOWN})
        checkpoints.describe(partial, "evaluation", result)


_SHOWN = ("score", "length", "eos_rate")


def _held_out(prompts: list[Prompt]) -> tuple[list[Prompt], str]:
    named = [prompt for prompt in prompts if prompt.split in ("valid", "test")]
    return (named, "split") if named else (prompts, "all")


def _draw(
    config: SampleConfig, policy: Path, tokenizer: PreTrainedTokenizerBase, rows: Sequence[Prompt]
) -> Iterator[Drawn]:
    """Yield k completions a prompt as they finish, seeds counted through from config.seed."""
    ids = [encode_prompt(tokenizer, row.prompt, config.max_prompt_tokens) for row in rows]
    requests = [
        Request(prompt_ids, [config.seed + number * config.k + index for index in range(config.k)])
        for number, prompt_ids in enumerate(ids)
    ]
    room = config.max_prompt_tokens + config.max_completion_tokens
    try:
        engine = start_engine(policy, engine=config.engine, dtype=config.engine_dtype, max_model_len=room)
    except EngineError as error:
        raise BadInput(f"engine: {error}") from error
    with engine:
        for answer in engine.sample(requests, Sampling(config.max_completion_tokens, config.temperature)):
            if isinstance(answer, Refused):
                raise BadInput(f"prompt {rows[answer.request].id}: {answer.reason}")
            yield Drawn(answer.request, ids[answer.request], answer)


def _scores(
    judge: RewardModel,
    drawn: Sequence[Drawn],
    tokenizer: PreTrainedTokenizerBase,
    config: EvaluateConfig,
) -> list[float]:
    pairs = [(one.prompt_ids, one.sampled.token_ids) for one in drawn]
    pad_id, room = int(tokenizer.pad_token_id), config.micro_batch_tokens
    scores: list[float] = scores_of(
        judge, pairs, pad_id, micro_batch_tokens=room, dtype=config.dtype
    ).tolist()
    return scores


def _figures(drawn: Sequence[Drawn], scores: Sequence[float] | None) -> dict[str, float]:
    """Return means over completions with 95 % intervals over prompts."""
    rows = [one.row for one in drawn]
    ends = [one.sampled.finish_reason == "stop" for one in drawn]
    figures = {"completions": len(drawn), "eos_rate": sum(ends) / len(ends)}
    figures |= _mean("length", rows, [len(one.sampled.token_ids) for one in drawn])
    return figures | (_mean("score", rows, scores) if scores is not None else {})


def _mean(name: str, rows: Sequence[int], values: Sequence[float]) -> dict[str, float]:
    """Return name, name_low and name_high of values, whose prompts are rows."""
    sums: dict[int, float] = defaultdict(float)
    counts: dict[int, float] = defaultdict(float)
    for row, value in zip(rows, values, strict=True):
        sums[row] += value
        counts[row] += 1
    low, high = ratio_interval([sums[row] for row in sums], [counts[row] for row in sums])
    return {name: sum(values) / len(values), f"{name}_low": low, f"{name}_high": high}


def _line(drawn: Drawn, rows: Sequence[Prompt], tokenizer: PreTrainedTokenizerBase) -> dict[str, object]:
    sampled = drawn.sampled
    return {
        "id": rows[drawn.row].id,
        "prompt": list(rows[drawn.row].prompt),
        "index": sampled.index,
        "seed": sampled.seed,
        "completion": decode(tokenizer, sampled.token_ids),
        "tokens": len(sampled.token_ids),
        "finish_reason": sampled.finish_reason,
    }


def _write_lines(path: Path, lines: Sequence[dict[str, object]]) -> None:
    beside = path.with_name(path.name + ".partial")
    beside.write_text(
        "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8"
    )
    beside.replace(path)
