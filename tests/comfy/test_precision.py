"""Half precision U-Nets, each in a server of its own."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scripts.base_directory import make_base_directory
from scripts.client import ComfyClient
from scripts.server import ComfyServer
from tests.comfy.conftest import make_scene
from tests.comfy.graphs import CHECKPOINT, GraphBuilder, build_chain, build_edit, points_json

# What random weights find may reach anywhere: the radius of 16 px keeps it from the rows that are looked at.
RIGHT = points_json((1 / 3, 0.5, 2 / 3, 0.5), radius=0.25)


@pytest.mark.parametrize("flag", ["--bf16-unet", "--fp16-unet"])
def test_half_precision(comfyui, base, tmp_path, flag):
    mine = make_base_directory(tmp_path)
    (mine.checkpoints / CHECKPOINT).symlink_to(base.checkpoints / CHECKPOINT)
    with ComfyServer(comfyui, mine, Path(sys.executable), ("--cpu", flag)) as server:
        client = ComfyClient(server.url)
        g = GraphBuilder(client.object_info())
        name = client.upload_image("scene.png", make_scene(64, 64))
        edit = build_edit(g, name, RIGHT, steps=4)
        chain = build_chain(g, name, RIGHT, steps=4)
        saved = g.save_image(chain.composite[0])
        run = client.run(g.graph)
        assert f"model weight dtype torch.{'bfloat16' if 'bf16' in flag else 'float16'}" in server.log()
        assert "leak" not in server.log().lower()
        source = np.asarray(make_scene(64, 64)).astype(int)
        for node in (edit.saved_image, saved):
            image = np.asarray(Image.open(io.BytesIO(client.file(run.outputs[node.id]["images"][0]))))
            assert image.shape == source.shape and (image != source).any()
            assert (image[:8] == source[:8]).all()
