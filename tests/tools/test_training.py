"""Trainings at toy size: gradients of workers, weights of noise levels, pieces that go on bit for bit, parcels."""

from __future__ import annotations

import contextlib
import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as multiprocessing
from torch import nn

from tools.demo_model import carry, packs, running, train_autoencoder, train_unet
from tools.demo_model.autoencoder import Autoencoder
from tools.demo_model.layout import LAYOUTS, Layout
from tools.demo_model.network import Network
from tools.demo_model.optimisers import OPTIMISERS
from tools.demo_model.packs import Row
from tools.demo_model.running import learning_rate
from tools.demo_model.schedule import alphas_cumprod
from tools.demo_model.train_unet import average_over_workers, snr_weights, stratified_timesteps
from tools.demo_model.weights import FOLDER, UNET_FILE, read

DATA = torch.randn(8, 3, generator=torch.Generator().manual_seed(0))
WEIGHT = torch.tensor([[0.3, -1.2, 0.5]])


def worker(rank: int, folder: str) -> None:
    store = dist.FileStore(f"{folder}/store", 2)
    dist.init_process_group("gloo", store=store, rank=rank, world_size=2)
    weight = WEIGHT.clone().requires_grad_()
    half = DATA[rank::2]
    torch.tanh(half @ weight.T).square().mean().backward()
    extra = average_over_workers([weight], [float(rank)])
    torch.save({"gradient": weight.grad, "extra": extra}, f"{folder}/{rank}.pt")
    dist.destroy_process_group()


def test_workers_agree_on_the_gradient_of_the_whole_batch(tmp_path: Path) -> None:
    multiprocessing.spawn(worker, (str(tmp_path),), nprocs=2)
    weight = WEIGHT.clone().requires_grad_()
    torch.tanh(DATA @ weight.T).square().mean().backward()
    for rank in range(2):
        result = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        torch.testing.assert_close(result["gradient"], weight.grad)
        assert result["extra"] == [0.5]


