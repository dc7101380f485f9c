"""A hundred edits in one server, and a hundred that are interrupted: ``python -m benchmarks.soak --runs 100``.

Both forms of the edit with changing points, pictures, sizes and models. Each run leaves a line on stderr: a soak that
is stopped has told of what it did. At the end all of it is printed as JSON:

- ``rss_mb``: the server's memory after each run; ``growth_mb_per_run``: slope of a line through its second half;
- ``objects``: how many inversions and models are alive at the end of each tenth of it, after a collection;
- ``leaks``: lines in ComfyUI's log that tell of a model which outlived its owner;
- ``model_unchanged``: ComfyUI's own KSampler gives the same latent with each MODEL as before, bit for bit;
- ``interrupted``: how many of the second hundred were interrupted at a random moment, and not done before;
  ``wrong_after``: how often the edit that came next gave another picture than it should.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import safetensors.numpy

from scripts.client import ComfyClient, Graph, PromptError
from scripts.server import ComfyServer

from . import server

SIZES = ((64, 64), (96, 64), (64, 104), (128, 128))
CLASSES = "Inversion DraggedLatent ModelPatcher"


class Soak:
    """What is done with one server, from one seed."""

    def __init__(self, running: ComfyServer, client: ComfyClient, seed: int):
        self._server, self._client = running, client
        self._rng, self._pixels = random.Random(seed), np.random.default_rng(seed)
        self._info = client.object_info()
        self._process = psutil.Process(running.pid)

    def graph(self) -> Graph:
        """An edit of its own: either form, any of the models and sizes, one to three drags."""
        rng = self._rng
        drawn = server.picture(self._pixels, *rng.choice(SIZES))
        name = self._client.upload_image(f"{rng.randrange(10**9)}.png", drawn)
        ends = [[round(rng.uniform(0.2, 0.8), 3) for _ in range(4)] for _ in range(rng.choice((1, 1, 2, 3)))]
        pairs = [{"handle": end[:2], "target": end[2:]} for end in ends]
        graph = server.small_graph(
            self._info,
            rng.choice(server.WORKFLOWS),
            name,
            points=json.dumps({"version": 1, "pairs": pairs}),
            ckpt_name=rng.choice((server.DEMO, server.STAND_IN)),
            seed=rng.randrange(1000),
            # What random weights find may be less than can be moved.
            grow=16,
        )
        return graph

    def sampled(self) -> dict[str, bytes]:
        """What ComfyUI's own sampler makes with each MODEL."""
        made = {}
        for model in (server.DEMO, server.STAND_IN):
            graph = {
                "1": node("CheckpointLoaderSimple", ckpt_name=model),
                "2": node("ProbeConditioning", seed=1),
                "3": node("EmptyLatentImage", width=64, height=64, batch_size=1),
                "4": node(
                    "KSampler",
                    **{"model": ["1", 0], "positive": ["2", 0], "negative": ["2", 0], "latent_image": ["3", 0]},
                    **{"seed": 3, "steps": 2, "cfg": 1.0, "denoise": 1.0},
                    **{"sampler_name": "euler", "scheduler": "normal"},
                ),
                "5": node("SaveLatent", samples=["4", 0], filename_prefix="soak"),
            }
            run = self._client.run(graph)
            saved = self._client.file(run.outputs["5"]["latents"][0])
            made[model] = safetensors.numpy.load(saved)["latent_tensor"].tobytes()
        return made

    def whole(self, runs: int) -> dict[str, Any]:
        """Runs that nobody interrupts."""
        memory, objects, failed = [], [], []
        for number in range(runs):
            try:
                self._client.run(self.graph())
            except PromptError as error:
                failed.append(str(error)[:300])
            memory.append(round(self._process.memory_info().rss / 1e6, 1))
            tell(f"run {number + 1}/{runs}: {memory[-1]} MB, {len(failed)} failed")
            if number % max(1, runs // 10) == 0:
                counted = self._client.run({"1": node("ProbeObjects", classes=CLASSES)})
                objects.append(counted.outputs["1"]["counts"])
        return {
            "runs": runs,
            "failed": failed,
            "rss_mb": memory,
            "growth_mb_per_run": slope(memory[len(memory) // 2 :]),
            "objects": {"classes": CLASSES.split(), "counts": objects},
        }

    def interrupted(self, runs: int) -> dict[str, Any]:
        """Runs that are interrupted somewhere, each followed by an edit whose picture is known."""
        image = self._client.upload_image("known.png", server.picture(np.random.default_rng(0), 64, 64))
        known = server.small_graph(self._info, server.WORKFLOWS[0], image, ckpt_name=server.DEMO, grow=16)
        known["checksum"] = node("ProbeChecksum", image=server.edited(known))
        start = time.monotonic()
        expected = self._client.run(known).outputs["checksum"]["checksum"]
        usual = time.monotonic() - start
        stopped = wrong = 0
        for number in range(runs):
            prompt = self._client.queue(self.graph())
            time.sleep(self._rng.uniform(0, usual))
            self._client.interrupt()
            try:
                self._client.wait(prompt)
            except PromptError as error:
                stopped += error.interrupted
            wrong += self._client.run(known).outputs["checksum"]["checksum"] != expected
            tell(f"interrupt {number + 1}/{runs}: {stopped} interrupted, {wrong} wrong after")
        return {"tried": runs, "interrupted": stopped, "wrong_after": wrong}

    def leaks(self) -> list[str]:
        """What ComfyUI says of models that outlived their owners."""
        return [line for line in self._server.log().splitlines() if "leak" in line.lower()]


def node(class_type: str, **inputs: Any) -> dict[str, Any]:
    """A node in API form."""
    return {"class_type": class_type, "inputs": inputs}


def tell(line: str) -> None:
    """To whoever waits."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def slope(values: list[float]) -> float:
    """Of the line that fits best, per step."""
    if len(values) < 2:
        return 0.0
    return round(statistics.linear_regression(range(len(values)), values).slope, 3)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=100, help="that nobody interrupts")
    parser.add_argument("--interrupts", type=int, default=100, help="runs that are interrupted, each with one after it")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as root, server.running(Path(root)) as (running, client):
        soak = Soak(running, client, options.seed)
        before = soak.sampled()
        report = soak.whole(options.runs)
        report["interrupts"] = soak.interrupted(options.interrupts)
        report["model_unchanged"] = soak.sampled() == before
        report["leaks"] = soak.leaks()
    print(json.dumps(report, indent=2))
    sound = not (report["failed"] or report["leaks"] or report["interrupts"]["wrong_after"])
    return 0 if sound and report["model_unchanged"] else 1


if __name__ == "__main__":
    sys.exit(main())
