"""AttentionDragEdit expands into stages that ComfyUI caches one by one."""

from __future__ import annotations

import pytest
import requests

from scripts.client import PromptError
from tests.comfy.graphs import STEPS, STRENGTH, GraphBuilder, build_edit, points_json

RIGHT = points_json((1 / 3, 0.5, 2 / 3, 0.5))
DOWN = points_json((1 / 3, 0.5, 0.5, 0.7))
INVERSION = round(STEPS * STRENGTH)
ANOTHER_SCHEDULE = {"strength": 0.75}


class Counted:
    """An edit on a model that counts its evaluations, and what each run of it took and gave."""

    def __init__(self, client, g, scene, name):
        self._client, self.g = client, g
        model = g.add("ProbeCountEvaluations", model=g.checkpoint()[0], name=name)
        # Without a hold every step of the way back is evaluated.
        self.nodes = build_edit(g, scene(), RIGHT, model=model[0], hold=0.0, preserve=0.0)
        self._calls = g.add("ProbeCalls", after=self.nodes.edit[0], name=name)
        self._checksum = g.add("ProbeChecksum", image=self.nodes.edit[0])
        self.calls = 0
        """Evaluations since the counting model was made."""

    def run(self):
        """(evaluations that this run took, the picture's checksum)."""
        outputs = self._client.run(self.g.graph).outputs
        [calls] = outputs[self._calls.id]["calls"]
        taken, self.calls = calls - self.calls, calls
        return taken, outputs[self._checksum.id]["checksum"]


@pytest.fixture
def counted(client, g, scene, request):
    return Counted(client, g, scene, request.node.name)


def drawn(g):
    return g.add("SolidMask", value=1.0, width=64, height=64)[0]


@pytest.mark.parametrize(
    "change",
    [
        lambda g, nodes: g.set(nodes.points, points=DOWN),
        lambda g, nodes: g.set(nodes.edit, tau=0.4),
        lambda g, nodes: g.set(nodes.edit, mask=drawn(g)),
        lambda g, nodes: g.set(nodes.edit, seed=5),
        lambda g, nodes: g.set(nodes.edit, preserve=0.5),
        lambda g, nodes: g.set(nodes.edit, negative=g.add("ProbeConditioning", seed=2)[0]),
        # Nodes that have nothing to do with it run, one of them first: outputs do where there is a choice.
        lambda g, nodes: (g.save_image(g.add("EmptyImage", width=8, height=8)[0]), g.set(nodes.points, points=DOWN)),
    ],
    ids=["points", "tau", "mask", "seed", "preserve", "negative", "others"],
)
def test_second_run_evaluates_the_way_back_alone(client, object_info, scene, counted, change, request):
    first, picture = counted.run()
    assert first == 2 * INVERSION
    change(counted.g, counted.nodes)
    second, changed = counted.run()
    assert second == INVERSION
    # What it gives is what a run from nothing gives.
    fresh = Counted(client, GraphBuilder(object_info), scene, request.node.name + " fresh")
    change(fresh.g, fresh.nodes)
    assert fresh.run() == (2 * INVERSION, changed)


def test_another_graph_in_between_leaves_nothing_behind_that_is_wrong(client, object_info, counted):
    """Whatever ComfyUI keeps or drops of the first graph by then."""
    _, picture = counted.run()
    other = GraphBuilder(object_info)
    other.save_image(other.add("EmptyImage", width=8, height=8)[0])
    client.run(other.graph)
    counted.g.set(counted.nodes.edit, seed=7)
    counted.run()
    counted.g.set(counted.nodes.edit, seed=0)
    assert counted.run()[1] == picture


def test_freed_memory_is_free(client, counted):
    """What ComfyUI is told to forget is kept by nobody else."""
    counted.run()
    requests.post(f"{client.url}/free", json={"unload_models": True, "free_memory": True}, timeout=60)
    # The server may take the next run before it frees.
    for seed in (1, 2):
        counted.g.set(counted.nodes.edit, seed=seed)
        counted.run()
        if counted.calls == 2 * INVERSION:
            return
    raise AssertionError("the model was not made anew, or the inversion outlived it")