def test_every_tenth_of_the_timesteps_is_drawn() -> None:
    steps = stratified_timesteps(20, torch.Generator().manual_seed(0))
    assert torch.bincount(steps // 100, minlength=10).tolist() == [2] * 10


def test_learning_rate_rises_holds_and_falls() -> None:
    assert learning_rate(0, 100_000, 1.0) < 0.01
    assert learning_rate(4000, 100_000, 1.0) == learning_rate(50_000, 100_000, 1.0) == 1.0
    assert 0.4 < learning_rate(75_000, 100_000, 1.0) < 0.6
    assert abs(learning_rate(100_000, 100_000, 1.0) - 0.01) < 1e-9
    # A new optimiser gets its own rise.
    assert learning_rate(40_000, 100_000, 1.0, since=40_000) < 0.01


def test_low_noise_weighs_less_and_the_mean_stays_one() -> None:
    alphas = alphas_cumprod()
    every = torch.arange(1000)
    weights = snr_weights(every, alphas, 5.0)
    assert abs(weights.mean() - 1) < 1e-5
    ratio = (alphas / (1 - alphas)).clamp(max=5.0) / (alphas / (1 - alphas))
    torch.testing.assert_close(weights / weights[999], ratio / ratio[999])
    assert weights[20] < 0.1 * weights[600]
    assert snr_weights(every, alphas, None).eq(1).all()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Packs of small latents and pictures, and a layout that learns from them in no time."""
    monkeypatch.setitem(LAYOUTS, "tiny", Layout((32, 32)))
    generator = torch.Generator().manual_seed(0)
    for split, count in (("train", 12), ("validation", 8)):
        rows = [Row("worlds", str(number), ("air", "light:hard") if number % 2 else ("light:soft",))
                for number in range(count)]  # fmt: skip
        latents = torch.randn(count, 4, 8, 8, generator=generator).half()
        (tmp_path / split).mkdir()
        packs.write_pack(tmp_path / split, "latents_0000.pack", rows, split, latents=latents)
        pictures = torch.randint(0, 256, (count, 32, 32, 3), generator=generator, dtype=torch.uint8)
        squeezed = packs.squeezed_tensors([packs.squeezed(picture) for picture in pictures], 32, 32)
        packs.write_pack(tmp_path / split, "pictures_0000.pack", rows, split, **squeezed)
    return tmp_path


def unet(folder: Path, out: str, *more: str) -> dict:
    train_unet.main([
        "--packs", str(folder / "train"), "--validation", str(folder / "validation"), "--out", str(folder / out),
        "--layout", "tiny", "--batch", "4", "--warm-up", "8", "--log-every", "2", "--device", "cpu", *more,
    ])  # fmt: skip
    return torch.load(folder / out / "unet.pt", weights_only=True)


@pytest.mark.parametrize("optimiser", sorted(OPTIMISERS))
def test_pieces_give_what_one_run_gives(folder: Path, optimiser: str) -> None:
    by = ("--optimiser", optimiser)
    whole = unet(folder, "whole", "--until", "24", *by)
    # A piece of no minutes is one step, then it is saved and left.
    for samples in (4, 8, 12):
        assert unet(folder, "pieces", "--until", "24", "--minutes", "0", *by)["samples"] == samples
    pieces = unet(folder, "pieces", "--until", "24", *by)
    assert whole["samples"] == pieces["samples"] == 24 and whole["step"] == 6
    for part in ("model", "ema"):
        assert all(torch.equal(value, pieces[part][key]) for key, value in whole[part].items())
    assert not torch.equal(whole["model"]["conv_in.weight"], whole["ema"]["conv_in.weight"])
    rows = [json.loads(line) for line in (folder / "whole" / "unet.jsonl").read_text().splitlines()]
    assert rows[-1]["samples"] == 24 and rows[-1]["samples_a_second"] > 0
    assert set(rows[-1]["validation_loss"]) == {"all", "below_333", "below_666", "below_999"}


@pytest.mark.skipif("muon" not in OPTIMISERS, reason="needs torch 2.9")
def test_muon_steps_as_far_in_every_direction_of_a_convolution() -> None:
    """The first step is minus the gradient without its singular values, by numpy's decomposition."""
    network = nn.ModuleDict({"conv_in": nn.Conv2d(4, 8, 3), "inner": nn.Conv2d(8, 12, 3)})
    before = {name: value.clone() for name, value in network.state_dict().items()}
    generator = torch.Generator().manual_seed(0)
    gradients = {name: torch.randn(value.shape, generator=generator) for name, value in network.named_parameters()}
    for name, parameter in network.named_parameters():
        parameter.grad = gradients[name].clone()
    optimiser = OPTIMISERS["muon"](network, 1e-2)
    optimiser.set_rate(1e-3)
    optimiser.step()
    assert all(parameter.grad is None for parameter in network.parameters())
    steps = {name: value - before[name] * (1 - 1e-3 * 1e-3) for name, value in network.state_dict().items()}
    left, values, right = np.linalg.svd(gradients["inner.weight"].flatten(1).numpy(), full_matrices=False)
    step = steps["inner.weight"].flatten(1).numpy()
    along = np.diag(left.T @ step @ right.T)
    # Newton and Schulz's five rounds bring every singular value near one: 0.7 to 1.2 of AdamW's size of a step.
    size = -along / (1e-3 * 0.2 * step.shape[1] ** 0.5)
    assert size.min() > 0.6 and size.max() < 1.3 and values.max() > 1.3 * values.min()
    off = left.T @ step @ right.T - np.diag(along)
    assert np.abs(off).max() < 0.1 * np.abs(along).min()
    # AdamW's first step is a sign.
    for name in ("conv_in.weight", "inner.bias"):
        torch.testing.assert_close(steps[name], -1e-3 * gradients[name].sign(), atol=2e-6, rtol=0)


@pytest.mark.skipif("muon" not in OPTIMISERS, reason="needs torch 2.9")
def test_a_checkpoint_knows_its_optimiser(folder: Path) -> None:
    unet(folder, "run", "--until", "8", "--optimiser", "muon")
    with pytest.raises(ValueError, match="muon and adamw, not adamw: give the same --optimiser"):
        unet(folder, "run", "--until", "16")


def test_moments_of_before_there_was_a_choice_are_read() -> None:
    network = nn.Linear(3, 2)
    older = torch.optim.AdamW(network.parameters(), 1e-3, betas=(0.9, 0.99), weight_decay=1e-3, fused=True)
    network(torch.ones(1, 3)).sum().backward()
    older.step()
    now = OPTIMISERS["adamw"](network, 1e-3)
    now.load_state_dict(older.state_dict())
    torch.testing.assert_close(now.state_dict()["adamw"]["state"], older.state_dict()["state"])


def test_it_learns_what_the_packs_hold(folder: Path) -> None:
    flat = torch.full((12, 4, 8, 8), 0.7).half()
    for split in ("train", "validation"):
        (folder / split / "packs.json").unlink()
        packs.write_pack(folder / split, "latents_0000.pack", [Row("drawn", "")] * 12, split, latents=flat)
    unet(folder, "flat", "--until", "240", "--rate", "4e-3", "--average", "0.9")
    rows = [json.loads(line) for line in (folder / "flat" / "unet.jsonl").read_text().splitlines()]
    assert rows[-1]["train_loss"] < 0.4 * rows[0]["train_loss"]


def test_a_larger_layout_begins_as_the_smaller_one(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LAYOUTS, "tall", Layout((32, 32), 2))
    unet(folder, "small", "--until", "8")
    small = train_unet.begun(folder / "small" / "unet.pt", LAYOUTS["tiny"], 0).requires_grad_(False)
    tall = train_unet.begun(folder / "small" / "unet.pt", LAYOUTS["tall"], 0).requires_grad_(False)
    x, steps = torch.randn(2, 4, 8, 8), torch.tensor([7, 700])
    torch.testing.assert_close(tall(x, steps).sample, small(x, steps).sample, atol=1e-5, rtol=1e-5)


def test_two_workers_share_a_batch(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes don't see what is patched here: they get the shipped layout, one step of it."""
    train_unet.main([
        "--packs", str(folder / "train"), "--validation", str(folder / "validation"), "--out", str(folder / "two"),
        "--batch", "4", "--until", "4", "--device", "cpu", "--workers", "2",
    ])  # fmt: skip
    state = torch.load(folder / "two" / "unet.pt", weights_only=True)
    assert state["samples"] == 4 and state["step"] == 1


def test_workers_whose_parent_is_killed_save_and_end(folder: Path) -> None:
    given = [
        sys.executable, "-m", "tools.demo_model.train_unet", "--packs", str(folder / "train"), "--validation",
        str(folder / "validation"), "--out", str(folder / "left"), "--batch", "2", "--until", "1000000", "--device",
        "cpu", "--workers", "2", "--log-every", "1", "--save-every", "1000",
    ]  # fmt: skip
    # As jobs in the background: they don't hear what a terminal would tell them.
    deaf = "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])"
    parent = subprocess.Popen([sys.executable, "-c", deaf, *given], start_new_session=True)
    try:
        wait_for((folder / "left" / "unet.jsonl").exists)
        parent.kill()
        parent.wait()
        # Nothing but the end saves here.
        wait_for((folder / "left" / "unet.pt").exists)
    finally:
        # What it has begun is its own group's.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(parent.pid, signal.SIGKILL)
    state = torch.load(folder / "left" / "unet.pt", weights_only=True)
    rows = [json.loads(line) for line in (folder / "left" / "unet.jsonl").read_text().splitlines()]
    assert state["step"] == rows[-1]["step"]


def wait_for(there: Callable[[], bool]) -> None:
    until = time.monotonic() + 300
    while not there():
        assert time.monotonic() < until
        time.sleep(0.1)


def autoencoder(folder: Path, out: str, *more: str) -> dict:
    train_autoencoder.main([
        "--packs", str(folder / "train"), "--validation", str(folder / "validation"), "--out", str(folder / out),
        "--side", "16", "--batch", "2", "--log-every", "2", "--device", "cpu", *more,
    ])  # fmt: skip
    return torch.load(folder / out / "autoencoder.pt", weights_only=True)


def test_the_autoencoders_pieces_give_what_one_run_gives(folder: Path) -> None:
    options = ("--until", "6", "--log-error", "--detail", "0.1")
    whole = autoencoder(folder, "whole", *options)
    autoencoder(folder, "pieces", *options, "--minutes", "0")
    pieces = autoencoder(folder, "pieces", *options)
    assert all(torch.equal(value, pieces["ema"][key]) for key, value in whole["ema"].items())
    rows = [json.loads(line) for line in (folder / "whole" / "autoencoder.jsonl").read_text().splitlines()]
    assert math.isfinite(rows[-1]["validation_psnr"]) and rows[-1]["samples"] == 6


def test_the_decoder_alone_leaves_the_latents(folder: Path) -> None:
    torch.manual_seed(0)
    before = Autoencoder().state_dict()
    after = autoencoder(folder, "decoder", "--until", "2", "--decoder-only")["model"]
    changed = {key.split(".")[0] for key, value in before.items() if not torch.equal(value, after[key])}
    assert changed == {"decoder"}


def test_detail_is_the_error_of_edges() -> None:
    image = torch.zeros(1, 3, 8, 8)
    image[..., 4:] = 1.0
    assert train_autoencoder.detail_error(image + 0.2, image).abs().max() < 1e-6
    blurred = image.clone()
    blurred[..., 3:5] = 0.5
    assert train_autoencoder.detail_error(blurred, image) > 0.1


def test_parcels_give_back_the_checkpoint(folder: Path) -> None:
    state = unet(folder, "run", "--until", "8", "--average", "0.5")
    checkpoint = folder / "run" / "unet.pt"
    carry.main([str(checkpoint), str(folder / "whole"), "--megabytes", "0.3"])
    assert len(list((folder / "whole").glob("*.parcel"))) > 3
    carry.main([str(folder / "whole"), str(folder / "back.pt")])
    assert (folder / "back.pt").read_bytes() == checkpoint.read_bytes()
    carry.main([str(checkpoint), str(folder / "light"), "--light"])
    carried = sum(path.stat().st_size for path in (folder / "light").glob("*.parcel"))
    assert carried < 0.3 * checkpoint.stat().st_size
    carry.main([str(folder / "light"), str(folder / "on" / "unet.pt")])
    light = torch.load(folder / "on" / "unet.pt", weights_only=True)
    for key, value in state["ema"].items():
        off = (light["ema"][key] - value).abs().max()
        assert off <= (state["ema"][key] - state["model"][key]).abs().max() / 127 + 1e-3 * value.abs().max(), key
    # Training goes on from it; the rate rises anew.
    assert unet(folder, "on", "--until", "16")["samples"] == 16
    rows = [json.loads(line) for line in (folder / "on" / "unet.jsonl").read_text().splitlines()]
    assert rows[-1]["rate"] < 4e-4 and torch.load(folder / "on" / "unet.pt", weights_only=True)["since"] == 8
    next((folder / "light").glob("*.parcel")).write_bytes(b"")
    with pytest.raises(carry.ParcelError, match="broken"):
        carry.joined(folder / "light", folder / "x.pt")


ALONE = """
import sys
for name in ("numpy", "PIL", "scipy", "cv2", "safetensors", "diffusers", "transformers", "skimage"):
    sys.modules[name] = None
from tools.demo_model import carry, train_autoencoder, train_unet
from tools.demo_model.layout import LAYOUTS, Layout, SMALL
from tools.demo_model.weights import FOLDER
LAYOUTS["tiny"] = Layout((32, 32))
train_unet.begun(FOLDER, SMALL, 0)
folder = sys.argv[1]
packs = ["--packs", folder + "/train", "--validation", folder + "/validation"]
shared = [*packs, "--device", "cpu", "--out", folder + "/x"]
train_unet.main([*shared, "--layout", "tiny", "--until", "4", "--batch", "2"])
train_autoencoder.main([*shared, "--until", "2", "--batch", "2", "--side", "16", "--start", str(FOLDER)])
carry.main([folder + "/x/unet.pt", folder + "/parcels"])
"""


def test_a_machine_that_trains_needs_torch_alone(folder: Path) -> None:
    root = Path(__file__).parents[2]
    run = subprocess.run(
        [sys.executable, "-c", ALONE, str(folder)], cwd=root, env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr[-2000:]
    assert (folder / "x" / "autoencoder.pt").exists() and (folder / "parcels" / "parcels.json").exists()


def test_a_training_becomes_weights_that_load(folder: Path) -> None:
    from tools.demo_model import export, load_narrow

    state = unet(folder, "run", "--until", "8")
    options = [
        "--unet",
        str(folder / "run" / "unet.pt"),
        "--autoencoder",
        str(FOLDER),
        "--out",
        str(folder / "weights"),
    ]
    export.main([*options, "--out", str(folder / "weights")])
    narrow = load_narrow(folder / "weights")
    x, steps = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(2)), torch.tensor([7, 700])
    trained = Network(LAYOUTS["tiny"]).requires_grad_(False)
    trained.load_state_dict(state["ema"])
    wanted, got = trained(x, steps).sample, narrow.unet(x, steps, None).sample
    assert (got - wanted).square().mean() < 1e-3 * wanted.square().mean()
    assert read(folder / "weights" / UNET_FILE)[1]["samples"] == "8"


def test_precision_follows_the_device() -> None:
    cpu = running.device_of("cpu")
    with running.autocast(cpu, "bfloat16"):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.bfloat16
    with running.autocast(cpu, "float32"):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32
    clock = running.Clock(0)
    assert clock.over and clock.due("x", 0.0)
