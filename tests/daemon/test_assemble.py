"""Building the pipeline of a configuration: the built-in pack, loaded and warmed."""

from __future__ import annotations

import hashlib
from contextlib import ExitStack

import cv2
import msgspec
import numpy as np
import pytest
from photos import astronaut, t1

from edged.bench.standins import landmarks as landmark_files
from edged.bench.standins import liveness as liveness_files
from edged.bench.standins import masks as mask_files
from edged.builtin.pack import write_pack
from edged.config import loads
from edged.daemon.assemble import assemble
from edged.daemon.pictures import builtin_character
from edged.errors import ConfigError, EdgedError, EngineError
from edged.pipeline.parts import Job
from edged.privacy.guard import Passed, Refused
from edged.scene import Scene
from edged.verdicts import Reason

HIDE = Scene(mode="disguise", identities=("actor",))
CONFIG = """
[device]
name = "booth-1"
site = "test"
[cameras.booth]
scene = "hide"
[scenes.hide]
mode = "disguise"
identities = ["actor"]
[scenes.poster]
mode = "portrait"
template = "builtin:poster"
[identities.actor]
photos = ["builtin:character"]
[models]
folder = "{folder}"
restorer = ""
[runtime]
threads = 1
{runtime}
[guard]
sizes_px = {sizes}
det_thresh = 0.6
"""


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pack") / "models"
    write_pack(folder)
    return folder


def config(pack, tmp_path, runtime="", sizes="[640, 128]"):
    text = CONFIG.format(folder=pack, runtime=runtime, sizes=sizes)
    return loads(text, tmp_path / "edged.toml")


@pytest.fixture(scope="module")
def built(pack, tmp_path_factory):
    steps = []
    with ExitStack() as stack:
        kit = assemble(config(pack, tmp_path_factory.mktemp("c")), stack, steps.append)
        yield kit, steps


def test_the_builtin_pack_is_loaded_and_calibrated(built):
    """Every model that is used is known, and the guard has bounds for them."""
    kit, steps = built
    assert kit.calibrated
    assert set(kit.recipes) == {"builtin_detector", "builtin_recogniser", "builtin_swapper"}
    assert kit.choice.wished
    assert "warming up" in steps


def test_the_kit_knows_the_hash_of_every_file_that_it_loaded(built, pack):
    """For `info`, which does not read the files again; OpenCV's cascades have none here."""
    kit, _ = built
    assert kit.hashes == {
        model_id: hashlib.sha256((pack / recipe.file).read_bytes()).hexdigest()
        for model_id, recipe in kit.recipes.items()
        if recipe.file
    }


def test_the_configured_threshold_reaches_the_cascades(built):
    """As it reaches every other family."""
    kit, _ = built
    assert [d.det_thresh for d in kit.stages.detectors] == [0.6]


def test_what_was_assembled_takes_a_frame(built):
    """A frame without faces is refused for that reason, not for an error."""
    kit, _ = built
    outcome = kit.pipeline.process(
        np.zeros((120, 160, 3), np.uint8), Job("booth", "hide", HIDE, whole=True)
    )
    assert outcome.ruling == Refused(Reason.NO_FACE)


def test_frames_can_be_made_to_stay_on_the_device(pack, tmp_path, built):
    """On a CPU that is memory of the host, by the graphs that a GPU would run."""
    kit, _ = built
    assert kit.residency.runtime == ""
    assert kit.residency.reason == "models run on the CPU"
    with ExitStack() as stack:
        there = assemble(config(pack, tmp_path, runtime='resident = "on"'), stack)
        assert there.residency.runtime == "cpu"
        picture = builtin_character("character")[0]
        outcomes = [
            one.pipeline.process(picture, Job("booth", "hide", HIDE, whole=True))
            for one in (kit, there)
        ]
    assert [type(outcome.ruling) for outcome in outcomes] == [Passed, Passed]
    assert outcomes[0].faces == outcomes[1].faces
    here, there = (outcome.ruling.image.astype(int) for outcome in outcomes)
    assert np.abs(here - there).max() <= 1


def test_cascades_that_would_never_look_are_refused(pack, tmp_path):
    """All sizes below the one they look at: no face would ever be found."""
    with ExitStack() as stack, pytest.raises(ConfigError, match=r"guard\.sizes_px.*add 640"):
        assemble(config(pack, tmp_path, sizes="[256, 128]"), stack)


def test_a_required_runtime_that_is_not_here_stops_the_start(pack, tmp_path):
    """Before anything is loaded."""
    with ExitStack() as stack, pytest.raises(EngineError, match="tensorrt"):
        assemble(config(pack, tmp_path, runtime='require = "tensorrt"'), stack)


def test_a_model_that_is_absent_stops_the_start(tmp_path):
    """The message names the model and the command."""
    text = CONFIG.format(folder=tmp_path / "none", runtime="", sizes="[640, 128]")
    text = text.replace('restorer = ""', 'restorer = ""\ndetectors = ["yunet"]')
    with ExitStack() as stack, pytest.raises(EdgedError, match="yunet"):
        assemble(loads(text, tmp_path / "edged.toml"), stack)


def test_a_photo_that_is_absent_stops_the_start(pack, tmp_path):
    """The message names the identity."""
    made = config(pack, tmp_path)
    actor = msgspec.structs.replace(made.identities["actor"], photos=(str(tmp_path / "no.png"),))
    made = msgspec.structs.replace(made, identities={"actor": actor})
    with ExitStack() as stack, pytest.raises(ConfigError, match=r"identities\.actor"):
        assemble(made, stack)


