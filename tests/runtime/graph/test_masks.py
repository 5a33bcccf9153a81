"""Occluder and parser: the prepared graphs against plain numpy, and what is no such file."""

from __future__ import annotations

import numpy as np
import pytest
from graph_kit import prepared, run, running, session_of
from onnx import TensorProto, helper

from edged.bench.standins import masks
from edged.errors import ModelError
from edged.onnx_writer import Graph

RNG = np.random.default_rng(7)


def colours(count, side):
    """Patches, so that every class and both sides of a mask occur."""
    coarse = RNG.integers(0, 256, (count, 16, 16, 3), np.uint8)
    return np.kron(coarse, np.ones((1, side // 16, side // 16, 1), np.uint8))


def file_run(model, source, value):
    """What the public file itself gives, one face at a time."""
    with session_of(model) as session:
        return np.stack([session.run({source: one[None]})[0] for one in value])[:, 0]


@pytest.mark.parametrize("name", ["xseg_1", "xseg_2", "xseg_3"])
def test_an_occluder_takes_bgr_bytes_and_gives_a_mask_of_bytes(name):
    """BGR / 255 as [n, h, w, 3]; 255 is the face, rounded to the next step."""
    crops = colours(3, 256)
    exact = file_run(masks.xseg(), "input", crops.astype(np.float32) / 255)[..., 0]
    with running(masks.xseg(), name) as session:
        out = run(session, crops=crops)
    assert out["visible"].dtype == np.uint8
    assert out["visible"].shape == (3, 256, 256)
    assert np.abs(out["visible"] - exact.astype(np.float64) * 255).max() <= 0.5 + 1e-3
    assert out["visible"].min() < 10
    assert out["visible"].max() > 245
    assert np.allclose(out["checks"], exact.mean(axis=(1, 2)), atol=1e-4)


@pytest.mark.parametrize("name", ["bisenet_resnet_18", "bisenet_resnet_34"])
def test_a_parser_takes_bgr_bytes_and_gives_the_likeliest_class(name):
    """RGB, normalised as ImageNet, [n, 3, h, w]; the helpers of training are cut off."""
    crops = colours(2, 512)
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    planes = ((crops[..., ::-1] / 255 - mean) / std).transpose(0, 3, 1, 2).astype(np.float32)
    logits = file_run(masks.bisenet(), "input", planes)
    with running(masks.bisenet(), name) as session:
        assert [spec.name for spec in session.outputs] == ["labels", "checks"]
        out = run(session, crops=crops)
    assert out["labels"].dtype == np.uint8
    best = np.sort(logits, axis=1)
    clear = best[:, -1] - best[:, -2] > 1e-3
    assert clear.mean() > 0.99
    assert np.array_equal(out["labels"][clear], logits.argmax(axis=1)[clear])
    assert {masks.SKIN, masks.GLASSES, masks.HAIR} <= set(np.unique(out["labels"]))


@pytest.mark.parametrize(
    ("build", "name", "side"),
    [(masks.xseg, "xseg_1", 256), (masks.bisenet, "bisenet_resnet_34", 512)],
)
def test_files_fixed_at_one_face_take_several(build, name, side):
    """Each face comes out as it does alone."""
    ready = prepared(build(), name)
    assert ready.batched
    crops = colours(3, side)
    with session_of(ready.model) as session:
        together = session.run({"crops": crops})[0].copy()
        for crop, one in zip(crops, together, strict=True):
            assert np.array_equal(session.run({"crops": crop[None]})[0][0], one)


def test_an_occluder_may_give_a_mask_without_the_channel():
    """[1, 256, 256] and [256, 256] are masks as well; the latter is run face by face."""
    for keep in ((1, 256, 256), (256, 256)):
        model = masks.xseg(output="wide")
        del model.graph.output[:]
        model.graph.output.append(helper.make_tensor_value_info("mask", TensorProto.FLOAT, keep))
        shape = helper.make_tensor("shape", TensorProto.INT64, [len(keep)], keep)
        model.graph.initializer.append(shape)
        model.graph.node.append(helper.make_node("Reshape", ["wide", "shape"], ["mask"], name="r"))
        crops = colours(1, 256)
        with running(model, "xseg_1") as session, running(masks.xseg(), "xseg_1") as plain:
            expected = run(plain, crops=crops)["visible"]
            assert np.array_equal(run(session, crops=crops)["visible"], expected)
        assert prepared(model, "xseg_1").batched == (len(keep) == 3)


def test_what_is_not_finite_shows_in_the_checks():
    """Bytes would hide it."""
    graph = Graph()
    bad = graph.op("Log", graph.moved("input", -10.0))
    graph.op("ReduceMean", bad, axes=[3], keepdims=1, to="output")
    model = graph.model("bad", {"input": (1, 256, 256, 3)}, {"output": (1, 256, 256, 1)})
    with running(model, "xseg_1") as session:
        assert not np.isfinite(run(session, crops=colours(1, 256))["checks"]).all()


@pytest.mark.parametrize(
    ("model", "recipe", "words"),
    [
        (masks.bisenet, "xseg_1", "the recipe says 256"),
        (masks.xseg, "bisenet_resnet_34", "the recipe says 512"),
    ],
)
def test_another_kind_of_file_is_refused(model, recipe, words):
    """The message names the model and what was found."""
    with pytest.raises(ModelError, match=words):
        prepared(model(), recipe)


def test_a_parser_of_other_classes_is_refused():
    """Their numbers would mean other parts of a face."""
    graph = Graph()
    graph.mix("input", np.ones((11, 3), np.float32), to="output")
    model = graph.model("small", {"input": (1, 3, 512, 512)}, {"output": (1, 11, 512, 512)})
    with pytest.raises(ModelError, match="19 classes"):
        prepared(model, "bisenet_resnet_34")
