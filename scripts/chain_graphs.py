"""The longer graphs of example_workflows/, and the blueprint of the chain in subgraphs/."""

from __future__ import annotations

from scripts.example_graphs import CHECKPOINT, SD15, Spec, note, picture, points, show

STEP_BY_STEP = {
    "model": Spec("CheckpointLoaderSimple", (0, 0), {"ckpt_name": CHECKPOINT}, (300, 100)),
    "image": picture((0, 160)),
    "points": points((360, 0), "image"),
    "encode": Spec("VAEEncode", (0, 560), {"pixels": ("image", 0), "vae": ("model", 2)}, (200, 50)),
    "capture": Spec("AttentionDragCapture", (360, 580), {}, (320, 280)),
    "inversion": Spec(
        "AttentionDragInversion",
        (840, 0),
        {"model": ("model", 0), "latent": ("encode", 0), "capture": ("capture", 0)},
        (300, 240),
    ),
    "mask": Spec(
        "AttentionDragMask",
        (840, 300),
        {"inversion": ("inversion", 0), "points": ("points", 0), "image": ("image", 0)},
        (300, 260),
    ),
    "apply": Spec(
        "AttentionDragApply",
        (1200, 0),
        {
            "model": ("model", 0),
            "inversion": ("inversion", 0),
            "points": ("points", 0),
            "mask": ("mask", 0),
            "image": ("image", 0),
            "vae": ("model", 2),
        },
        (300, 240),
    ),
    "sampler": Spec(
        "AttentionDragSampler",
        (1200, 300),
        {"model": ("model", 0), "inversion": ("inversion", 0), "latent": ("apply", 0)},
        (300, 260),
    ),
    "decode": Spec("VAEDecode", (1560, 0), {"samples": ("sampler", 0), "vae": ("model", 2)}, (220, 50)),
    "composite": Spec(
        "AttentionDragComposite",
        (1560, 110),
        {"source": ("image", 0), "edited": ("decode", 0), "dragged": ("apply", 0)},
        (300, 190),
    ),
    "edited": Spec(
        "SaveImage",
        (1920, 0),
        {"images": ("composite", 0), "filename_prefix": "AttentionDrag"},
        (420, 460),
        "Edited",
    ),
    "maskimage": Spec("MaskToImage", (1200, 620), {"mask": ("mask", 0)}, (200, 30)),
    "shownmask": show((1200, 700), "Mask", ("maskimage", 0)),
    "heatmap": show((840, 620), "Heatmap", ("mask", 1)),
    "displacement": show((1560, 700), "Displacement", ("apply", 2)),
    "note": note(
        (360, 920),
        (440, 200),
        "### AttentionDrag: step by step\n"
        "The inversion is the dear step. Moving points, `tau`, a drawn mask or the sampler's settings leaves it in "
        "ComfyUI's cache.\n\n"
        "A drawn mask goes into **AttentionDrag Mask** (add, subtract, intersect or replace); the free "
        "cells of **AttentionDrag Apply** tell other nodes what may have changed.",
    ),
}

