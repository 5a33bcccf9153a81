"""What `edged.builtin.recogniser` promises."""

import builtin_kit
import cv2
import numpy as np
import pytest


def test_it_has_arcface_s_contract():
    """input.1 (n, 3, 112, 112) goes to 683 (n, 512), and the length is about 20."""
    session = builtin_kit.session("builtin_recogniser")
    assert [one.name for one in session.get_inputs()] == ["input.1"]
    assert session.get_inputs()[0].shape[1:] == [3, 112, 112]
    assert [one.name for one in session.get_outputs()] == ["683"]
    face = np.random.default_rng(0).uniform(-1, 1, (3, 3, 112, 112)).astype(np.float32)
    assert session.run(None, {"input.1": face})[0].shape == (3, 512)


def test_insightface_takes_it_for_a_recogniser(tmp_path):
    """The reference package loads the file with mean and scale 127.5."""
    from insightface.model_zoo.arcface_onnx import ArcFaceONNX

    from edged.builtin.pack import write_pack

    model = ArcFaceONNX(str(write_pack(tmp_path)["builtin_recogniser"]))
    assert (model.input_mean, model.input_std) == (127.5, 127.5)
    assert model.get_feat(np.zeros((112, 112, 3), np.uint8)).shape == (1, 512)


@pytest.mark.parametrize("disturb", ["jpeg", "darker", "shifted", "smaller"])
def test_a_person_is_like_themselves(faces, disturb):
    """The same face, disturbed, stays above 0.7."""
    for image, points in faces:
        other, moved = image, points
        if disturb == "jpeg":
            coded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 60])[1]
            other = cv2.imdecode(coded, cv2.IMREAD_COLOR)
        elif disturb == "darker":
            other = (image * 0.7).astype(np.uint8)
        elif disturb == "shifted":
            moved = points + np.array([0.9, -0.6], np.float32)
        else:
            other = cv2.resize(image, None, fx=0.7, fy=0.7, interpolation=cv2.INTER_AREA)
            moved = (points + 0.5) * 0.7 - 0.5
        like = builtin_kit.embed(image, points) @ builtin_kit.embed(other, moved.astype(np.float32))
        assert like > 0.7


def test_strangers_are_less_alike(faces):
    """No two of seven people reach 0.72, and they average under 0.36."""
    vectors = np.stack([builtin_kit.embed(*face) for face in faces])
    like = (vectors @ vectors.T)[~np.eye(len(vectors), dtype=bool)]
    assert like.max() < 0.72
    assert like.mean() < 0.36


def test_a_batch_is_its_faces_one_by_one(faces):
    """No face's vector depends on its neighbours."""
    crops = [builtin_kit.crop(*face, "arcface_112", 112)[0] for face in faces]
    tensor = builtin_kit.planes(crops, 127.5, 127.5)
    run = builtin_kit.session("builtin_recogniser").run
    together = run(None, {"input.1": tensor})[0]
    for i, vector in enumerate(together):
        alone = run(None, {"input.1": tensor[i : i + 1]})[0][0]
        assert np.allclose(vector, alone, atol=1e-4)


@pytest.mark.parametrize("value", [-1.0, 1.0])
def test_a_black_or_white_crop_gives_numbers(value):
    """There is no division by nothing."""
    crop = np.full((1, 3, 112, 112), value, np.float32)
    assert np.isfinite(
        builtin_kit.session("builtin_recogniser").run(None, {"input.1": crop})[0]
    ).all()
