"""What each stage can be told, with the paper's values and a small machine's."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class StageConfig(BaseModel):
    """What every stage that reads prompts with a model can be told."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    seed: int = Field(0, ge=0, lt=2**31)
    """Fixes shuffling, sampling and new weights."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Arithmetic of the forward pass; weights and optimizer stay float32."""
    max_prompt_tokens: int = Field(1024, ge=8, le=131072)
    """Longer prompts are cut in the middle (the paper filters at 1k; section C)."""
    max_completion_tokens: int = Field(1024, ge=1, le=131072)
    """Longest completion (1k in the paper, section C)."""
    micro_batch_tokens: int = Field(4096, ge=16, le=1 << 22)
    """Tokens in memory at once, padding counted; changes speed, not results."""


class TrainConfig(StageConfig):
    """What every stage that learns can be told."""

    adam_beta1: float = Field(0.9, ge=0, lt=1)
    """Adam's first decay (section C)."""
    adam_beta2: float = Field(0.95, ge=0, lt=1)
    """Adam's second decay (section C)."""
    adam_eps: float = Field(1e-8, gt=0, le=1e-2)
    """Adam's epsilon; not in the paper."""
    max_grad_norm: float = Field(1.0, gt=0)
    """Longer gradients are scaled down to this length; not in the paper."""
    save_every: int = Field(50, ge=1)
    """Steps between saved states, from which a killed run goes on."""
    lora_rank: int = Field(0, ge=0, le=512)
    """Learn matrices of this rank beside the model's own, which stay (Hu 2021); 0 learns the model itself."""
    gradient_checkpointing: bool = False
    """Keep each layer's input alone in memory and work out the rest again: less memory, more time."""


class SftConfig(TrainConfig):
    """Supervised fine-tuning on demonstrations (section 3.5 and C.1)."""

    epochs: int = Field(16, ge=1, le=1000)
    """Passes over the demonstrations (C.1)."""
    batch_size: int = Field(32, ge=1, le=4096)
    """Demonstrations a step (C.1)."""
    lr: float = Field(9.65e-6, gt=0, le=1)
    """Peak learning rate (C.1, 1.3B and 6B)."""
    lr_floor: float = Field(0.1, ge=0, le=1)
    """The cosine ends at this share of the peak (C.1)."""
    pretraining_fraction: float = Field(0.1, ge=0, lt=1)
    """Share of pretraining text in a batch, where a text file is given (C.3)."""
    valid_fraction: float = Field(0.1, ge=0, lt=1)
    """Share of prompts held out where the file names no split."""
    valid_every: int = Field(50, ge=1)
    """Steps between held-out losses."""
    valid_limit: int = Field(256, ge=1)
    """Held-out demonstrations looked at."""
    targets: Literal["completion", "assistant_turns"] = "completion"
    """Learn the completion, or with it every assistant turn before it, where people wrote those too."""
    residual_dropout: float = Field(0.2, ge=0, lt=1)
    """Share of what each layer adds that is dropped in training (C.1)."""
    select_limit: int = Field(64, ge=1)
    """Held-out prompts sampled after each epoch, where a reward model is given to choose one by (C.1)."""
    temperature: float = Field(1.0, gt=0, le=10)
    """Sampling temperature of that choice."""
    engine: Literal["auto", "vllm", "transformers"] = "auto"
    """What samples for it: vLLM where it is installed, else transformers."""
    engine_dtype: Literal["float32", "bfloat16"] = "float32"
    """Arithmetic of that sampling."""
    engine_memory: float = Field(0.4, gt=0, lt=1)
    """Share of a GPU's memory that the engine takes; the trainer has the rest."""


class RewardConfig(TrainConfig):
    """A reward model from rankings (section 3.5, equation 1, and C.2)."""

    epochs: int = Field(1, ge=1, le=100)
    """Passes over the rankings; more overfit quickly (C.2)."""
    batch_size: int = Field(64, ge=1, le=4096)
    """Prompts a step, each with all its comparisons (C.2)."""
    lr: float = Field(9e-6, gt=0, le=1)
    """Peak learning rate (C.2)."""
    lr_floor: float = Field(0.1, ge=0, le=1)
    """The cosine ends at this share of the peak (C.2)."""
    head_lr: float | None = Field(None, gt=0, le=1)
    """Peak learning rate of the head alone, which then begins at zero; not set, it begins at random (C.2)."""
    layers: int | None = Field(None, ge=1)
    """Only this many of the policy's first layers are taken; all where not set."""
    pooling: Literal["last", "mean"] = "last"
    """Read a score at the completion's last token, or as the mean over its tokens."""
    share_prompt: Literal["auto", "always", "never"] = "auto"
    """Encode a prompt once for all its completions; auto does where it saves time."""
    ties: Literal["drop", "half"] = "drop"
    """Drop ties, as the paper does, or teach that each of the two is the better one half of the time."""
    labeler_folds: int = Field(0, ge=0, le=20)
    """Groups of labelers, each judged by a model of the others (the paper has 5, section 4.1); 0 for none."""
    trained_layers: int | None = Field(None, ge=1)
    """Only this many of the last layers learn, which saves time; all where not set."""
    valid_fraction: float = Field(0.1, ge=0, lt=1)
    """Share of prompts held out where the file names no split."""
    valid_every: int = Field(10, ge=1)
    """Steps between held-out losses on the way."""
    valid_limit: int = Field(64, ge=1)
    """Held-out prompts looked at on the way; the last look takes all."""
    demonstration_limit: int = Field(1024, ge=1)
    """Demonstrations whose mean score becomes zero (section 3.5)."""


