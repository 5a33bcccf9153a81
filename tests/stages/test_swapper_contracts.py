"""Every family of swappers by its public contract, on stand-ins, against plain numpy.

The reference here shares no code with the package: templates, alignment, normalisation and
what a source is are written down again, from FaceFusion's public registry.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
import onnxruntime
import pytest
from graph_kit import prepared, session_of

from edged.bench.standins import swappers
from edged.bench.standins.swappers import CONTRACTS
from edged.recipe import list_recipes, load_recipe
from edged.runtime.emap import read_emap
from edged.stages.align import crops, matrices
from edged.stages.identity import PictureSource, VectorSource
from edged.stages.swap import Swapper

UNIT = {
    "arcface_112_v1": [[0.35473214, 0.45658929], [0.64526786, 0.45658929], [0.5, 0.61154464],
                       [0.37913393, 0.776875], [0.62086607, 0.776875]],
    "arcface_112_v2": [[0.34191607, 0.46157411], [0.65653393, 0.45983393], [0.500225, 0.64050536],
                       [0.37097589, 0.82469196], [0.63151696, 0.82325089]],
    "arcface_128": [[0.36167656, 0.40387734], [0.63696719, 0.40235469], [0.50019687, 0.56044219],
                    [0.38710391, 0.72160547], [0.61507734, 0.72034453]],
    "ffhq_512": [[0.37691676, 0.46864664], [0.62285697, 0.46912813], [0.50123859, 0.61331904],
                 [0.39308822, 0.725411], [0.61150205, 0.72490465]],
    "mtcnn_512": [[0.36562865, 0.46733799], [0.63305391, 0.46585885], [0.50019127, 0.61942959],
                  [0.39032951, 0.77598822], [0.61178945, 0.77476328]],
}  # fmt: skip
HALF, PLAIN = ([0.5] * 3, [0.5] * 3), ([0.0] * 3, [1.0] * 3)
IMAGENET = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])

# name -> template, (mean, std), what becomes of the recogniser's vector, or of a photo
RULES = {
    "inswapper_128": ("arcface_128", PLAIN, "emap"),
    "inswapper_128_fp16": ("arcface_128", PLAIN, "emap"),
    "hyperswap_1a_256": ("arcface_128", HALF, "unit"),
    "hyperswap_1b_256": ("arcface_128", HALF, "unit"),
    "hyperswap_1c_256": ("arcface_128", HALF, "unit"),
    "ghost_1_256": ("arcface_112_v1", HALF, "converted"),
    "ghost_2_256": ("arcface_112_v1", HALF, "converted"),
    "ghost_3_256": ("arcface_112_v1", HALF, "converted"),
    "simswap_256": ("arcface_112_v1", IMAGENET, "converted and unit"),
    "simswap_unofficial_512": ("arcface_112_v1", PLAIN, "converted and unit"),
    "hififace_unofficial_256": ("mtcnn_512", HALF, "converted and unit"),
    "uniface_256": ("ffhq_512", HALF, ("ffhq_512", 256)),
    "blendswap_256": ("ffhq_512", PLAIN, ("arcface_112_v2", 112)),
}
FILES = [*CONTRACTS, "inswapper_128", "inswapper_128_fp16"]
RAW = (np.random.default_rng(3).standard_normal(512) * 0.9).astype(np.float32)
"""A recogniser's vector as its network gives it, some twenty long."""


@lru_cache
def model(name):
    if name == "inswapper_128":
        return swappers.swapper.build()
    return swappers.half_inswapper() if name == "inswapper_128_fp16" else swappers.build(name)


def recipe_of(name):
    return CONTRACTS[name].recipe if name in CONTRACTS else name


