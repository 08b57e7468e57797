"""A sync writes the policy's weights over those of the sync before."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from trainer.policy import load_policy, save_weights, whole_weights
from trainer.weight_sync import _written_over


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_what_is_written_over_is_what_would_be_written(
    tiny_policy: Path, tmp_path: Path, dtype: torch.dtype
) -> None:
    policy = load_policy(tiny_policy)
    save_weights(policy, tmp_path / "0", untied=True, dtype=dtype)
    with torch.no_grad():
        for parameter in policy.parameters():
            parameter.add_(torch.randn_like(parameter))
    save_weights(policy, tmp_path / "anew", untied=True, dtype=dtype)
    weights = whole_weights(policy, untied=True, dtype=dtype)
    assert _written_over(tmp_path / "0", tmp_path / "1", weights)
    anew, over = (tmp_path / name / "model.safetensors" for name in ("anew", "1"))
    assert over.read_bytes() == anew.read_bytes()
    assert not (tmp_path / "0" / "model.safetensors").exists()


@pytest.mark.parametrize("there", [{}, {"a": torch.zeros(3)}, {"b": torch.zeros(2)}])
def test_other_weights_are_left_and_written_anew(there: dict[str, torch.Tensor], tmp_path: Path) -> None:
    old = tmp_path / "0"
    old.mkdir()
    if there:
        save_file(there, old / "model.safetensors")
    assert not _written_over(old, tmp_path / "1", {"a": torch.ones(2)})
    assert not (tmp_path / "1").exists()
    if there:
        assert load_file(old / "model.safetensors").keys() == there.keys()
