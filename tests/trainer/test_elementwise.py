"""Norms in blocks of rows are transformers' own, forwards and backwards, and leave other norms alone."""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaModel
from transformers.models.llama.modeling_llama import LlamaRMSNorm

from trainer import elementwise
from trainer.elementwise import RmsNorm

IDS = torch.arange(12)[None]


class GrowingRMSNorm(LlamaRMSNorm):
    """A norm of another kind, as Gemma's, under a name that ends alike."""

    def forward(self, hidden_states: Tensor) -> Tensor:
        """Return the norm with a weight that is one more."""
        plain: Tensor = super().forward(hidden_states)
        return plain * 2


@pytest.fixture
def backbone() -> LlamaModel:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=16,
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
    )
    return LlamaModel(config).eval()


def hidden_after(backbone: LlamaModel) -> Callable[[], Tensor]:
    return lambda: backbone(input_ids=IDS, use_cache=False).last_hidden_state


def put_in(backbone: LlamaModel) -> Tensor:
    compute = hidden_after(backbone)
    with torch.no_grad():
        expected = compute()
        elementwise.put_in(backbone, compute, expected)
    return expected


@pytest.mark.parametrize("shape", [(2, 4, 8), (3, 7, 2, 8)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_outputs_and_gradients_are_those_of_transformers(
    dtype: torch.dtype, shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(elementwise, "_ROWS", 3)
    generator = torch.Generator().manual_seed(0)
    norm = LlamaRMSNorm(8, eps=1e-2)
    norm.weight.data = torch.randn(8, generator=generator)
    hidden = torch.randn(shape, generator=generator).requires_grad_()
    wanted = torch.randn(shape, generator=generator).to(dtype)
    expected = norm(hidden).to(dtype)
    expected.backward(wanted)
    grads = [hidden.grad, norm.weight.grad]
    hidden.grad = norm.weight.grad = None
    found = RmsNorm.apply(hidden, norm.weight, norm.variance_epsilon, dtype)
    found.backward(wanted)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close([hidden.grad, norm.weight.grad], grads)


def test_a_backbone_computes_as_before_but_for_rounding(backbone: LlamaModel) -> None:
    expected = put_in(backbone)
    torch.testing.assert_close(hidden_after(backbone)(), expected)
    with torch.autocast("cpu", torch.bfloat16):
        layer = backbone.layers[0]
        assert layer.input_layernorm(torch.randn(5, 16)).dtype == torch.bfloat16
        assert backbone.norm(torch.randn(5, 16)).dtype == torch.float32
        angles = backbone.rotary_emb(torch.randn(1, 5, 16), position_ids=torch.arange(5)[None])
        assert [angle.dtype for angle in angles] == [torch.bfloat16] * 2
        rounded = hidden_after(backbone)()
    torch.testing.assert_close(rounded, expected, atol=0.05, rtol=0.05)


def test_gradients_reach_every_weight(backbone: LlamaModel) -> None:
    plain = copy.deepcopy(backbone)
    put_in(backbone)
    for model in (plain, backbone):
        hidden_after(model)().square().mean().backward()
    for (name, parameter), expected in zip(backbone.named_parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(parameter.grad, expected.grad, msg=lambda m, name=name: f"{name}: {m}")


def test_a_norm_of_another_kind_stays(backbone: LlamaModel) -> None:
    for layer in backbone.layers:
        layer.input_layernorm.__class__ = GrowingRMSNorm
    expected = put_in(backbone)
    torch.testing.assert_close(hidden_after(backbone)(), expected)


def test_angles_as_complex_numbers_stay(backbone: LlamaModel) -> None:
    angles = torch.polar(torch.ones(5, 2), torch.ones(5, 2))
    with torch.autocast("cpu", torch.bfloat16):
        assert elementwise._round_angles(backbone.rotary_emb, (), angles) is angles
