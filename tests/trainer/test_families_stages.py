"""Each family goes through the stages: SFT, a reward model, PPO with sampling; with a template or not."""

import json
from pathlib import Path

from transformers import AutoTokenizer

from tests.trainer.test_families import FAMILIES, folder
from trainer.config import PpoConfig, RewardConfig, SftConfig
from trainer.engine import Engine
from trainer.ppo import train_ppo
from trainer.reward import train_reward
from trainer.sft import train_sft

__all__ = ["folder"]

TEMPLATE = "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}{% endfor %}<assistant>"
ROWS = [{"id": str(i), "prompt": [{"role": "user", "content": f"{i}?"}]} for i in range(4)]
SMALL = {"max_prompt_tokens": 32, "max_completion_tokens": 6, "batch_size": 4, "dtype": "float32"}


def written(path: Path, **more: object) -> Path:
    path.write_text("".join(json.dumps(row | more) + "\n" for row in ROWS))
    return path


def test_a_family_goes_through_all_stages(folder: Path, tmp_path: Path, engine_at_hand: Engine) -> None:
    if list(FAMILIES).index(folder.name) % 2:
        tokenizer = AutoTokenizer.from_pretrained(folder)
        tokenizer.chat_template = TEMPLATE
        tokenizer.save_pretrained(folder)
    shown = written(tmp_path / "d.jsonl", completion="yes")
    sft = SftConfig(**SMALL, epochs=1, valid_fraction=0)
    train_sft(sft, policy=folder, demonstrations=shown, pretraining=None, out=tmp_path / "sft")
    ranked = written(tmp_path / "r.jsonl", completions=[{"text": t} for t in "abc"], ranks=[2, 1, 3])
    reward = RewardConfig(**SMALL, valid_fraction=0, share_prompt="always")
    train_reward(reward, policy=tmp_path / "sft", rankings=ranked, demonstrations=None, out=tmp_path / "rm")
    ppo = PpoConfig(**SMALL, steps=2, minibatches=1, ptx_coef=0, policy_lr=1e-3, engine="transformers")
    read = {"reward_model": tmp_path / "rm", "prompts": written(tmp_path / "p.jsonl"), "pretraining": None}
    train_ppo(ppo, policy=tmp_path / "sft", **read, out=tmp_path / "ppo")
    steps = [json.loads(line) for line in (tmp_path / "ppo/metrics.jsonl").open()]
    last = [step for step in steps if "score" in step][-1]
    assert last["step"] == 2 and last["mismatch"] < 1e-4 and last["sync_difference"] < 1e-4
