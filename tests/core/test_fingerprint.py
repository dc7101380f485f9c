"""Fingerprints: every weight counts, few values are read, and where weights live doesn't matter."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from core.attention.plan import CapturePlan
from core.diffusion.inversion import invert
from core.errors import InputError
from core.model.fingerprint import digest, patched, same_weights
from tests.core.builders import normal
from tests.core.toy_unet import ToyUNet, latent, sigmas

SHAPES = ((5,), (1,), (40, 30), (1, 7), (6, 4, 3, 3), (2, 2, 2), ())


def weights(seed: int = 0) -> list[torch.Tensor]:
    return [normal(max(math.prod(shape), 1), seed=seed + n).view(shape) for n, shape in enumerate(SHAPES)]


def test_each_weight_counts():
    mark = digest(weights())
    assert digest(weights()) == mark
    for number in range(len(SHAPES)):
        changed = weights()
        changed[number] = changed[number] * 1.01
        assert digest(changed) != mark, SHAPES[number]
    # A low-rank change, as a LoRA that was merged in leaves it.
    merged = weights()
    merged[2] = merged[2] + 0.01 * normal(40, 3, seed=8) @ normal(3, 30, seed=9)
    assert digest(merged) != mark


def test_shapes_order_and_layout_count():
    one, other = normal(4, 4), normal(4, 4, seed=1)
    assert digest([one, other]) != digest([other, one])
    assert digest([one]) != digest([one.view(2, 8)])
    assert digest([one], "v") != digest([one], "epsilon")
    assert digest([]) != digest([one])


def test_precision_and_memory_layout_do_not():
    mark = digest(weights())
    assert digest([weight.half() for weight in weights()]) == mark
    assert digest([weight.half().float() for weight in weights()]) == mark
    changed = weights()
    changed[2], changed[4] = changed[2].T.contiguous().T, changed[4].to(memory_format=torch.channels_last)
    assert digest(changed) == mark
    assert digest([torch.nn.Parameter(weight) for weight in weights()]) == mark


class Copied(TorchDispatchMode):
    """Notes how much the largest new tensor holds, and how many leave their device or are joined."""

    def __init__(self):
        super().__init__()
        self.largest, self.joins = 0, 0

    def __torch_dispatch__(self, function, types, arguments=(), keywords=None):
        result = function(*arguments, **(keywords or {}))
        name = str(function)
        if isinstance(result, torch.Tensor) and not any(view in name for view in ("slice", "detach", "alias", "view")):
            self.largest = max(self.largest, result.numel())
        self.joins += "cat" in name
        return result


def test_little_is_read_and_in_one_go():
    large = [normal(3000, 700), normal(256, 256, 3, 3).to(memory_format=torch.channels_last), normal(5000)]
    with Copied() as copied:
        digest(large)
    assert copied.largest <= 9 + 81 + 3
    assert copied.joins == 1


def test_weights_that_are_elsewhere_count_by_their_shape():
    mark = digest([torch.empty(3, 4, device="meta"), normal(5)])
    assert mark == digest([torch.empty(3, 4, device="meta"), normal(5)])
    assert mark != digest([torch.empty(4, 4, device="meta"), normal(5)])
    assert mark != digest([torch.empty(3, 4, device="meta"), normal(5, seed=1)])


def test_values_that_are_not_finite_or_of_8_bits_are_read():
    for value in (torch.full((3,), float("nan")), torch.full((3,), 1e30), normal(3, 3).to(torch.float8_e4m3fn),
                  torch.arange(9, dtype=torch.uint8)):  # fmt: skip
        assert len(digest([value])) == 16


@pytest.mark.parametrize("given", [patched("aaaa", "2222"), "aaaa", patched("bbbb", "1111")])
def test_an_inversion_tells_other_loras_from_another_model(given):
    """A warning for the one, a refusal for the other."""
    mine = patched("aaaa", "1111")
    got = invert(ToyUNet(), latent(), sigmas(2), CapturePlan(storage="off"), model_fingerprint=mine)
    assert got.check_model(mine) is None
    if same_weights(mine, given):
        assert "other LoRAs" in got.check_model(given)
        return
    with pytest.raises(InputError, match="another model") as caught:
        got.check_model(given)
    assert caught.value.input == "inversion" and given.startswith("bbbb")


@pytest.mark.parametrize(("storage", "missing"), [("off", None), ("cpu", None), ("recompute", "4 of 4 steps")])
def test_the_warning_says_what_the_other_loras_have_a_part_in(storage, missing):
    got = invert(ToyUNet(), latent(), sigmas(4), CapturePlan(storage=storage), model_fingerprint="aaaa")
    said = got.check_model(patched("aaaa", "1111"))
    assert ("keys and values" in said) == (missing is not None)
    assert missing is None or missing in said


def test_where_only_some_were_kept_the_others_are_counted():
    got = invert(ToyUNet(), latent(), sigmas(4), CapturePlan(storage="cpu"), model_fingerprint="aaaa")
    some = dataclasses.replace(got, tokens=({}, {}, *got.tokens[2:]))
    assert "2 of 4 steps" in some.check_model(patched("aaaa", "1111"))


def test_no_patches_leave_a_fingerprint_as_it_is():
    assert patched("aaaa", "") == "aaaa"
