"""The graphs of example_workflows/, node by node: what ``make_workflows`` lays out and writes."""

from __future__ import annotations

import json

from scripts.graph_parts import POINTS, Spec, edit, edited, loaders, mask_image, note, points, show

MASK = "attentiondrag_demo_mask.png"
PLATE = "attentiondrag_demo_plate.png"
TURN = {
    "version": 2,
    "pairs": [
        {"handle": [0.36, 0.35], "target": [0.3, 0.26], "group": 1},
        {"handle": [0.09, 0.475], "target": [0.13, 0.6], "group": 1},
        {"handle": [0.23, 0.52], "target": [0.23, 0.52], "group": 1},
    ],
}

EDIT = {
    **loaders(),
    "points": points(),
    "edit": edit(),
    "edited": edited(),
    "maskimage": mask_image((1220, 520), ("edit", 1)),
    "mask": show((1220, 620), "Mask", ("maskimage", 0)),
    "heatmap": show((1520, 520), "Heatmap", ("edit", 2)),
    "preview": show((860, 900), "Points", ("points", 2)),
    "note": note(
        (0, 610),
        (780, 250),
        "### AttentionDrag: edit\n"
        "1. Choose a Stable Diffusion 1.x, 2.x or SDXL checkpoint and a picture.\n"
        "2. In **AttentionDrag Points**, press on what should move and drag it to where it should go.\n"
        "3. Run. *Heatmap* and *Mask* show what the model takes to belong to the point; `tau` and `grow` "
        "widen or narrow it (*Show Advanced* in the menu of the edit node, or the button under it).\n\n"
        "The checkpoint and the picture named here are the demo's: `scripts/demo.sh --serve` puts both in place.",
    ),
}

TURN_AND_BEND = {
    **loaders(),
    "points": points(drags=TURN),
    "edit": edit(),
    "edited": edited(),
    "heatmap": show((1220, 520), "Heatmap", ("edit", 2)),
    "preview": show((1520, 520), "Points", ("points", 2)),
    "note": note(
        (0, 610),
        (780, 300),
        "### AttentionDrag: turn and bend\n"
        "One handle moves. Two turn, and scale when they move apart. More bend: each place follows the handles that "
        "it belongs to.\n\n"
        "- **One object, several handles**: give the drags one *group* number in the picker's list, as here.\n"
        "- **Anchor**: a handle that is its own target holds what it belongs to. The third one here keeps the feet "
        "where they stand.\n"
        "- Two objects: give each its own group; they share nothing.\n\n"
        "The checkpoint and the picture are the demo's: `scripts/demo.sh --serve` puts both in place.",
    ),
}

REGION = {
    **loaders(),
    "drawn": Spec("LoadImageMask", (0, 620), {"image": MASK, "channel": "red"}, (300, 330), "Mask"),
    "points": points(mask=("drawn", 0)),
    "plate": Spec("LoadImage", (360, 620), {"image": PLATE}, (300, 330), "Clean plate"),
    "edit": edit(mask=("drawn", 0), clean_plate=("plate", 0)),
    "edited": edited(),
    "heatmap": show((1220, 520), "Heatmap", ("edit", 2)),
    "preview": show((1520, 520), "Points", ("points", 2)),
    "note": note(
        (700, 960),
        (460, 340),
        "### AttentionDrag: a mask of your own\n"
        "Edit moves the *mask* instead of what the attention finds, and the drag begins in its middle: *mask* on "
        "Points takes the drawn handle's place and keeps its way.\n\n"
        "- Paint it: right-click **Load Image**, *Open in MaskEditor*, and link its MASK to both.\n"
        "- Or let a segmenter find it: *handles* of Points go into *positive_coords* of **SAM3 Detect**, its mask "
        "comes back here.\n"
        "- To mend what the attention finds instead, link it to **AttentionDrag Mask** (add, subtract, intersect).\n\n"
        "The *clean plate* is a picture of what is behind, of the same size: another shot, or a painted one. It shows "
        "where the element was. Unlink it, and the background around is continued.\n\n"
        "Checkpoint, picture, mask and plate are the demo's: `scripts/demo.sh --serve` puts them in place.",
    ),
}

BATCH_PROGRAM = """import json, urllib.request

SERVER = "http://127.0.0.1:8188"
graph = json.load(open("graph.json"))  # File, Export (API)
pictures = ["attentiondrag_demo.png"]  # in ComfyUI's input folder

for number, name in enumerate(pictures):
    for node in graph.values():
        if node["class_type"] == "LoadImage":
            node["inputs"]["image"] = name
        if node["class_type"] == "SaveImage":
            node["inputs"]["filename_prefix"] = f"AttentionDrag/{number:04}"
    body = json.dumps({"prompt": graph}).encode()
    urllib.request.urlopen(urllib.request.Request(SERVER + "/prompt", body))
"""

BATCH = {
    **loaders(),
    "text": Spec(
        "PrimitiveStringMultiline", (360, 0), {"value": json.dumps(POINTS)}, (420, 120), "Drags, written by a program"
    ),
    "points": points((360, 180), ("text", 0)),
    "edit": edit(),
    "edited": edited(),
    "heatmap": show((1220, 520), "Heatmap", ("edit", 2)),
    "preview": show((1520, 520), "Points", ("points", 2)),
    "note": note(
        (0, 780),
        (780, 500),
        "### AttentionDrag: many pictures by API\n"
        "Nothing here needs the page: the drags come in as text, in shares of the picture's sides, so one text goes "
        "for pictures of all sizes. Export the graph as *graph.json* (File, Export (API)), then let a program queue "
        "it:\n\n"
        f"```python\n{BATCH_PROGRAM}```\n\n"
        "Each picture is inverted once; other drags on it then cost the way back alone, if they come next. The program "
        "can set the text's *value* in the same way.",
    ),
}