def test_a_photo_of_who_wears_an_identity_that_is_absent_stops_the_start(pack, tmp_path):
    """The message names the key."""
    made = config(pack, tmp_path)
    actor = msgspec.structs.replace(made.identities["actor"], worn_by=(str(tmp_path / "no.png"),))
    made = msgspec.structs.replace(made, identities={"actor": actor})
    with ExitStack() as stack, pytest.raises(ConfigError, match=r"identities\.actor\.worn_by"):
        assemble(made, stack)


def test_only_who_wears_the_identity_is_swapped(pack, tmp_path):
    """The photographed person is known at the first shot; in a crowd of others nobody is."""
    cv2.imwrite(str(tmp_path / "visitor.png"), astronaut())
    made = config(pack, tmp_path)
    actor = msgspec.structs.replace(
        made.identities["actor"], worn_by=(str(tmp_path / "visitor.png"),)
    )
    made = msgspec.structs.replace(made, identities={"actor": actor})
    scene = Scene(mode="disguise", identities=("actor",), select="matched")
    with ExitStack() as stack:
        pipeline = assemble(made, stack).pipeline
        job = Job("booth", "hide", scene, whole=True)
        known = pipeline.process(astronaut(), job)
        others = pipeline.process(t1(), job)
    assert known.guard.swapped + known.guard.refilled == 1  # tried, whatever the guard found
    assert others.guard.faces_in > 1
    assert others.guard.swapped + others.guard.refilled == 0


@pytest.fixture
def vetting_pack(pack, tmp_path):
    """The built-in models and stand-ins of everything that vets."""
    folder = tmp_path / "models"
    folder.mkdir()
    for path in pack.iterdir():
        (folder / path.name).symlink_to(path)
    files = {
        "2.7_80x80_MiniFASNetV2": liveness_files.minifas(1),
        "4_0_0_80x80_MiniFASNetV1SE": liveness_files.minifas(2),
        "peppa_wutz": landmark_files.fan(),
        **{name: liveness_files.content(name) for name in liveness_files.CONTENT},
    }
    for name, model in files.items():
        (folder / f"{name}.onnx").write_bytes(model.SerializeToString())
    return folder


VETTING = """
liveness = ["minifasnet_v2", "minifasnet_v1se"]
landmarker = "peppa_wutz"
accept_licence = ["peppa_wutz"]
content = ["nsfw_1", "nsfw_2", "nsfw_3"]
"""


@pytest.mark.parametrize("asked", [True, False])
def test_what_vets_is_loaded_where_a_scene_asks(vetting_pack, tmp_path, asked):
    """Through the real loaders: scored faces and votes; nothing is loaded that nobody needs."""
    text = CONFIG.format(folder=vetting_pack, runtime="", sizes="[640, 128]")
    text = text.replace('restorer = ""', f'restorer = ""{VETTING}')
    if asked:
        text = text.replace('identities = ["actor"]', 'identities = ["actor"]\nliveness = "warn"')
        text = text.replace('liveness = "warn"', 'liveness = "warn"\nblink = true', 1)
    made = loads(text, tmp_path / "edged.toml")
    with ExitStack() as stack:
        kit = assemble(made, stack)
        assert (kit.stages.liveness is not None) is asked
        assert (kit.stages.landmarker is not None) is asked
        assert len(kit.stages.content.nets) == 3
        picture = builtin_character("character")[0]
        job = Job("booth", "hide", made.scenes["hide"], whole=True)
        outcome = kit.pipeline.process(picture, job)
        red = np.zeros_like(picture)
        red[..., 2] = 255
        refused = kit.pipeline.process(red, job)
    assert refused.ruling == Refused(Reason.CONTENT)
    if asked:
        assert all(0 <= note.liveness <= 1 for note in outcome.faces)
        assert outcome.faces
        assert outcome.session_ms["liveness"] > 0


@pytest.fixture
def masking_pack(pack, tmp_path):
    """The built-in models and stand-ins of occluder and parser."""
    folder = tmp_path / "models"
    folder.mkdir()
    for path in pack.iterdir():
        (folder / path.name).symlink_to(path)
    (folder / "xseg_1.onnx").write_bytes(mask_files.xseg().SerializeToString())
    (folder / "bisenet_resnet_18.onnx").write_bytes(mask_files.bisenet().SerializeToString())
    return folder


@pytest.mark.parametrize("asked", [True, False])
def test_what_masks_is_loaded_where_a_scene_asks(masking_pack, tmp_path, asked):
    """Through the real loaders and networks of the contracts; what goes to the host is told."""
    models = 'restorer = ""\noccluder = "xseg_1"\nparser = "bisenet_resnet_18"'
    text = CONFIG.format(folder=masking_pack, runtime="", sizes="[640, 128]")
    text = text.replace('restorer = ""', models)
    if asked:
        asks = '[scenes.hide.mask]\nocclusion = true\nregions = ["skin", "nose", "lips", "eyes"]\n'
        text = text.replace("[scenes.poster]", f"{asks}[scenes.poster]")
    made = loads(text, tmp_path / "edged.toml")
    with ExitStack() as stack:
        kit = assemble(made, stack)
        assert (kit.stages.occluder is not None) is asked
        assert (kit.stages.parser is not None) is asked
        assert set(kit.host_scenes) == ({"hide"} if asked else set())
        job = Job("booth", "hide", made.scenes["hide"], whole=True)
        outcome = kit.pipeline.process(builtin_character("character")[0], job)
    assert isinstance(outcome.ruling, Passed)
    assert ("mask" in outcome.session_ms) is asked
