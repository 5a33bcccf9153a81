"""Swappers of every family as prepared graphs: ends, masks, batches, and what is refused."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from graph_kit import prepared, run, running, session_of

from edged.bench.standins import swappers
from edged.bench.standins.swappers import CONTRACTS
from edged.errors import ModelError
from edged.runtime.build.compare import Comparison, stacked
from edged.runtime.build.samples import Samples
from edged.runtime.graph.proof import draw_feeds, prove_batch


@pytest.mark.parametrize("name", list(CONTRACTS))
def test_every_family_has_its_ends(name):
    """Bytes for pictures, float32 for vectors, whatever the file's own types are."""
    contract = CONTRACTS[name]
    side, source = contract.size_px, contract.source_px
    with running(swappers.build(name), contract.recipe) as session:
        ends = {
            spec.name: (np.dtype(spec.dtype).name, tuple(spec.shape[1:]))
            for spec in (*session.inputs, *session.outputs)
        }
    wanted = {
        "crops": ("uint8", (side, side, 3)),
        "swapped": ("uint8", (side, side, 3)),
        "checks": ("float32", ()),
    }
    if source:
        wanted["sources"] = ("uint8", (source, source, 3))
    else:
        wanted["latents"] = ("float32", (512,))
    if contract.mask:
        wanted["masks"] = ("uint8", (side, side))
    assert ends == wanted


@pytest.mark.parametrize("name", ["hyperswap_1a_256_half", "uniface_256", "blendswap_256"])
def test_a_batch_keeps_faces_and_their_sources_apart(name):
    """The graphs are opened, sources and masks included."""
    with running(swappers.build(name), CONTRACTS[name].recipe) as session:
        assert session.inputs[0].shape[0] is None
        assert prove_batch(session, draw_feeds(session, 3)).ok


@pytest.mark.parametrize("name", ["hyperswap_1a_256", "uniface_256"])
def test_an_engine_is_accepted_on_what_the_family_takes(name):
    """Drawn faces and sources; a mask counts as a picture does."""
    with running(swappers.build(name), CONTRACTS[name].recipe) as session:
        samples = Samples(session.inputs, 3)
        together = run(session, **samples.batch([0, 1, 2]))
        alone = stacked([run(session, **samples.one(row)) for row in range(3)])
    seen = Comparison()
    seen.add(together, alone, "all")
    assert seen.figures["psnr_db"] > 60
    if "masks" in together:
        spoiled = {**together, "masks": 255 - together["masks"]}
        seen.add(spoiled, alone, "spoiled")
        assert seen.figures["psnr_db"] < 30


def test_a_mask_tells_what_is_pasted():
    """All from a quarter on: the file's picture is blended by its mask already."""
    dark, light = np.zeros((2, 256, 256, 3), np.uint8)
    light[:] = 255
    with running(swappers.build("hyperswap_1a_256"), "hyperswap_1a_256") as session:
        out = run(session, crops=np.stack([dark, light]), latents=np.zeros((2, 512), np.float32))
    assert out["masks"][0].max() == round(4 * 255 / (1 + np.exp(4)))
    assert out["masks"][1].min() == 255


def test_a_mask_that_is_not_finite_shows():
    """As a picture that is not: bytes would hide it."""
    model = swappers.build("hyperswap_1a_256")
    last = next(node for node in model.graph.node if node.output[0] == "mask")
    for source, made in ((last.input[0], "below"), ("below", "nothing")):
        model.graph.node.append(onnx.helper.make_node("Log", [source], [made]))
    last.input[0] = "nothing"
    with session_of(prepared(model, "hyperswap_1a_256").model) as session:
        feeds = draw_feeds(session, 1)
        out = run(session, **feeds)
    assert not np.isfinite(out["checks"]).any()


def test_a_recipe_that_speaks_of_a_mask_needs_one():
    """A file without it is another model."""
    with pytest.raises(ModelError, match="0 outputs that could be its mask"):
        prepared(swappers.build("ghost_1_256"), "hyperswap_1a_256")


def test_two_pictures_are_told_apart_by_name():
    """By nothing else: a file that calls them otherwise is refused."""
    model = swappers.build("uniface_256")
    for node in model.graph.node:
        for index, name in enumerate(node.input):
            if name == "source":
                node.input[index] = "photo"
    next(info for info in model.graph.input if info.name == "source").name = "photo"
    with pytest.raises(ModelError, match=r"\['photo', 'target'\], not source and target"):
        prepared(model, "uniface_256")


def test_a_converter_is_a_vector_in_and_a_vector_out():
    """One at a time."""
    with running(swappers.build_converter(), "crossface_ghost") as session:
        out = run(session, vectors=np.ones((1, 512), np.float32))
    assert {spec.name for spec in session.inputs} == {"vectors"}
    assert out["converted"].shape == (1, 512)


def test_a_swapper_is_no_converter():
    """It has a second input."""
    with pytest.raises(ModelError, match="2 inputs, a converter has one vector"):
        prepared(swappers.build("ghost_1_256"), "crossface_ghost")
