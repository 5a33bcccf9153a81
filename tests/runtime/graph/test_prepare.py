"""Prepared graphs: fixed names, bytes in and out, whatever the public file looks like."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from graph_kit import at_opset, prepared, run, running, session_of
from onnx import TensorProto, helper, numpy_helper

from edged.bench.standins import detector, landmarks, liveness, recogniser, restorers, swapper
from edged.errors import ModelError
from edged.onnx_writer import Graph
from edged.recipe import load_recipe
from edged.runtime.graph import tools
from edged.runtime.graph.prepare import prepare
from edged.runtime.graph.proof import draw_feeds

RNG = np.random.default_rng(7)


def crops(count, side):
    """Noise, (count, side, side, 3) uint8 BGR."""
    return RNG.integers(0, 256, (count, side, side, 3), np.uint8)


def ends(model):
    """Names, numpy-like types and shapes of inputs and outputs."""
    return {
        info.name: (
            TensorProto.DataType.Name(info.type.tensor_type.elem_type),
            [d.dim_param or d.dim_value for d in info.type.tensor_type.shape.dim],
        )
        for info in (*model.graph.input, *model.graph.output)
    }


def test_a_recogniser_takes_bytes_and_gives_the_file_s_vectors():
    """The prepared graph's embeddings are those of the file on normalised planes."""
    file, faces = recogniser.build(), crops(2, 112)
    planes = ((faces[..., ::-1].astype(np.float32) - 127.5) / 127.5).transpose(0, 3, 1, 2)
    with session_of(file) as plain, running(file, "w600k_r50") as session:
        (want,) = plain.run({"input.1": np.ascontiguousarray(planes)})
        found = run(session, crops=faces)["embeddings"]
    np.testing.assert_allclose(found, want, rtol=1e-5, atol=1e-5)


def test_a_swapper_takes_bytes_and_gives_bytes():
    """Rounded to the nearest level, with a finite check."""
    file, faces = swapper.build(), crops(1, 128)
    latent = RNG.standard_normal((1, 512)).astype(np.float32)
    planes = (faces[..., ::-1].astype(np.float32) / 255).transpose(0, 3, 1, 2)
    with session_of(file) as plain, running(file, "inswapper_128") as session:
        (want,) = plain.run({"target": np.ascontiguousarray(planes), "source": latent})
        found = run(session, crops=faces, latents=latent)
    pixels = np.rint(want.transpose(0, 2, 3, 1)[..., ::-1] * 255)
    assert np.abs(found["swapped"] - pixels).max() <= 1
    assert np.isfinite(found["checks"]).all()


@pytest.mark.parametrize("name", sorted(restorers.CONTRACTS))
def test_every_restorer_export_has_the_same_ends(name):
    """Names, extra outputs, sides and float64 numbers of the exports do not show."""
    contract = restorers.CONTRACTS[name]
    recipe, side = contract.recipe, contract.size_px
    found = ends(prepared(restorers.build(name), recipe, batched=False).model)
    want = {
        "crops": ("UINT8", [1, side, side, 3]),
        "strength": ("FLOAT", [1]),
        "restored": ("UINT8", [1, side, side, 3]),
        "checks": ("FLOAT", [1]),
    }
    if recipe == "codeformer":
        want["fidelity"] = ("FLOAT", [1])
    assert found == want


def test_strength_blends_between_the_crop_and_the_network():
    """0 gives the crop back, 1 the network's picture, between them the mean of both."""
    faces = crops(1, 512)
    with running(restorers.build("gfpgan_1.4"), "gfpgan_1.4") as session:
        none, half, full = (
            run(session, crops=faces, strength=np.array([s], np.float32))["restored"].astype(int)
            for s in (0.0, 0.5, 1.0)
        )
    np.testing.assert_array_equal(none, faces)
    assert np.abs(half - (none + full) / 2).max() <= 1
    assert np.abs(full - none).max() > 20


def test_fidelity_reaches_a_network_that_wants_doubles():
    """CodeFormer's float64 number is cast inside: fidelity 1 keeps the stand-in's input."""
    faces = crops(1, 512)
    one = np.ones(1, np.float32)
    with running(restorers.build("codeformer"), "codeformer") as session:
        out = run(session, crops=faces, strength=one, fidelity=one)
    assert np.abs(out["restored"].astype(int) - faces).max() <= 1


@pytest.mark.parametrize("shape", [(), (1,)], ids=str)
@pytest.mark.parametrize("kind", [TensorProto.DOUBLE, TensorProto.FLOAT, TensorProto.FLOAT16])
def test_fidelity_is_fed_as_the_file_declares_it(shape, kind):
    """A scalar or a list of one, of whatever type: outside it is float32 [1]."""
    file = restorers.build("codeformer")
    (info,) = [i for i in file.graph.input if len(i.type.tensor_type.shape.dim) == 1]
    info.CopyFrom(helper.make_tensor_value_info(info.name, kind, shape))
    ready = prepared(file, "codeformer").model
    assert ends(ready)["fidelity"] == ("FLOAT", [1])
    faces, one = crops(1, 512), np.ones(1, np.float32)
    with session_of(ready) as session:
        out = run(session, crops=faces, strength=one, fidelity=one)["restored"]
    assert np.abs(out.astype(int) - faces).max() <= 1


