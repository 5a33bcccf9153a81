"""Prepared graphs: fixed names, bytes in and out, whatever the public file looks like."""

from __future__ import annotations

import numpy as np
import pytest
from graph_kit import prepared, run, running, session_of
from onnx import TensorProto

from edged.bench.standins import detector, recogniser, restorers, swapper
from edged.errors import ModelError
from edged.runtime.graph import tools

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


@pytest.mark.parametrize("name", sorted(set(restorers.CONTRACTS) - {"gpen_bfr_256"}))
def test_every_restorer_export_has_the_same_ends(name):
    """Names, extra outputs, sides and float64 numbers of the exports do not show."""
    recipe = {"gfpgan_1.4_1288": "gfpgan_1.4", "codeformer_weight": "codeformer"}.get(name, name)
    found = ends(prepared(restorers.build(name), recipe, batched=False).model)
    want = {
        "crops": ("UINT8", [1, 512, 512, 3]),
        "strength": ("FLOAT", [1]),
        "restored": ("UINT8", [1, 512, 512, 3]),
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


def test_a_detector_with_too_few_outputs_is_refused():
    """SCRFD without landmarks is no detector for edged."""
    file = detector.scrfd()
    del file.graph.output[6:]
    with pytest.raises(ModelError, match="6 outputs; SCRFD with landmarks has 9"):
        prepared(file, "det_10g")
    with pytest.raises(ModelError, match="YuNet's 12 outputs"):
        prepared(file, "yunet")
