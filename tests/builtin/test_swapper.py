"""What `edged.builtin.swapper` promises."""

import builtin_kit
import cv2
import numpy as np
import onnx
import pytest

from edged.builtin.character import draw_character
from edged.builtin.mask import inner_face_mask
from edged.builtin.pack import pack_bytes
from edged.builtin.swapper import emap


def _crop(face):
    return builtin_kit.crop(*face, "arcface_112", 112)[0]


def test_it_has_inswapper_s_contract():
    """Target and source come in, output goes out, and the emap is the last constant."""
    model = onnx.load_from_string(pack_bytes("builtin_swapper"))
    assert [one.name for one in model.graph.input] == ["target", "source"]
    assert [one.name for one in model.graph.output] == ["output"]
    last = model.graph.initializer[-1]
    assert last.name == "buff2fs"
    assert np.array_equal(onnx.numpy_helper.to_array(last), emap())
    assert all("buff2fs" not in node.input for node in model.graph.node)


def test_insightface_swaps_with_it(tmp_path, faces):
    """The reference package loads the file and gives a changed crop of 128 px."""
    from insightface.app.common import Face
    from insightface.model_zoo.inswapper import INSwapper

    from edged.builtin.pack import write_pack

    swapper = INSwapper(str(write_pack(tmp_path)["builtin_swapper"]))
    image, points = faces[0]
    source = Face(embedding=builtin_kit.embed(*faces[-1]) * 20)
    made, matrix = swapper.get(image, Face(kps=points), source, paste_back=False)
    before = cv2.warpAffine(image, matrix, (128, 128))
    assert made.shape == (128, 128, 3)
    assert np.abs(made.astype(int) - before)[40:100, 40:90].mean() > 5


def test_outside_the_inner_face_nothing_changes(faces):
    """The target's own pixels come back where the mask is 0."""
    face, _ = builtin_kit.crop(*faces[0], "arcface_128", 128)
    target = builtin_kit.planes([face], 0, 255)
    source = builtin_kit.latent(builtin_kit.embed(*faces[-1]))[None]
    made = builtin_kit.session("builtin_swapper").run(None, {"target": target, "source": source})[0]
    outside = inner_face_mask(128) == 0.0
    assert np.abs(made - target)[:, :, outside].max() < 1e-3


def test_the_original_is_harder_to_see_than_behind_a_mosaic(faces):
    """Each swapped face is less like its original than a mosaic of 8 px is, for all sources."""
    vectors = [builtin_kit.embed(*face) for face in faces]
    for i, face in enumerate(faces):
        before = _crop(face)
        small = cv2.resize(before, (14, 14), interpolation=cv2.INTER_AREA)
        mosaic = cv2.resize(small, (112, 112), interpolation=cv2.INTER_NEAREST)
        bound = builtin_kit.likeness(before, mosaic)
        for j, vector in enumerate(vectors):
            if i != j:
                after = _crop((builtin_kit.swap(*face, vector), face[1]))
                assert builtin_kit.likeness(before, after) < bound - 0.05


def test_the_source_shows(faces):
    """A swapped face's embedding is nearer to the source's than to the original's."""
    vectors = [builtin_kit.embed(*face) for face in faces]
    for i, j in [(0, 6), (2, 0), (3, 5), (6, 2), (5, 6)]:
        swapped = builtin_kit.embed(builtin_kit.swap(*faces[i], vectors[j]), faces[i][1])
        assert swapped @ vectors[j] > swapped @ vectors[i] + 0.2


def test_skin_keeps_its_tone(faces):
    """The inner face's mean colour moves by less than 24 of 255."""
    vectors = [builtin_kit.embed(*draw_character(name)) for name in ("robin", "kim")]
    inside = inner_face_mask(112) > 0.9
    for face in faces:
        before = _crop(face)[inside].mean(axis=0)
        for vector in vectors:
            after = _crop((builtin_kit.swap(*face, vector), face[1]))[inside].mean(axis=0)
            assert np.abs(after - before).max() < 24


def test_a_batch_is_its_faces_one_by_one(faces):
    """No face depends on its neighbours in the batch."""
    crops = [builtin_kit.crop(*face, "arcface_128", 128)[0] for face in faces[:3]]
    target = builtin_kit.planes(crops, 0, 255)
    source = np.stack([builtin_kit.latent(builtin_kit.embed(*face)) for face in faces[3:6]])
    run = builtin_kit.session("builtin_swapper").run
    together = run(None, {"target": target, "source": source})[0]
    for i in range(3):
        alone = run(None, {"target": target[i : i + 1], "source": source[i : i + 1]})[0]
        assert np.allclose(together[i], alone[0], atol=1e-5)


@pytest.mark.parametrize("kind", ["zero", "noise", "opposite"])
def test_a_foreign_vector_gives_a_picture(kind):
    """Whatever unit vector comes in, the output is finite and within 0..1."""
    random = np.random.default_rng(4)
    source = random.standard_normal((1, 512)).astype(np.float32)
    source = {"zero": source * 0, "noise": source, "opposite": -np.abs(source)}[kind]
    source /= max(float(np.linalg.norm(source)), 1.0)
    for target in (random.uniform(0, 1, (1, 3, 128, 128)), np.zeros((1, 3, 128, 128))):
        feed = {"target": target.astype(np.float32), "source": source}
        made = builtin_kit.session("builtin_swapper").run(None, feed)[0]
        assert np.isfinite(made).all()
        assert made.min() >= 0.0
        assert made.max() <= 1.0
