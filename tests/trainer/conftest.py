"""A two-layer model with random weights and a byte tokenizer: whole stages in a second."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from benchmarks import second_judge
from trainer import weight_sync
from trainer.__main__ import main
from trainer.engine import Engine, start_engine
from trainer.policy import load_policy, save_policy
from trainer.reward_model import new_reward_model, save_reward_model

# Matrices this small are slower on two threads than on one.
torch.set_num_threads(1)


def make_tokenizer() -> PreTrainedTokenizerFast:
    """Return a tokenizer of one token a byte, with <pad> 0, <eos> 1 and <bos> 2."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    names = ["<pad>", "<eos>", "<bos>", *alphabet]
    vocabulary = {name: index for index, name in enumerate(names)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<eos>", bos_token="<bos>"
    )


def make_policy(folder: Path, *, tied: bool = True) -> Path:
    """Write a tiny random policy with its tokenizer into folder."""
    torch.manual_seed(0)
    tokenizer = make_tokenizer()
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        tie_word_embeddings=tied,
        # Wide enough for scores and logprobs to differ visibly between inputs.
        initializer_range=0.2,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_gpt2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A policy folder of the line the field grew from: learned positions, and dropout of a tenth."""
    torch.manual_seed(0)
    tokenizer, folder = make_tokenizer(), tmp_path_factory.mktemp("tiny") / "gpt2"
    config = GPT2Config(
        vocab_size=len(tokenizer),
        n_embd=32,
        n_layer=2,
        n_head=4,
        n_positions=128,
        initializer_range=0.2,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    GPT2LMHeadModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A policy folder with tied embeddings, shared by all tests: read it only."""
    return make_policy(tmp_path_factory.mktemp("tiny") / "policy")


@pytest.fixture(scope="session")
def tiny_reward_model(tiny_policy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reward model's folder on the tiny policy, its head random: read it only."""
    folder = tmp_path_factory.mktemp("tiny") / "reward"
    folder.mkdir()
    save_reward_model(new_reward_model(tiny_policy, 1), make_tokenizer(), folder)
    (folder / "podium.json").write_text(json.dumps({"kind": "reward_model"}))
    return folder


@pytest.fixture(scope="session")
def tiny_engine(tiny_policy: Path) -> Iterator[Engine]:
    """The fallback engine on the tiny policy, shared: a test that syncs must put it back."""
    with start_engine(tiny_policy, engine="transformers", max_model_len=128) as engine:
        yield engine


@pytest.fixture(scope="session")
def untied_policy(tiny_policy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny policy as PPO exports it, so that a sync is a reload."""
    folder = tmp_path_factory.mktemp("tiny") / "untied"
    save_policy(load_policy(tiny_policy), make_tokenizer(), folder, untied=True)
    return folder


@pytest.fixture(scope="session")
def untied_engine(untied_policy: Path) -> Iterator[Engine]:
    with start_engine(untied_policy, engine="transformers", max_model_len=128) as engine:
        yield engine


@pytest.fixture
def engine_at_hand(untied_engine: Engine, untied_policy: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """Have stages take the engine that runs already, brought to their policy, rather than start one."""
    # What the test before brought it to is gone with that test's folder.
    untied_engine.policy_dir = untied_policy

    def take(folder: Path, **_how: object) -> Engine:
        untied_engine.policy_dir = untied_policy  # what the stage before exported is gone too
        untied_engine.sync(folder)
        return untied_engine

    monkeypatch.setattr(untied_engine, "close", lambda: None)
    monkeypatch.setattr(weight_sync, "start_engine", take)
    return untied_engine


@pytest.fixture
def stages_run(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Have benchmarks run the trainer's stages in this process; the stages that they ran."""
    ran: list[str] = []

    def here(arguments: list[str]) -> None:
        ran.append(arguments[0])
        assert main(arguments) == 0

    monkeypatch.setattr(second_judge, "run", here)
    return ran