RESTYLE = {
    "model": Spec("CheckpointLoaderSimple", (0, 0), {"ckpt_name": SD15}, (300, 100)),
    "image": picture((0, 160)),
    "points": points((360, 0), "image"),
    "encode": Spec("VAEEncode", (0, 560), {"pixels": ("image", 0), "vae": ("model", 2)}, (200, 50)),
    "describe": Spec(
        "CLIPTextEncode",
        (360, 580),
        {"clip": ("model", 1), "text": "a black bird, a school and a cloud on a violet background"},
        (400, 110),
        "What the picture shows",
    ),
    "prompt": Spec(
        "CLIPTextEncode",
        (360, 750),
        {"clip": ("model", 1), "text": "a colourful parrot, a school and a cloud on a violet background"},
        (400, 110),
        "What the element becomes",
    ),
    "negative": Spec("CLIPTextEncode", (360, 920), {"clip": ("model", 1), "text": ""}, (400, 110), "Negative"),
    "inversion": Spec(
        "AttentionDragInversion",
        (840, 0),
        {"model": ("model", 0), "latent": ("encode", 0), "positive": ("describe", 0)},
        (300, 240),
    ),
    "mask": Spec("AttentionDragMask", (840, 300), {"inversion": ("inversion", 0), "points": ("points", 0)}, (300, 260)),
    "apply": Spec(
        "AttentionDragApply",
        (1200, 0),
        {
            "model": ("model", 0),
            "inversion": ("inversion", 0),
            "points": ("points", 0),
            "mask": ("mask", 0),
            "image": ("image", 0),
            "vae": ("model", 2),
        },
        (300, 240),
    ),
    "select": Spec(
        "AttentionDragSamplerSelect",
        (1200, 300),
        {"inversion": ("inversion", 0), "latent": ("apply", 0), "preserve": 0.2},
        (300, 170),
    ),
    "guider": Spec(
        "CFGGuider",
        (1200, 530),
        {"model": ("model", 0), "positive": ("prompt", 0), "negative": ("negative", 0), "cfg": 5.0},
        (300, 110),
    ),
    "noise": Spec("DisableNoise", (1200, 700), {}, (300, 30)),
    "sampler": Spec(
        "SamplerCustomAdvanced",
        (1560, 0),
        {
            "noise": ("noise", 0),
            "guider": ("guider", 0),
            "sampler": ("select", 0),
            "sigmas": ("inversion", 2),
            "latent_image": ("apply", 0),
        },
        (300, 120),
    ),
    "decode": Spec("VAEDecode", (1560, 180), {"samples": ("sampler", 0), "vae": ("model", 2)}, (220, 50)),
    "composite": Spec(
        "AttentionDragComposite",
        (1560, 290),
        {"source": ("image", 0), "edited": ("decode", 0), "dragged": ("apply", 0), "keep_element": False},
        (300, 190),
    ),
    "edited": Spec(
        "SaveImage",
        (1920, 0),
        {"images": ("composite", 0), "filename_prefix": "AttentionDrag"},
        (420, 460),
        "Edited",
    ),
    "heatmap": show((840, 620), "Heatmap", ("mask", 1)),
    "displacement": show((1560, 520), "Displacement", ("apply", 2)),
    "note": note(
        (0, 680),
        (300, 330),
        "### AttentionDrag: move and restyle\n"
        "For a checkpoint with a text encoder. The inversion runs with a prompt that describes the picture; the "
        "way back runs with another, under ComfyUI's own guider and **SamplerCustomAdvanced**.\n\n"
        "`preserve` says for how long the moved element is held to what it was: lower it, and the prompt gets more "
        "say. SIGMAS must be the inversion's, and no noise is added.",
    ),
}

CHAIN = {
    "encode": Spec("VAEEncode", (0, 0), {"pixels": ("in", 2), "vae": ("in", 1)}, (220, 50)),
    "inversion": Spec(
        "AttentionDragInversion", (280, 0), {"model": ("in", 0), "latent": ("encode", 0)}, (300, 240)
    ),
    "mask": Spec(
        "AttentionDragMask",
        (640, 0),
        {"inversion": ("inversion", 0), "points": ("in", 3), "image": ("in", 2)},
        (300, 260),
    ),
    "apply": Spec(
        "AttentionDragApply",
        (1000, 0),
        {
            "model": ("in", 0),
            "inversion": ("inversion", 0),
            "points": ("in", 3),
            "mask": ("mask", 0),
            "image": ("in", 2),
            "vae": ("in", 1),
        },
        (300, 240),
    ),
    "sampler": Spec(
        "AttentionDragSampler",
        (1360, 0),
        {"model": ("in", 0), "inversion": ("inversion", 0), "latent": ("apply", 0)},
        (300, 260),
    ),
    "decode": Spec("VAEDecode", (1720, 0), {"samples": ("sampler", 0), "vae": ("in", 1)}, (220, 50)),
    "composite": Spec(
        "AttentionDragComposite",
        (2000, 0),
        {"source": ("in", 2), "edited": ("decode", 0), "dragged": ("apply", 0)},
        (300, 190),
    ),
}
"""The long chain; "in" is the subgraph's own side."""

CHAIN_INPUTS = (("model", "MODEL"), ("vae", "VAE"), ("image", "IMAGE"), ("points", "DRAG_POINTS"))
CHAIN_OUTPUTS = (("image", "composite", 0), ("mask", "mask", 0), ("heatmap", "mask", 1), ("displacement", "apply", 2))
CHAIN_WIDGETS = (
    *(("inversion", "strength"), ("mask", "tau"), ("mask", "grow"), ("apply", "seed"), ("apply", "fill")),
    *(("sampler", "preserve"), ("sampler", "hold")),
)