class SampleConfig(StageConfig):
    """Completions from a policy."""

    k: int = Field(4, ge=1, le=64)
    """Completions a prompt (K = 4 to 9 in the paper, section 3.5)."""
    temperature: float = Field(1.0, gt=0, le=10)
    """Sampling temperature (C.4)."""
    engine: Literal["auto", "vllm", "transformers"] = "auto"
    """What samples: vLLM where it is installed, else transformers."""
    engine_dtype: Literal["float32", "bfloat16"] = "float32"
    """Arithmetic of the sampling engine."""


class EvaluateConfig(SampleConfig):
    """Held-out prompts, sampled and scored."""

    k: int = Field(1, ge=1, le=64)
    """Completions a prompt."""
    limit: int = Field(256, ge=1)
    """Prompts sampled at most."""


class PpoConfig(TrainConfig):
    """PPO and PPO-ptx (section 3.5, equation 2, and C.4)."""

    adam_eps: float = Field(1e-5, gt=0, le=1e-2)
    """Adam's epsilon, as in OpenAI's earlier code; not in the paper."""
    steps: int = Field(500, ge=1)
    """Batches of rollouts; 500 of 512 are the paper's 256k episodes (C.4)."""
    batch_size: int = Field(512, ge=1, le=8192)
    """Rollouts a step (C.4)."""
    minibatches: int = Field(8, ge=1, le=1024)
    """Updates a batch is cut into (C.4)."""
    epochs: int = Field(1, ge=1, le=16)
    """Passes over one batch of rollouts (C.4)."""
    policy_lr: float = Field(8.05e-6, gt=0, le=1)
    """Learning rate of the policy; the largest at which PPO without ptx was stable (E.10)."""
    value_lr: float = Field(9e-6, gt=0, le=1)
    """Learning rate of the value function (C.4)."""
    trained_layers: int | None = Field(None, ge=1)
    """Only this many of the last layers of policy and value function learn; all where not set."""
    warmup_steps: int = Field(10, ge=0)
    """Steps over which the rate rises from a tenth of its peak (C.4)."""
    kl_coef: float = Field(0.02, ge=0, le=100)
    """Beta: the price of a nat away from the reference, per token, estimated by k1 (C.4)."""
    adaptive_kl_target: float = Field(0.0, ge=0)
    """Let kl_coef follow, so that completions stay this many nats away; 0 keeps it (Ziegler 2019, 2.2)."""
    adaptive_kl_horizon: int = Field(10_000, ge=1)
    """Rollouts over which an adaptive kl_coef moves; from OpenAI's earlier code."""
    cliprange: float = Field(0.2, gt=0, lt=1)
    """How far a token's probability ratio counts (C.4)."""
    cliprange_value: float = Field(0.2, gt=0)
    """How far a value may move; from OpenAI's earlier code."""
    vf_coef: float = Field(1.0, ge=0)
    """Weight of the value loss; the value function has an optimizer of its own."""
    gamma: float = Field(1.0, gt=0, le=1)
    """Discount: none (C.4)."""
    lam: float = Field(0.95, ge=0, le=1)
    """Generalised advantage estimation's lambda; from OpenAI's earlier code."""
    temperature: float = Field(1.0, gt=0, le=10)
    """Rollout temperature (C.4)."""
    ptx_coef: float = Field(27.8, ge=0)
    """Weight of the pretraining gradient; 0 is PPO without ptx (C.4)."""
    ptx_ratio: int = Field(8, ge=1, le=64)
    """Pretraining examples for one rollout (C.4)."""
    ema_decay: float = Field(0.992, ge=0, lt=1)
    """Decay of the averaged weights, which are what is saved (C.4)."""
    missing_eos_score: float = Field(-1.0)
    """The most that a completion cut off by its limit can score, whatever the reward model says."""
    scale_scores: bool = False
    """Count scores in standard deviations of demonstrations' scores, missing_eos_score and kl_coef too."""
    whiten_rewards: bool = False
    """Scale rewards to unit variance, their mean kept."""
    importance_cap: float = Field(0.0, ge=0)
    """Weigh tokens by policy over engine probability, at most this, where the engine rounds; 0 never."""
    mismatch_warning: float = Field(0.1, gt=0)
    """Warn once engine and trainer are this many nats a token apart; bfloat16 makes about 0.04."""
    target_kl: float = Field(0.0, ge=0)
    """Leave a batch early once an update moved further than 1.5 of this; 0 never."""
    max_kl: float = Field(0.0, ge=0)
    """End the run once completions are this many nats from the reference on average; 0 never."""
    max_length_drift: float = Field(0.0, ge=0)
    """End the run once completions are this many times longer or shorter than at first; 0 never."""
    min_entropy: float = Field(0.0, ge=0)
    """End the run once a token's entropy falls below this many nats on average; 0 never."""
    min_eos_rate: float = Field(0.0, ge=0, le=1)
    """End the run once fewer completions than this share end by themselves; 0 never."""
    samples_every: int = Field(10, ge=1)
    """Steps between completions kept to be read."""
    valid_every: int = Field(50, ge=1)
    """Steps between looks at held-out prompts and held-out pretraining text."""
    valid_limit: int = Field(64, ge=1)
    """Held-out prompts, and held-out texts, looked at."""
    engine: Literal["auto", "vllm", "transformers"] = "auto"
    """What samples: vLLM where it is installed, else transformers."""
    engine_dtype: Literal["float32", "bfloat16"] = "float32"
    """Arithmetic of the sampling engine."""
    engine_memory: float = Field(0.4, gt=0, lt=1)
    """Share of a GPU's memory that the engine takes; the trainer has the rest."""


