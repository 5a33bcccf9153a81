"""What a configuration may ask of a swapper: crops, converters, embedders."""

from __future__ import annotations

from pathlib import Path

import pytest

from edged.config import loads
from edged.errors import ConfigError

CONFIG = """\
[device]
name = "booth-1"
[cameras.door]
scene = "hide"
[scenes.hide]
mode = "disguise"
identities = ["bob"]
{boost}
[identities.bob]
photos = ["faces/bob.jpg"]
[models]
detectors = ["det_10g", "yunet"]
embedder = "{embedder}"
swapper = "{swapper}"
restorer = ""
guard_recogniser = "w600k_mbf"
accept_licence = [{accepted}]
"""
VISION = ("det_10g", "w600k_r50", "w600k_mbf")


def config(swapper, *accepted, boost="", embedder="w600k_r50"):
    named = ", ".join(f'"{model_id}"' for model_id in (*VISION, swapper, *accepted))
    text = CONFIG.format(swapper=swapper, accepted=named, boost=boost, embedder=embedder)
    return loads(text, Path("/etc/booth/edged.toml"))


def problem(*args, **more):
    with pytest.raises(ConfigError) as caught:
        config(*args, **more)
    (line,) = caught.value.problems
    return line


@pytest.mark.parametrize(
    ("swapper", "px"),
    [("inswapper_128", 1024), ("inswapper_128", 384), ("hyperswap_1a_256", 512),
     ("simswap_unofficial_512", 1024), ("blendswap_256", 768), ("inswapper_128", 0)],
)  # fmt: skip
def test_crops_may_be_multiples_of_the_swapper_s(swapper, px):
    """All sizes that the peers offer and that have parts."""
    made = config(swapper, "crossface_simswap", boost=f"pixel_boost_px = {px}")
    assert made.scenes["hide"].pixel_boost_px == px


@pytest.mark.parametrize(
    ("swapper", "px"),
    [("blendswap_256", 384), ("simswap_unofficial_512", 768), ("inswapper_128", 200),
     ("inswapper_128", 2048), ("inswapper_128", -128)],
)  # fmt: skip
def test_crops_that_have_no_parts_are_refused_at_the_start(swapper, px):
    """Two of them are on a peer's list and crash it at the first face."""
    line = problem(swapper, "crossface_simswap", boost=f"pixel_boost_px = {px}")
    assert f"scenes.hide.pixel_boost_px = {px}: crops of the swapper" in line


@pytest.mark.parametrize("swapper", ["ghost_1_256", "simswap_256", "hififace_unofficial_256"])
def test_a_converter_has_a_licence_of_its_own(swapper):
    """It runs only after its terms, too, were accepted."""
    converter = f"crossface_{swapper.partition('_')[0]}"
    line = problem(swapper)
    assert f'models.swapper = "{converter}": its licence' in line
    assert config(swapper, converter).models.swapper == swapper


@pytest.mark.parametrize("swapper", ["uniface_256", "blendswap_256"])
def test_a_swapper_of_pictures_takes_any_embedder(swapper):
    """It takes no vector at all."""
    assert config(swapper, embedder="w600k_mbf").models.embedder == "w600k_mbf"


def test_a_swapper_of_vectors_takes_its_own_embedder():
    """Another recogniser's vector would be a stranger's."""
    line = problem("hyperswap_1a_256", embedder="w600k_mbf")
    assert 'takes the vector of "w600k_r50"' in line
