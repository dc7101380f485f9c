"""The ground the other server tests stand on: the checkpoint, the autoencoder, the probes, the server's
end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import requests

from scripts.base_directory import make_base_directory
from scripts.client import PromptError
from scripts.server import ComfyServer, ServerError
from tests.comfy.conftest import make_scene


def test_pack_and_probes_are_loaded(client):
    nodes = client.object_info()
    assert {"AttentionDragEdit", "ProbeAttentionReplace"} <= nodes.keys()
    assert {info["category"].split("/")[0] for name, info in nodes.items() if name.startswith("AttentionDrag")} == {
        "AttentionDrag"
    }


def test_autoencoder_keeps_the_mean_of_each_cell(client, g, scene, pixels):
    checkpoint = g.checkpoint()
    image = g.add("LoadImage", image=scene(96, 64))
    latent = g.add("VAEEncode", pixels=image[0], vae=checkpoint[2])
    saved = g.save_image(g.add("VAEDecode", samples=latent[0], vae=checkpoint[2])[0])
    decoded = pixels(client.run(g.graph), saved.id)[0].astype(float)
    source = np.asarray(make_scene(96, 64)).astype(float)
    cells = source.reshape(8, 8, 12, 8, 3).mean((1, 3))
    # The decoder's clamp bends the extremes; a cell's neighbours or another cell's mean would be off by far
    # more.
    assert abs(decoded[::8, ::8] - cells).max() < 12
    assert (decoded == decoded[::8, ::8].repeat(8, 0).repeat(8, 1)).all()


def test_refused_prompt_names_node_and_input(client, g):
    g.save_image(["9", 0])
    with pytest.raises(PromptError) as caught:
        client.run(g.graph)
    assert "SaveImage" in str(caught.value) or "9" in str(caught.value)


def test_server_that_cannot_start_shows_its_log(comfyui, tmp_path):
    base = make_base_directory(tmp_path)
    server = ComfyServer(comfyui, base, Path(sys.executable), ("--no-such-option",))
    with pytest.raises(ServerError, match="--no-such-option"), server:
        pass


# In ComfyUI's place, which takes its time to start: it answers, and has started something that heeds no SIGINT.
_STUBBORN = """
import http.server, signal, subprocess, sys
ignoring = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); print(flush=True); time.sleep(600)"
subprocess.Popen([sys.executable, "-c", ignoring], stdout=subprocess.PIPE).stdout.readline()
class Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
http.server.HTTPServer(("127.0.0.1", int(sys.argv[sys.argv.index("--port") + 1])), Answers).serve_forever()
"""


def test_server_ends_when_its_owner_is_told_to(tmp_path):
    """As for the demo: SIGTERM to the script ends the script and the server's whole process group."""
    script = (
        "import sys; from pathlib import Path\n"
        "from scripts.base_directory import make_base_directory\n"
        "from scripts.server import ComfyServer\n"
        "import time\n"
        "base = make_base_directory(Path(sys.argv[2]))\n"
        "with ComfyServer(Path(sys.argv[1]), base, Path(sys.executable)) as s:\n"
        "    print(s.pid, s.url, flush=True)\n"
        "    time.sleep(600)\n"
    )
    (tmp_path / "main.py").write_text(_STUBBORN)
    owner = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path), str(tmp_path / "base")],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        text=True,
    )
    pid, url = owner.stdout.readline().split()
    assert requests.get(f"{url}/system_stats", timeout=30).ok
    owner.send_signal(signal.SIGTERM)
    assert owner.wait(60) == 128 + signal.SIGTERM
    assert not group_exists(int(pid))
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{url}/system_stats", timeout=5)


def group_exists(group: int) -> bool:
    for _ in range(50):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return False
        time.sleep(0.1)
    return True
