"""Which epoch's policy is kept: the one whose held-out completions score best (InstructGPT, C.1)."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from trainer.config import SftConfig
from trainer.data import BadInput
from trainer.engine import Engine, EngineError, Sampling
from trainer.held_out import sample_and_score
from trainer.probe import Probe
from trainer.reward_model import RewardModel, load_judge
from trainer.weight_sync import start_on, sync


@dataclass
class Selection:
    """The best policy so far: its weights by name, beside its score and the step it was made at."""

    config: SftConfig
    tokenizer: PreTrainedTokenizerBase
    judge: RewardModel
    engine: Engine
    prompts: list[list[int]]
    probe: Probe
    best: dict[str, Tensor] = field(default_factory=dict)

    def look(self, policy: PreTrainedModel, step: int) -> dict[str, float]:
        """Sample held-out prompts from the policy as it is, remember it if it is the best; return figures."""
        config = self.config
        sync(self.engine, policy, step)
        self.probe.check(self.engine, policy)
        figures = sample_and_score(
            self.engine,
            self.judge,
            self.prompts,
            config.seed,
            Sampling(config.max_completion_tokens, config.temperature),
            pad_id=int(self.tokenizer.pad_token_id),
            micro_batch_tokens=config.micro_batch_tokens,
            dtype=config.dtype,
        )
        if figures["valid_score"] > self.best["score"]:
            self.best["score"].fill_(figures["valid_score"])
            self.best["step"].fill_(step)
            for name, parameter in policy.named_parameters():
                self.best[name].copy_(parameter.detach())
        return figures


@contextlib.contextmanager
def selecting(
    config: SftConfig,
    policy: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    reward_model: Path,
    prompts: list[list[int]],
    scratch: Path,
) -> Iterator[Selection]:
    """Yield a selection that has seen nothing yet, with an engine of its own. Raises BadInput."""
    if not prompts:
        raise BadInput("--reward-model: no prompt is held out, so there is nothing to select an epoch by")
    room = config.max_prompt_tokens + config.max_completion_tokens
    how = {"engine": config.engine, "dtype": config.engine_dtype, "memory_share": config.engine_memory}
    judge = load_judge(reward_model, tokenizer)
    try:
        engine = start_on(policy, tokenizer, scratch, max_model_len=room, **how)
    except EngineError as error:
        raise BadInput(f"engine: {error}") from error
    best = {name: parameter.detach().clone() for name, parameter in policy.named_parameters()}
    best["score"] = torch.tensor(float("-inf"), dtype=torch.float64)
    best["step"] = torch.tensor(0)
    looked_at = prompts[: config.select_limit]
    probe = Probe(looked_at, len(tokenizer), config.temperature)
    with engine:
        yield Selection(config, tokenizer, judge, engine, looked_at, probe, best)
