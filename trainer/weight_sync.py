"""Bringing the trainer's weights to the engine, and making sure that they arrived."""

import logging
import shutil
from pathlib import Path

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from trainer.engine import Engine, start_engine
from trainer.policy import completion_logprobs, save_policy
from trainer.tokens import collate

logger = logging.getLogger(__name__)

PROBE_TOKENS = 32
PROBE_TOLERANCE = {"float32": 1e-3, "bfloat16": 0.2}
"""Nats a token between engine and trainer, on average. With the same weights they differ by about 1e-5 in
float32; in bfloat16 by 0.04 on likely text, by 0.07 to 0.11 on the probe's 32 unlikely tokens
(on 8 up to 0.14).
"""


class SyncFailed(Exception):
    """The engine's logprobs are not the trainer's: it samples from something else."""


def start_on(
    policy: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    scratch: Path,
    *,
    engine: str,
    dtype: str,
    max_model_len: int,
) -> Engine:
    """Start an engine on a policy in the trainer's memory, exported to scratch/0."""
    shutil.rmtree(scratch, ignore_errors=True)
    folder = _export(policy, tokenizer, scratch / "0", dtype)
    return start_engine(folder, engine=engine, dtype=dtype, max_model_len=max_model_len)


def sync(engine: Engine, policy: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, version: int) -> None:
    """Have the engine sample from the policy as it is now; version 1, 2, ... names the export."""
    old = engine.policy_dir
    engine.sync(_export(policy, tokenizer, old.parent / str(version), engine.description["dtype"]))
    shutil.rmtree(old)


def _export(policy: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path, dtype: str) -> Path:
    """Write the policy as the engine reads it: its head untied, else a reload would keep the old one."""
    save_policy(policy, tokenizer, folder, untied=True, dtype=getattr(torch, dtype))
    return folder


@torch.no_grad()
def probe(engine: Engine, policy: PreTrainedModel, prompt_ids: list[int], temperature: float) -> float:
    """Return the mean difference in nats between engine and trainer; raise SyncFailed when too large.

    The prompt is the same every time, so that a cache left from older weights would be used; what
    follows it is its own tokens backwards: no model expects that, so all weights have their say.
    """
    completion = prompt_ids[: -PROBE_TOKENS - 1 : -1]
    theirs = engine.logprobs(prompt_ids, completion, temperature)
    batch = collate([(prompt_ids, completion)], 0).to(policy.device)
    ours = completion_logprobs(policy, batch, temperature)[0][0].cpu()
    difference = float((torch.tensor(theirs) - ours).abs().mean())
    tolerance = PROBE_TOLERANCE[engine.description["dtype"]]
    if not difference <= tolerance:  # a NaN is no agreement
        raise SyncFailed(
            f"after the sync the engine is {difference:.4f} nats a token from the policy, over {tolerance}: "
            "it samples from other weights"
        )
    return difference