STAGES: dict[str, type[StageConfig]] = {
    "sft": SftConfig,
    "reward": RewardConfig,
    "ppo": PpoConfig,
    "evaluate": EvaluateConfig,
    "sample": SampleConfig,
}

# The paper's values are the defaults; small is SmolLM2-135M on two cores, in minutes.
_SMALL: dict[str, dict[str, object]] = {
    "sft": {
        "dtype": "bfloat16",
        "max_prompt_tokens": 768,
        "max_completion_tokens": 256,
        "micro_batch_tokens": 2048,
        "epochs": 2,
        "batch_size": 8,
        "lr": 2e-5,
        "valid_limit": 32,
        "residual_dropout": 0.0,
        "select_limit": 16,
    },
    "reward": {
        "dtype": "bfloat16",
        "max_prompt_tokens": 256,
        "max_completion_tokens": 256,
        "micro_batch_tokens": 2048,
        "batch_size": 16,
        "lr": 2e-5,
        "trained_layers": 8,
        "save_every": 4,
        "valid_every": 8,
        "valid_limit": 8,
        "demonstration_limit": 32,
    },
    "ppo": {
        "dtype": "bfloat16",
        "max_prompt_tokens": 512,
        "max_completion_tokens": 64,
        "micro_batch_tokens": 2048,
        "steps": 10,
        "batch_size": 16,
        "minibatches": 2,
        "warmup_steps": 2,
        "trained_layers": 10,
        "policy_lr": 1e-4,
        "value_lr": 1e-4,
        "ptx_coef": 0.0,
        "scale_scores": True,
        "ema_decay": 0.8,
        "samples_every": 5,
        "valid_every": 10,
        "valid_limit": 8,
        "save_every": 5,
    },
    "evaluate": {
        "dtype": "bfloat16",
        "max_prompt_tokens": 768,
        "max_completion_tokens": 64,
        "limit": 32,
    },
    "sample": {"max_prompt_tokens": 768, "max_completion_tokens": 128},
}


# The policy that the paper's PPO begins from is another one than its SFT policy (C.3).
_PPO_START = {"epochs": 2, "lr": 5e-6, "pretraining_fraction": 0.1}


def presets(stage: str) -> dict[str, dict[str, object]]:
    """Return each of a stage's presets as a full config."""
    named = {"paper": {}, "small": _SMALL[stage]} | ({"ppo_start": _PPO_START} if stage == "sft" else {})
    return {
        name: STAGES[stage].model_validate(values).model_dump(mode="json") for name, values in named.items()
    }


def schemas() -> dict[str, object]:
    """Return each stage's JSON schema and presets, as annotate/stages.json holds them."""
    return {
        stage: {
            "schema": config.model_json_schema(),
            "presets": presets(stage),
        }
        for stage, config in STAGES.items()
    }
