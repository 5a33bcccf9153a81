"""A device with each kind of swapper: assembled from recipes and files, and put to work."""

from __future__ import annotations

import hashlib
from contextlib import ExitStack

import cv2
import numpy as np
import pytest
from photos import astronaut

from edged.bench.standins import recogniser, swappers
from edged.builtin.pack import write_pack
from edged.config import loads
from edged.daemon.assemble import assemble
from edged.pipeline.parts import Job
from edged.resources import data_folder
from edged.transport.wire import ConsentEntry
from edged.verdicts import Reason

CONFIG = """
[device]
name = "booth-1"
site = "test"
[cameras.booth]
scene = "hide"
[scenes.hide]
mode = "disguise"
identities = ["actor"]
allow_empty = true
pixel_boost_px = {boost}
[scenes.poster]
mode = "portrait"
template = "builtin:poster"
pixel_boost_px = {boost}
[identities.actor]
photos = ["{photo}", "{photo}"]
[models]
folder = "{folder}"
recipes = ["{recipes}"]
embedder = "w600k_r50"
swapper = "{swapper}"
restorer = ""
accept_licence = [{accepted}]
[runtime]
threads = 1
[guard]
sizes_px = [640, 256]
rotations_deg = [0]
"""
COVERED = (ConsentEntry(ref="c1"), ConsentEntry(ref="c2"))
SWAPPERS = {
    "hyperswap_1a_256": 512, "ghost_1_256": 0, "simswap_256": 0, "uniface_256": 512,
    "blendswap_256": 0,
}  # fmt: skip


def site(tmp_path, swapper, boost):
    """A device's folders with stand-ins, whose hashes its recipes know, and its configuration.

    Returns:
        Its model files by id, and the configuration.
    """
    folder, recipes = tmp_path / "models", tmp_path / "recipes"
    write_pack(folder)
    recipes.mkdir()
    files = {"w600k_r50": recogniser.build(), swapper: swappers.build(swapper)}
    text = (data_folder("engines") / f"{swapper}.toml").read_text()
    if "converter" in text:
        converter = text.partition('converter = "')[2].partition('"')[0]
        files[converter] = swappers.build_converter()
    for model_id, model in files.items():
        raw = model.SerializeToString()
        (folder / f"{model_id}.onnx").write_bytes(raw)
        text = (data_folder("engines") / f"{model_id}.toml").read_text()
        lines = [line for line in text.splitlines() if not line.startswith(("sha256", "size_b"))]
        place = next(i for i, line in enumerate(lines) if line.startswith("verified"))
        lines.insert(place, f'sha256 = "{hashlib.sha256(raw).hexdigest()}"')
        (recipes / f"{model_id}.toml").write_text("\n".join(lines))
    photo = tmp_path / "actor.png"
    cv2.imwrite(str(photo), astronaut())
    accepted = ", ".join(f'"{model_id}"' for model_id in files)
    return files, loads(
        CONFIG.format(
            folder=folder, recipes=recipes, swapper=swapper, boost=boost, accepted=accepted,
            photo=photo,
        ),
        tmp_path / "edged.toml",
    )  # fmt: skip


@pytest.mark.parametrize("swapper", list(SWAPPERS))
def test_each_kind_of_swapper_is_assembled_and_works(tmp_path, swapper):
    """Its converter is loaded, its characters are made once, a shot and a portrait go through.

    Nobody has measured how far these swaps may be trusted, so nothing leaves.
    """
    files, config = site(tmp_path, swapper, SWAPPERS[swapper])
    frame = np.ascontiguousarray(np.tile(astronaut(), (1, 2, 1)))
    with ExitStack() as stack:
        kit = assemble(config, stack)
        assert set(files) <= set(kit.recipes)
        assert not kit.calibrated
        for scene in ("hide", "poster"):
            job = Job("booth", scene, config.scenes[scene], whole=True, consents=COVERED)
            outcome = kit.pipeline.process(frame, job)
            assert {"swap", "paste", "guard"} <= outcome.stages_ms.keys()
            assert getattr(outcome.ruling, "reason", None) not in {
                Reason.PIPELINE_ERROR, Reason.GUARD_ERROR,
            }  # fmt: skip
    masked = any(r.contract.own_mask for r in kit.recipes.values())
    assert ("hide" in kit.host_scenes) == masked
