"""The plain network is diffusers' class; grown networks begin as the smaller ones."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tools.demo_model.grow import deepened, grown, widened
from tools.demo_model.layout import LAYOUTS, SMALL, Layout, layout_of
from tools.demo_model.network import Network
from tools.demo_model.unet import build_narrow

TINY = Layout((32, 64, 64))
TIMESTEPS = torch.tensor([3, 610])


def network(layout: Layout, seed: int = 0) -> Network:
    """Every bias and every norm counts."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        made = Network(layout).eval().requires_grad_(False)
        for parameter in made.parameters():
            if parameter.ndim == 1:
                parameter += 0.2 * torch.randn_like(parameter)
    return made


def noisy() -> Tensor:
    return torch.randn(2, 4, 16, 8, generator=torch.Generator().manual_seed(1))


def loaded(state: dict[str, Tensor]) -> Network:
    made = Network(layout_of(state)).eval().requires_grad_(False)
    made.load_state_dict(state)
    return made


@pytest.mark.parametrize("layout", [TINY, Layout((32, 64, 64), 2), Layout((32, 64, 96))])
def test_plain_network_is_diffusers_own(layout: Layout) -> None:
    ours, theirs = network(layout), build_narrow(layout).eval().requires_grad_(False)
    theirs.load_state_dict(ours.state_dict())
    assert layout_of(theirs.state_dict()) == layout
    wanted = theirs(noisy(), TIMESTEPS, None).sample
    torch.testing.assert_close(ours(noisy(), TIMESTEPS).sample, wanted, atol=1e-5, rtol=1e-5)


def test_deeper_is_the_same_function() -> None:
    small = network(TINY)
    deep = loaded(deepened(small.state_dict(), 3))
    assert deep.layout == Layout(TINY.widths, 3)
    wanted = small(noisy(), TIMESTEPS).sample
    torch.testing.assert_close(deep(noisy(), TIMESTEPS).sample, wanted, atol=1e-5, rtol=1e-5)


def test_wider_by_one_factor_is_the_same_function_and_its_copies_part() -> None:
    small = network(TINY)
    wide = loaded(widened(small.state_dict(), (64, 128, 128)))
    wanted = small(noisy(), TIMESTEPS).sample
    torch.testing.assert_close(wide(noisy(), TIMESTEPS).sample, wanted, atol=2e-5, rtol=2e-5)
    wide.requires_grad_(True)(noisy(), TIMESTEPS).sample.square().mean().backward()
    for name, parameter in wide.named_parameters():
        if parameter.ndim > 1 and "conv_out" not in name:
            first, second = parameter.grad[0::2], parameter.grad[1::2]
            if "to_" in name and "to_out" not in name:
                # Heads are copied as wholes.
                rows = parameter.grad.view(-1, 32, parameter.shape[1])
                first, second = rows[0::2], rows[1::2]
            assert not torch.allclose(first, second, rtol=1e-3, atol=0), f"{name}: copies learn the same"


def test_wider_in_the_middle_is_near() -> None:
    small = network(TINY)
    wide = loaded(grown(small.state_dict(), Layout((32, 64, 128))))
    wanted = small(noisy(), TIMESTEPS).sample
    error = (wide(noisy(), TIMESTEPS).sample - wanted).square().mean() / wanted.square().mean()
    assert error < 0.05


def test_widths_that_do_not_divide_are_refused() -> None:
    with pytest.raises(ValueError, match="multiple"):
        widened(network(TINY).state_dict(), (32, 64, 96))
    with pytest.raises(ValueError, match="already has"):
        deepened(network(Layout((32,), 2)).state_dict(), 1)


def test_large_layouts_fit_their_files() -> None:
    for name, layout in LAYOUTS.items():
        with torch.device("meta"):
            count = sum(parameter.numel() for parameter in Network(layout).parameters())
        # Eight bits a weight, a scale a channel; the autoencoder's file has 2.2 MB.
        assert count < (7e6 if layout == SMALL else 20e6) and count * 1.02 + 2.2e6 < 25e6, name
