"""What a contact sheet shows of a configuration."""

from __future__ import annotations

import msgspec

from edged.config import loads
from edged.config.starter import starter
from edged.scene import MaskSettings
from edged.sheets.variants import AS_IT_IS, loaded_for, variants


def configured(tmp_path, scene=""):
    text = starter("booth-1").replace("[scenes.hide]", f"[scenes.hide]\n{scene}")
    return loads(text, tmp_path / "edged.toml")


def labels(shown, name):
    return [one.label for one in shown if one.scene_name == name]


def test_every_variant_differs_in_one_thing(tmp_path):
    """Each scene as it is comes first; no two variants of it are alike."""
    config = configured(tmp_path)
    shown = variants(config, ("hide", "poster"), 128)
    for name in ("hide", "poster"):
        own, *others = [one.scene for one in shown if one.scene_name == name]
        assert own == config.scenes[name]
        assert len({msgspec.json.encode(scene) for scene in [own, *others]}) == 1 + len(others)
        for scene in others:
            changed = {
                field
                for field in scene.__struct_fields__
                if getattr(scene, field) != getattr(own, field)
            }
            assert changed in (
                {"restore"}, {"restore_strength"}, {"mask"}, {"colour"}, {"pixel_boost_px"},
            )  # fmt: skip


def test_what_a_scene_already_does_is_not_shown_twice(tmp_path):
    """A scene with a mask and a colour of its own is compared with those that it has not."""
    config = configured(tmp_path, 'colour = "lab"\nmask = { shape = "oval" }')
    found = labels(variants(config, ("hide",), 128), "hide")
    assert found[0] == AS_IT_IS
    assert {"colour: none", "colour: histogram", "without mask settings", "mask: box"} <= set(found)
    assert not {"colour: lab", "mask: oval"} & set(found)


def test_portraits_keep_nobodys_mouth(tmp_path):
    """No camera pixel is in a portrait."""
    shown = variants(configured(tmp_path), ("hide", "poster"), 128)
    assert "mask: mouth kept" in labels(shown, "hide")
    assert "mask: mouth kept" not in labels(shown, "poster")


def test_models_that_are_not_there_are_not_asked_for(tmp_path):
    """Occlusion and regions are shown where their models are configured."""
    config = configured(tmp_path)
    assert not [v for v in variants(config, ("hide",), 128) if v.scene.mask.occlusion]
    models = msgspec.structs.replace(
        config.models, occluder="xseg_1", parser="bisenet", restorer=""
    )
    found = variants(msgspec.structs.replace(config, models=models), ("hide",), 1024)
    assert {"mask: occlusion", "mask: regions without hair"} <= set(labels(found, "hide"))
    assert not [one for one in found if "px" in one.label or not one.scene.restore]


def test_a_file_is_no_live_face(tmp_path):
    """Liveness is not asked of a photo; everything else is loaded as the variants need it."""
    config = configured(tmp_path)
    gated = msgspec.structs.replace(config.scenes["hide"], liveness="require", blink=True)
    config = msgspec.structs.replace(config, scenes={"hide": gated})
    shown = variants(config, ("hide",), 128)
    assert {(one.scene.liveness, one.scene.blink) for one in shown} == {("off", False)}
    loaded = loaded_for(config, shown)
    assert list(loaded.scenes) == [one.key for one in shown]
    assert MaskSettings(shape="box") in [scene.mask for scene in loaded.scenes.values()]
