"""The round trip's figures against ones made by hand."""

from __future__ import annotations

import json

import pytest

from benchmarks import roundtrip
from benchmarks.metrics import psnr
from benchmarks.roundtrip import Case, Pictures
from core.attention.plan import CapturePlan
from core.diffusion import schedule
from core.settings import EditSettings
from tests.core.toy_unet import ToyUNet

from . import made

BASE = EditSettings(steps=6)


def ddim(unet: ToyUNet, x, levels):
    """Plain steps over noise levels, each evaluated where it starts."""
    for now, then in zip(levels[:-1], levels[1:], strict=True):
        x = schedule.step(x, schedule.epsilon(x, unet.denoise(x, now), now), now, then)
    return x


@pytest.fixture
def pictures():
    loaded = made.toy_model()
    return loaded, Pictures(made.scene(size=(60, 76)), loaded)


def test_figures_are_those_of_plain_inversion_done_by_hand(pictures):
    loaded, seen = pictures
    got = roundtrip.measure(seen, loaded, BASE, Case(0.5, 0, "present"))
    levels = loaded.host.sigmas(6, 0.5).tolist()
    unet, x = ToyUNet(), seen.latent
    for now, then in zip(levels[::-1][:-1], levels[::-1][1:], strict=True):
        scaled = schedule.at_level(x, now, then)
        x = schedule.step(x, schedule.epsilon(scaled, unet.denoise(scaled, then), then), now, then)
    back = ddim(unet, x, levels)
    assert got["latent_error_off"] == pytest.approx(float((back - seen.latent).norm() / seen.latent.norm()), rel=1e-3)
    assert got["latent_error_off"] > 1e-3
    picture = loaded.host.decode(back)[0, :60, :76].clamp(0, 1).numpy()
    assert got["psnr_off"] == pytest.approx(psnr(picture, seen.source), abs=1e-2)
    plain = loaded.host.decode(seen.latent)[0, :60, :76].clamp(0, 1).numpy()
    assert got["loss_off"] == pytest.approx(psnr(plain, seen.source) - psnr(picture, seen.source), abs=1e-2)
    assert got["to_autoencoder_off"] == pytest.approx(psnr(picture, plain), abs=1e-2)
    # Keys and values of the source change the way back, on the same inversion.
    assert got["latent_error_kv"] != pytest.approx(got["latent_error_off"], rel=1e-3)


@pytest.mark.parametrize(("strength", "steps"), [(0.5, 3), (1.0, 6)])
@pytest.mark.parametrize("refinements", [0, 2])
@pytest.mark.parametrize(("storage", "back"), [("cpu", 1), ("recompute", 2)])
def test_evaluations_are_counted(pictures, strength, steps, refinements, storage, back):
    loaded, seen = pictures
    base = EditSettings(steps=6, capture=CapturePlan(storage=storage))
    got = roundtrip.measure(seen, loaded, base, Case(strength, refinements, "extrapolate"))
    assert got["inversion_evaluations"] == steps * (1 + refinements)
    assert got["sampling_evaluations_off"] == steps
    assert got["sampling_evaluations_kv"] == steps * back


def test_refinements_and_the_better_guess_show(pictures):
    loaded, seen = pictures
    errors = {
        case: roundtrip.measure(seen, loaded, EditSettings(steps=20), case)["latent_error_off"]
        for case in roundtrip.cases([1.0], [0, 2])
    }
    assert errors[Case(1.0, 2, "present")] < 0.3 * errors[Case(1.0, 0, "present")]
    assert errors[Case(1.0, 0, "extrapolate")] < errors[Case(1.0, 0, "present")]


def test_command(tmp_path, capsys, monkeypatch):
    made.write(tmp_path / "scenes", made.scene(name="a"))
    made.write(tmp_path / "scenes", made.scene(name="b", way=(16, 0)))
    (tmp_path / "scenes" / "c").mkdir()
    monkeypatch.setattr(roundtrip, "load_model", lambda args: made.toy_model())
    options = ["--scenes", str(tmp_path / "scenes"), "--out", str(tmp_path / "out" / "table"), "--settings", "steps=4"]
    assert roundtrip.main([*options, "--strength", "0.5", "1"]) == 0
    written = json.loads((tmp_path / "out" / "table.json").read_text())
    assert set(written["scenes"]) == {"a", "b"} and len(written["failed"]) == 1
    assert len(written["cases"]) == 2 * 3 * 2
    name = Case(1.0, 1, "present").name
    values = [written["scenes"][scene][name]["latent_error_kv"] for scene in ("a", "b")]
    assert written["cases"][name]["latent_error_kv"]["mean"] == pytest.approx(sum(values) / 2)
    printed = capsys.readouterr().out
    assert (tmp_path / "out" / "table.md").read_text() in printed
    lines = [line for line in printed.splitlines() if line.startswith("| 1 | 1 | present |")]
    assert len(lines) == 1 and f"{sum(values) / 2:.5f}" in lines[0]
    assert roundtrip.main([*options, "--count", "1", "--strength", "1", "--guess", "present"]) == 0
    assert set(json.loads((tmp_path / "out" / "table.json").read_text())["scenes"]) == {"a"}
    assert roundtrip.main(["--scenes", str(tmp_path / "nowhere")]) == 2