def test_what_the_inversion_depends_on_inverts_again(counted):
    counted.run()
    counted.g.set(counted.nodes.edit, **ANOTHER_SCHEDULE)
    assert counted.run()[0] == 2 * round(STEPS * ANOTHER_SCHEDULE["strength"])


def test_another_picture_inverts_again(counted, scene):
    counted.run()
    counted.g.set(counted.nodes.image, image=scene(hue=60))
    assert counted.run()[0] == 2 * INVERSION


def test_objects_instead_of_links_are_edited_in_the_node_itself(client, g, scene):
    plain = build_edit(g, scene(), RIGHT)
    inputs = dict(g.graph[plain.edit.id]["inputs"])
    inside = g.add("ProbeEditWithObjects", **inputs)
    checksums = [g.add("ProbeChecksum", image=node[0]) for node in (plain.edit, inside)]
    outputs = client.run(g.graph).outputs
    assert outputs[checksums[0].id]["checksum"] == outputs[checksums[1].id]["checksum"]


def test_a_list_of_pictures_is_edited_one_by_one(client, g, scene, pixels):
    first, second = (g.add("LoadImage", image=scene(hue=hue)) for hue in (0, 90))
    both = g.add("ImageBatch", image1=first[0], image2=second[0])
    listed = g.add("RebatchImages", images=both[0], batch_size=1)
    together = build_edit(g, listed[0], RIGHT)
    alone = [build_edit(g, one[0], RIGHT) for one in (first, second)]
    run = client.run(g.graph)
    pictures = pixels(run, together.saved_image.id)
    assert len(pictures) == 2
    for picture, edit in zip(pictures, alone, strict=True):
        assert (picture == pixels(run, edit.saved_image.id)[0]).all()


@pytest.mark.parametrize(
    ("call", "stage"), [(2, "invert"), (INVERSION + 2, "sample")], ids=["inversion", "sampling"]
)
def test_an_error_in_a_stage_is_the_edit_node_s(client, g, scene, messages, call, stage):
    broken = g.add("ProbeBrokenModel", model=g.checkpoint()[0], call=call, how="nan")
    edit = build_edit(g, scene(), RIGHT, model=broken[0], hold=0.0, preserve=0.0)
    with pytest.raises(PromptError) as caught:
        client.run(g.graph)
    [error] = caught.value.errors
    assert (error.node_id, error.node_type) == (edit.edit.id, "AttentionDragEdit")
    for word in ("AttentionDrag Edit, input 'model'", "NaN"):
        assert word in error.message
    # What the page makes its report of: no folder of the user's before the sentence, where it happened, and the stage's
    # inputs without the contents of the inversion.
    [told] = messages.of("execution_error")
    assert told["exception_type"] == "attention_drag.errors.InputError"
    assert told["exception_message"].startswith("AttentionDrag Edit")
    assert f"in {stage}\n" in "".join(told["traceback"]) and "core" in told["traceback"][-1]
    assert max(len(text) for values in told["current_inputs"].values() for text in map(str, values)) < 5000
    if stage == "sample":
        [inversion] = told["current_inputs"]["inversion"]
        assert inversion.startswith("<Inversion, ")


def test_a_mask_that_cannot_be_used_costs_no_inversion(client, g, scene):
    model = g.add("ProbeCountEvaluations", model=g.checkpoint()[0], name="unused")
    build_edit(g, scene(), RIGHT, model=model[0], mask=g.add("SolidMask", value=1.0, width=32, height=48)[0])
    with pytest.raises(PromptError, match="AttentionDrag Edit, input 'mask'"):
        client.run(g.graph)
    image = g.add("LoadImage", image=scene())
    report = g.add("ProbeCalls", after=image[0], name="unused")
    alone = {node: g.graph[node] for node in (image.id, report.id)}
    assert client.run(alone).outputs[report.id]["calls"] == [0]


def test_stages_are_in_no_menu(object_info):
    stages = [info for name, info in object_info.items() if name.startswith("AttentionDragEdit")]
    assert len(stages) == 6
    assert sum(bool(info.get("dev_only") or info.get("deprecated")) for info in stages) == 5