def picture(seed):
    """A smooth photo, so that 1/32 px of an alignment is no grey level."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    return cv2.resize(coarse, (800, 600), interpolation=cv2.INTER_CUBIC)


PHOTO, TARGET = picture(1), picture(2)
FACE = np.array([[330, 250], [430, 262], [376, 318], [328, 352], [412, 362]], np.float32)


# -- ours -----------------------------------------------------------------------------


@lru_cache
def graph_of(recipe_id, name):
    """The prepared graph, made once."""
    file = swappers.build_converter() if name == "converter" else model(name)
    return prepared(file, recipe_id).model


class Opened:
    """The stage as the daemon makes it from the shipped recipe, on a stand-in."""

    def __init__(self, name, tmp_path):
        self.recipe = load_recipe(recipe_of(name))
        self.session = session_of(graph_of(self.recipe.id, name))
        rule, self.converter = self.recipe.contract.source, None
        if rule.converter:
            self.converter = session_of(graph_of(rule.converter, "converter"))
        self.emap = None
        if self.recipe.family == "inswapper":
            path = tmp_path / "m.onnx"
            path.write_bytes(model(name).SerializeToString())
            self.emap = read_emap(path, name)

    def __enter__(self):
        contract = self.recipe.contract
        source = VectorSource(
            self.recipe.id, 512, self.emap,
            self.converter.__enter__() if self.converter else None, contract.source.unit,
        )  # fmt: skip
        if self.recipe.family == "picture_swapper":
            source = PictureSource(contract.source.template, contract.source.size_px)
        return Swapper(
            self.session.__enter__(), source, contract.template, contract.size_px,
            self.recipe.batch.max,
        )  # fmt: skip

    def __exit__(self, *error):
        self.session.__exit__(*error)
        if self.converter:
            self.converter.__exit__(*error)


def source_of(swapper):
    if swapper.picture is not None:
        return swapper.picture(PHOTO, FACE)
    return swapper.latent(RAW if swapper.takes_raw else RAW / np.linalg.norm(RAW))


# -- the reference --------------------------------------------------------------------


def crop(image, template, side):
    """Least squares over turn, size and place; bilinear."""
    rows, wanted = [], np.array(UNIT[template]) * side
    for (x, y), _ in zip(FACE, wanted, strict=True):
        rows += [[x, -y, 1, 0], [y, x, 0, 1]]
    a, b, c, d = np.linalg.lstsq(np.array(rows, float), wanted.ravel(), rcond=None)[0]
    return cv2.warpAffine(image, np.array([[a, -b, c], [b, a, d]]), (side, side))


def net(proto, feeds):
    session = onnxruntime.InferenceSession(
        proto.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    halves = {i.name for i in session.get_inputs() if i.type == "tensor(float16)"}
    typed = {k: v.astype(np.float16 if k in halves else np.float32) for k, v in feeds.items()}
    return [out.astype(np.float64) for out in session.run(None, typed)]


def planes(image, mean, std):
    """BGR bytes -> RGB, / 255, (x - mean) / std, [1, 3, h, w]."""
    rgb = image[..., ::-1] / 255
    return ((rgb - np.array(mean)) / np.array(std)).transpose(2, 0, 1)[None]


def reference(name, target, source_picture):
    """Swapped crop and mask (0..255 as floats; or None) by the registry's rules."""
    _, (mean, std), rule = RULES[recipe_of(name)]
    if isinstance(rule, tuple):
        source = planes(source_picture, *PLAIN)
    else:
        source = RAW[None].astype(np.float64)
        if rule == "emap":
            source = source / np.linalg.norm(source) @ swappers.swapper.emap()
        if rule.startswith("converted"):
            (source,) = net(swappers.build_converter(), {"input": source})
        if rule != "converted":
            source = source / np.linalg.norm(source)
    made, *rest = net(model(name), {"target": planes(target, mean, std), "source": source})
    rgb = made[0].transpose(1, 2, 0) * np.array(std) + np.array(mean)
    # Its picture is blended by its mask already, so from a quarter on it is pasted whole.
    mask = np.clip(rest[0][0, 0] * 4, 0, 1) * 255 if rest else None
    return np.clip(rgb, 0, 1)[..., ::-1] * 255, mask


@pytest.mark.parametrize("name", FILES)
def test_a_swap_is_what_the_file_says(name, tmp_path):
    """Normalisation, source and further outputs lead to the same picture within a grey level."""
    with Opened(name, tmp_path) as swapper:
        (matrix,) = matrices([FACE], swapper.template_name, swapper.size_px)
        cut, source = crops(TARGET, [matrix], swapper.size_px), source_of(swapper)
        made = swapper.run(cut, source[None])
    wanted, mask = reference(name, cut[0], source)
    assert np.abs(made.crops[0] - wanted).max() <= 1
    assert (made.masks is None) == (mask is None)
    if mask is not None:
        assert np.abs(made.masks[0] - mask).max() <= 1


@pytest.mark.parametrize("name", sorted(RULES))
def test_crops_lie_as_the_network_was_trained(name, tmp_path):
    """Of the target and of a source picture: the same pixels but for rounding."""
    template, _, rule = RULES[name]
    with Opened(name, tmp_path) as swapper:
        (matrix,) = matrices([FACE], swapper.template_name, swapper.size_px)
        cut, source = crops(TARGET, [matrix], swapper.size_px)[0], source_of(swapper)
    wanted = crop(TARGET, template, load_recipe(name).contract.size_px)
    assert np.abs(cut.astype(int) - wanted).max() <= 2
    if isinstance(rule, tuple):
        assert np.abs(source.astype(int) - crop(PHOTO, *rule)).max() <= 2


@pytest.mark.parametrize("name", sorted(RULES))
def test_a_shipped_swapper_claims_no_more_than_this(name):
    """Nobody here has seen the weights."""
    assert load_recipe(name).verified == "stand-in"


def test_every_shipped_swapper_is_among_them():
    """A recipe that ships without a contract test would be believed."""
    shipped = {r.id for r in list_recipes().values() if r.kind == "swapper" and not r.builtin}
    assert shipped == set(RULES)


@pytest.mark.parametrize("name", ["ghost_1_256", "simswap_256", "inswapper_128", "uniface_256"])
def test_the_source_counts(name, tmp_path):
    """Another person gives another picture: a swap that ignores its source would pass above."""
    with Opened(name, tmp_path) as swapper:
        (matrix,) = matrices([FACE], swapper.template_name, swapper.size_px)
        cut = crops(TARGET, [matrix], swapper.size_px)
        one = source_of(swapper)
        other = 255 - one if one.ndim == 3 else one[::-1]
        first, second = (swapper(cut, source[None]) for source in (one, other))
    assert np.abs(first.astype(int) - second).mean() > 2
