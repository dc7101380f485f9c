"""AttentionDragLoadDiffusers in a running ComfyUI."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from scripts.client import PromptError
from tests.comfy.graphs import STEPS, STRENGTH, points_json
from tools.demo_model import write

NODE = "AttentionDragLoadDiffusers"


@pytest.fixture(scope="module")
def stand_in(base):
    """The demo model's stand-in as a folder and as a checkpoint, and a folder whose U-Net is pickled."""
    folder = base.root / "models" / "diffusers"
    checkpoint = base.checkpoints / "demo.safetensors"
    write.main(["--stand-in", "--diffusers", str(folder / "demo"), "--comfy", str(checkpoint)])
    write.main(["--stand-in", "--diffusers", str(folder / "sub" / "pickled")])
    weights = folder / "sub" / "pickled" / "unet" / "diffusion_pytorch_model.safetensors"
    weights.unlink()
    weights.with_suffix(".bin").write_bytes(pickle.dumps({}))


def edit(g, loader, image):
    """The pack's edit of an uploaded picture with a loader's model and VAE; the node that saves the result."""
    picture = g.add("LoadImage", image=image)
    points = g.add("AttentionDragPoints", image=picture[0], points=points_json((1 / 3, 0.5, 2 / 3, 0.5)))
    edited = g.add(
        "AttentionDragEdit", model=loader[0], vae=loader[2], image=picture[0], points=points[0],
        steps=STEPS, strength=STRENGTH,
    )  # fmt: skip
    return g.save_image(edited[0])


def test_folder_and_checkpoint_edit_alike_beside_each_other(stand_in, client, g, scene, pixels):
    image = scene()
    saved = [
        edit(g, g.add(NODE, model_path="demo"), image),
        edit(g, g.add(NODE, model_path="demo.safetensors"), image),
        edit(g, g.checkpoint("demo.safetensors"), image),
    ]
    run = client.run(g.graph)
    folder, file, stock = (pixels(run, node.id).astype(np.int32) for node in saved)
    assert (file == stock).all()
    # The checkpoint keeps the VAE's scale in half precision.
    assert np.abs(folder - stock).mean() < 1


def test_choices_are_folders_and_safetensors(stand_in, client):
    choices = client.object_info()[NODE]["input"]["required"]["model_path"]
    options = choices[1]["options"] if choices[0] == "COMBO" else choices[0]
    assert {"demo", "sub/pickled", "demo.safetensors"} <= set(options)
    assert "demo/unet" not in options


def test_pickled_weights_are_refused(stand_in, client, g, scene):
    edit(g, g.add(NODE, model_path="sub/pickled"), scene())
    with pytest.raises(PromptError) as caught:
        client.run(g.graph)
    [error] = caught.value.errors
    assert error.node_type == NODE
    assert "AttentionDrag Load Diffusers" in error.message and "pickled weights" in error.message