def test_taps_are_cut_with_what_fed_them():
    """RestoreFormer++'s fourteen further outputs cost nothing and are told of."""
    file = restorers.build("restoreformer_plus_plus")
    ready = prepared(file, "restoreformer_plus_plus")
    assert not any(node.op_type == "GlobalAveragePool" for node in ready.model.graph.node)
    assert "14 further outputs" in ready.notes[0]


def test_the_file_s_model_is_left_alone():
    """Preparing works on a copy."""
    file = swapper.build()
    before = tools.structure_digest(file)
    prepared(file, "inswapper_128")
    assert tools.structure_digest(file) == before


def test_a_file_of_another_family_is_refused_with_its_id():
    """The error names the model, what is wrong, and the command to run."""
    with pytest.raises(ModelError, match=r"w600k_r50.*picture.*128.*verify w600k_r50"):
        prepared(swapper.build(), "w600k_r50")
    file = restorers.build("gfpgan_1.4")
    file.graph.input.add().CopyFrom(swapper.build().graph.input[1])
    file.graph.input.add().CopyFrom(restorers.build("codeformer").graph.input[1])
    file.graph.input.add(name="v").CopyFrom(file.graph.input[2])
    file.graph.input[3].name = "v"
    with pytest.raises(ModelError, match=r"gfpgan_1.4.*2 inputs beside the picture"):
        prepared(file, "gfpgan_1.4")


def test_a_file_whose_output_is_no_picture_of_its_size_is_refused():
    """An enlarging network, or one whose first output is something else, is no restorer."""
    graph = Graph()
    scales = graph.constant(np.array([1, 1, 2, 2], np.float32))
    graph.op("Resize", "input", "", scales, mode="nearest", to="output")
    ends = {"input": (1, 3, 512, 512)}, {"output": (1, 3, 1024, 1024)}
    with pytest.raises(ModelError, match=r"output is \[1, 3, 1024, 1024\], not a picture of 512"):
        prepared(graph.model("m", *ends), "gfpgan_1.4")


@pytest.mark.parametrize("opset", [13, 17, 18])
@pytest.mark.parametrize(
    ("file", "recipe"),
    [(swapper.build, "inswapper_128"), (lambda: restorers.build("gfpgan_1.4"), "gfpgan_1.4"),
     (recogniser.build, "w600k_r50")],
    ids=["swapper", "restorer", "recogniser"],
)  # fmt: skip
def test_files_of_old_and_new_operators_are_prepared_alike(file, recipe, opset):
    """What is put in is valid for the file's own operators, which stay as they are."""
    model, now = at_opset(file(), opset), file()
    assert tools.opset(prepared(model, recipe).model) == opset
    with running(model, recipe) as one, running(now, recipe) as other:
        feeds = draw_feeds(one, 2)
        for got, want in zip(one.run(feeds), other.run(feeds), strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)


def test_a_detector_with_too_few_outputs_is_refused():
    """SCRFD without landmarks is no detector for edged."""
    file = detector.scrfd()
    del file.graph.output[6:]
    with pytest.raises(ModelError, match="6 outputs; SCRFD with landmarks has 9"):
        prepared(file, "det_10g")
    with pytest.raises(ModelError, match="YuNet's 12 outputs"):
        prepared(file, "yunet")


def half(model):
    """The same network with float16 inputs, outputs and weights, as some exports are."""
    for tensor in model.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT:
            values = np.float16(tools.array(tensor))
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    for info in (*model.graph.input, *model.graph.output):
        info.type.tensor_type.elem_type = TensorProto.FLOAT16
    return model


def dimmer():
    """A swapper-like network: the target times the source's first number."""
    graph = Graph()
    first = graph.op(
        "Slice", "source", graph.constant([0]), graph.constant([1]), graph.constant([1])
    )
    gain = graph.op("Reshape", first, graph.constant([1, 1, 1, 1]))
    graph.op("Mul", graph.scaled("target", 0.5), gain, to="output")
    shape = (1, 3, 128, 128)
    return graph.model("m", {"target": shape, "source": (1, 512)}, {"output": shape})


def test_an_export_that_is_half_precision_throughout_has_the_same_ends():
    """Its float16 inputs and outputs are cast inside; the host feeds what it always feeds."""
    faces, latent = crops(2, 128), np.full((2, 512), 0.5, np.float32)
    latent[1] = 1
    with running(half(dimmer()), "inswapper_128") as session:
        assert {spec.dtype for spec in session.inputs} == {np.dtype("u1"), np.dtype("f4")}
        out = run(session, crops=faces, latents=latent)
    want = faces * np.array([0.25, 0.5])[:, None, None, None]
    assert np.abs(out["swapped"] - want).max() <= 1
    assert out["checks"].dtype == np.float32


