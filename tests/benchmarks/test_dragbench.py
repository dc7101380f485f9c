"""DragBench's folders, read safely; its distance on features that are known."""

from __future__ import annotations

import collections
import json
import os
import pickle

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks import dragbench
from benchmarks.dragbench import DiftMeter, SampleError, feature_distance, load_sample, load_samples, read_plain_pickle
from core.settings import EditSettings

PLAIN = {"prompt": "a cat", "points": [[10, 12], [20, 14]], "numbers": (1, 2.5, True, None)}


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_plain_data_and_arrays_are_read(protocol):
    arrays = {"mask": np.arange(12, dtype=np.uint8).reshape(3, 4), "one": np.float32(1.5), "flags": np.array([True])}
    data = read_plain_pickle(pickle.dumps({**PLAIN, **arrays}, protocol))
    assert {name: data[name] for name in PLAIN} == PLAIN
    for name, value in arrays.items():
        np.testing.assert_array_equal(data[name], value)


class Evil:
    def __init__(self, call, *arguments):
        self._reduced = call, arguments

    def __reduce__(self):
        return self._reduced


@pytest.mark.parametrize(
    "make",
    [
        lambda path: Evil(os.system, f"touch {path}"),
        lambda path: Evil(eval, f"open({str(path)!r}, 'w')"),
        lambda path: Evil(getattr, "text", "upper"),
        lambda path: collections.OrderedDict(a=Evil(os.mkdir, str(path))),
        lambda path: np.array([Evil(os.mkdir, str(path))], dtype=object),
        lambda path: np.save,
    ],
)
@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_nothing_else_is_built(tmp_path, make, protocol):
    path = tmp_path / "touched"
    with pytest.raises(pickle.UnpicklingError):
        read_plain_pickle(pickle.dumps({"points": make(path)}, protocol))
    assert not path.exists()


@pytest.mark.parametrize("data", [b"", b"\x80", b"rubbish", pickle.dumps(PLAIN)[:-3]])
def test_broken_pickles_are_told(data):
    with pytest.raises(pickle.UnpicklingError):
        read_plain_pickle(data)


def write(folder, meta, size=(40, 30)):
    folder.mkdir(parents=True)
    pixels = np.random.default_rng(0).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(folder / "original_image.png")
    (folder / "meta_data.pkl").write_bytes(pickle.dumps(meta))
    return folder


def meta(**changes):
    return {"prompt": "a cat", "points": [[10, 12], [20, 14], [5, 6], [5, 9]], "mask": np.ones((30, 40), np.uint8),
            **changes}  # fmt: skip


def test_points_come_in_pairs_of_pixels(tmp_path):
    sample = load_sample(write(tmp_path / "s", meta()))
    np.testing.assert_array_equal(sample.handles, [[10, 12], [5, 6]])
    np.testing.assert_array_equal(sample.targets, [[20, 14], [5, 9]])
    # A pixel's centre.
    assert sample.points.pairs[0].handle == pytest.approx((10.5 / 40, 12.5 / 30))
    assert sample.prompt == "a cat"


@pytest.mark.parametrize(
    "broken",
    [meta(points=[[1, 2]]), meta(points=[[1, 2], [3, 4], [5, 6]]), meta(points="none"), [1], {"prompt": ""},
     meta(mask=np.ones((3, 4))), meta(points=[[1, float("nan")], [2, 3]])],
)  # fmt: skip
def test_broken_samples_are_named(tmp_path, broken):
    with pytest.raises(SampleError, match="sample"):
        load_sample(write(tmp_path / "sample", broken))


def test_samples_lie_two_folders_down(tmp_path):
    write(tmp_path / "animals" / "one", meta())
    write(tmp_path / "animals" / "two", {"points": []})
    first, second = load_samples(tmp_path)
    assert first.name == "animals/one"
    assert isinstance(second, SampleError)
    with pytest.raises(SampleError):
        list(load_samples(tmp_path / "animals"))


def test_features_are_found_where_they_went():
    generator = torch.Generator().manual_seed(0)
    source = torch.randn(16, 30, 40, generator=generator)
    moved = source.roll((3, -4), dims=(1, 2))
    handles = np.array([[10, 12], [20, 14]])
    assert feature_distance(source, moved, handles, handles + (-4, 3)) == 0
    assert feature_distance(source, moved, handles, handles) == pytest.approx(5)
    # Only their direction counts.
    assert feature_distance(source, moved * 7, handles, handles + (-4, 3)) == 0


def test_dift_of_an_untouched_picture_gives_the_drag_s_length(tmp_path):
    from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel

    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        block_out_channels=(8, 16), norm_num_groups=4, cross_attention_dim=8, attention_head_dim=2, layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
    ).eval()  # fmt: skip
    vae = AutoencoderKL(
        block_out_channels=(8, 8), norm_num_groups=4, layers_per_block=1,
        down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2,
    ).eval()  # fmt: skip
    meter = DiftMeter(unet, vae, DDIMScheduler(), lambda prompt: torch.zeros(1, 5, 8))
    sample = load_sample(write(tmp_path / "s", meta(points=[[10, 12], [22, 17]])))
    assert meter.features(sample.image, "").shape[1:] == (30, 40)
    assert meter.distance(sample, sample.image) == pytest.approx(13, abs=1.5)


def test_the_command_reports_what_it_left_out(tmp_path, capsys):
    write(tmp_path / "data" / "animals" / "one", meta())
    write(tmp_path / "data" / "animals" / "two", meta(points=[]))
    out = tmp_path / "out.json"
    assert dragbench.main(["--data", str(tmp_path / "data"), "--methods", "identity", "--out", str(out)]) == 0
    written = json.loads(out.read_text("utf-8"))
    assert written["methods"]["identity"]["unet_evaluations"] == {"mean": 0, "ci_low": 0, "ci_high": 0, "n": 1}
    assert "mean_distance_px" in written["left_out"]
    assert len(written["failed"]) == 1 and "two" in written["failed"][0]["error"]
    assert "left out: mean_distance_px" in capsys.readouterr().out


def test_all_usable_methods_run(tmp_path):
    from . import made

    write(tmp_path / "animals" / "one", meta())
    report = dragbench.run(
        tmp_path, dragbench.USABLE, made.toy_model(), EditSettings(steps=2, strength=1.0), None, None,
        pictures=tmp_path / "pictures",
    )  # fmt: skip
    assert report["failed"] == []
    assert all((tmp_path / "pictures" / name / "animals" / "one.png").exists() for name in dragbench.USABLE)