def test_tensors_that_are_called_as_ours_do_not_get_in_the_way():
    """A file may call its own tensors `crops`, `checks` or `pre/float`."""
    model = dimmer()
    graph = model.graph
    tools.rename(model, {"target": "checks", graph.node[0].output[0]: "pre/float"})
    graph.node[1].name = "pre/planes"
    with running(model, "inswapper_128") as session:
        latents = np.ones((1, 512), np.float32)
        out = run(session, crops=np.full((1, 128, 128, 3), 100, np.uint8), latents=latents)
    assert (out["swapped"] == 50).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_number_that_is_not_finite_spoils_its_own_face_s_check(bad):
    """Bytes would hide it; the others' checks stay finite."""
    latents = np.ones((3, 512), np.float32)
    latents[1] = bad
    with running(dimmer(), "inswapper_128") as session:
        checks = run(session, crops=crops(3, 128), latents=latents)["checks"]
    assert np.isfinite(checks).tolist() == [True, False, True]


def test_a_picture_larger_than_its_range_is_clipped():
    """What a network gives beyond black and white is black and white."""
    latents = np.full((1, 512), 9, np.float32)
    latents[:, 1:] = 0
    with running(dimmer(), "inswapper_128") as session:
        bright = run(session, crops=np.full((1, 128, 128, 3), 200, np.uint8), latents=latents)
        dark = run(session, crops=np.full((1, 128, 128, 3), 200, np.uint8), latents=-latents)
    assert (bright["swapped"] == 255).all()
    assert (dark["swapped"] == 0).all()


def test_channels_keep_their_order():
    """A network that brightens its first channel brightens red, whatever reads the picture."""
    for first in (convolution, passing):
        graph = Graph()
        gain = np.array([1.2, 1, 0.8], np.float32).reshape(1, 3, 1, 1)
        graph.op("Mul", first(graph), graph.constant(gain), to="output")
        shape = (1, 3, 512, 512)
        model = graph.model("m", {"input": shape}, {"output": shape})
        grey = np.full((1, 512, 512, 3), 200, np.uint8)
        with running(model, "gfpgan_1.4") as session:
            out = run(session, crops=grey, strength=np.ones(1, np.float32))["restored"]
        want = np.array([0.8, 1, 1.2]) * (200 - 127.5) + 127.5
        assert np.abs(out[0, 0, 0] - want).max() <= 1


def test_normalisation_by_channel_is_in_the_network_s_order():
    """What goes in by three means and deviations comes out by the same three."""
    recipe = load_recipe("gfpgan_1.4")
    mean, std = (10.0, 60.0, 120.0), (1.0, 2.0, 4.0)
    contract = msgspec.structs.replace(
        recipe.contract, mean=mean, std=std, out_mean=mean, out_std=std
    )
    picture = crops(1, 512)
    for first in (convolution, passing):
        graph = Graph()
        gain = np.array([2, 1, 1], np.float32).reshape(1, 3, 1, 1)
        graph.op("Mul", first(graph), graph.constant(gain), to="output")
        shape = (1, 3, 512, 512)
        model = graph.model("m", {"input": shape}, {"output": shape})
        ready = prepare(model, model_id="m", family="restorer", contract=contract).model
        with session_of(ready) as session:
            out = run(session, crops=picture, strength=np.ones(1, np.float32))["restored"]
        want = picture.astype(np.float32)
        want[..., 2] = (want[..., 2] - mean[0]) * 2 + mean[0]
        assert np.abs(out - np.clip(want, 0, 255)).max() <= 1


def convolution(graph):
    """The picture through a convolution that keeps it."""
    return graph.mix("input", np.eye(3, dtype=np.float32))


def passing(graph):
    """The picture as it is."""
    return graph.op("Identity", "input")


@pytest.mark.parametrize(
    ("name", "build", "shape"),
    [
        ("2d106det", lambda: landmarks.build("2d106det"), ["n", 212]),
        ("2dfan4", landmarks.fan, ["n", 68, 3]),
        ("minifasnet_v2", liveness.minifas, ["n", 3]),
        ("insightface_liveness", liveness.aligned, ["n"]),
        ("nsfw_1", lambda: liveness.content("nsfw_1"), ["n", 9, 8400]),
    ],
)
def test_what_gives_numbers_gives_them_as_values(name, build, shape):
    """One name for landmarks, probabilities and scores; other outputs are cut."""
    made = ends(prepared(build(), name).model)
    assert list(made) == ["crops", "values"]
    assert made["values"] == ("FLOAT", shape)
    assert made["crops"][0] == "UINT8"
