"""What a precision calibration is fed with: a model, crops, a recogniser to judge pictures.

Crops are generated, or made from pictures that the operator named; they are in memory only.
Knows recipes, the model folder and prepared graphs; shows nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import onnx
from numpy.typing import NDArray

from edged.bench import synthetic
from edged.builtin import recogniser
from edged.builtin.pack import PACK_VERSION, write_pack
from edged.errors import ConfigError
from edged.faces import Image
from edged.geometry import similarity, template
from edged.recipe import Recipe, load_recipe
from edged.runtime.build import samples
from edged.runtime.graph.load import load_prepared
from edged.runtime.graph.prepare import prepare_owned
from edged.runtime.graph.tools import structure_digest
from edged.runtime.precision.cpu import CpuRun, Feeds
from edged.runtime.precision.metrics import Bound, Embed
from edged.runtime.precision.range_file import path_of, read_ranges
from edged.runtime.precision.ranges import Ranges, measure
from edged.stages import align
from edged.stages.haar import HaarDetector
from edged.store import ModelStore

Pictures = Literal["crops", "photos"]

_EXTREME_EVERY = 4
"""Of the generated crops: dark, glaring or noise alone; no face that has an embedding."""

_CANVAS_PX = 640
_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".webp"})
_FIDELITIES = (0.5, 0.0, 1.0)
_JUDGE = "w600k_r50"
"""The recogniser that judges restorers where its file is here."""


@dataclass(frozen=True)
class Subject:
    """A model to calibrate.

    Attributes:
        recipe: what it is.
        graph: prepared FP32 graph.
        sha256: of the model file.
    """

    recipe: Recipe
    graph: onnx.ModelProto
    sha256: str

    @property
    def bound(self) -> Bound:
        """From the recipe."""
        wanted = self.recipe.precision
        return Bound(
            wanted.psnr_db_min, wanted.cosine_min, wanted.score_error_max, wanted.box_error_px_max
        )

    def size(self, name: str) -> tuple[int | None, ...]:
        """Extents of an input; None where they are open."""
        (info,) = (one for one in self.graph.graph.input if one.name == name)
        return tuple(
            int(d.dim_value) if d.HasField("dim_value") else None
            for d in info.type.tensor_type.shape.dim
        )

    @property
    def inputs(self) -> list[str]:
        """Names of the graph's inputs."""
        return [one.name for one in self.graph.graph.input]


def stored(recipe: Recipe, store: ModelStore) -> Subject:
    """The model file of a recipe, prepared.

    Raises:
        ConfigError: OpenCV carries it, so there is no graph; or it is a converter.
        ModelError: it is absent, damaged or not what the recipe says.
    """
    if not recipe.file:
        raise ConfigError(f"model {recipe.id} is no network: it has no precision to calibrate")
    if recipe.kind == "converter":
        msg = f"model {recipe.id} is a converter: it runs on the CPU, in FP32, once a person"
        raise ConfigError(msg)
    if recipe.builtin:
        store.ensure_builtin(write_pack, PACK_VERSION)
    path = store.ready(recipe.id)
    return Subject(recipe, load_prepared(path, recipe).model, store.sha256(recipe.id))


def made(recipe: Recipe, seed: int, width: float) -> Subject:
    """The synthetic network of a recipe, prepared.

    Raises:
        ConfigError: there is none, or the width is no share.
    """
    model = synthetic.build(recipe.id, seed=seed, width=width)
    sha256 = hashlib.sha256(model.SerializeToString(deterministic=True)).hexdigest()
    prepared = prepare_owned(
        model, model_id=recipe.id, family=recipe.family, contract=recipe.contract
    )
    return Subject(recipe, prepared.model, sha256)


def generated(subject: Subject, seed: int, count: int) -> list[Feeds]:
    """Feeds of drawn faces; other seeds draw others."""
    if "picture" in subject.inputs:
        height, width = _canvas(subject)
        pictures = [samples.picture(height, width, seed + i) for i in range(count)]
    else:
        drawn = samples.crops(2 * count, subject.recipe.contract.size_px, seed)
        faces = [crop for i, crop in enumerate(drawn) if (i + 1) % _EXTREME_EVERY]
        pictures = faces[:count]
    return _feeds(subject, pictures, seed)


def extremes(subject: Subject, seed: int, threads: int) -> Ranges:
    """Ranges of a dark, a glaring and a noise picture: how large values can get.

    Such pictures have no embedding to compare, so they count for ranges alone.
    """
    size_px = subject.recipe.contract.size_px
    if "picture" in subject.inputs:
        height, width = _canvas(subject)
        drawn = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
        pictures = [drawn, drawn // 12]
    else:
        crops = samples.crops(3 * _EXTREME_EVERY, size_px, seed)
        pictures = list(crops[_EXTREME_EVERY - 1 :: _EXTREME_EVERY])
    return measure(subject.graph, _feeds(subject, pictures, seed), threads=threads)


def live(subject: Subject, site: Path) -> Ranges | None:
    """Ranges that a running engine has measured on its camera's faces, for this very graph.

    Args:
        subject: whose.
        site: `calibration` folder of the state folder.

    Raises:
        ConfigError: they are there and belong to another file or graph, or are no ranges.
    """
    path = path_of(subject.recipe.id, site)
    found = read_ranges(path)
    if found is None:
        return None
    same = found.structure_digest == structure_digest(subject.graph)
    if (found.recipe, found.model_sha256) != (subject.recipe.id, subject.sha256) or not same:
        raise ConfigError(
            f"{path}: measured on another model file or by another version of edged; delete it, "
            f"or measure again: edged calibrate live {subject.recipe.id}"
        )
    return found.ranges


def named(subject: Subject, folder: Path, kind: Pictures) -> list[Feeds]:
    """Feeds made from the pictures in a folder, in the order of their names.

    Args:
        subject: whose.
        folder: of pictures.
        kind: "crops" are square and aligned as the model's template is; "photos" are
            searched for faces with OpenCV's cascades, and each face is aligned.

    Raises:
        ConfigError: fewer than two usable pictures, or a crop that is not square.
    """
    files = sorted(path for path in folder.glob("*") if path.suffix.lower() in _SUFFIXES)
    loaded = [(path, cv2.imread(str(path), cv2.IMREAD_COLOR)) for path in files]
    images = [(path, np.asarray(image, np.uint8)) for path, image in loaded if image is not None]
    if "picture" in subject.inputs:
        height, width = _canvas(subject)
        pictures = [_letterboxed(image, height, width) for _, image in images]
    elif kind == "photos":
        pictures = [crop for _, image in images for crop in _faces(image, subject.recipe)]
    else:
        pictures = [_square(image, subject.recipe.contract.size_px, path) for path, image in images]
    if len(pictures) < 2:
        what = "faces" if kind == "photos" else "pictures"
        raise ConfigError(
            f"--crops {folder}: {len(pictures)} usable {what}; at least two are needed, one to "
            "search on and one to measure on, and twenty are better"
        )
    return _feeds(subject, pictures, 0)


@dataclass(frozen=True)
class Drawn:
    """Which synthetic networks: seed and share of the real channels."""

    seed: int
    width: float


def judge(
    recipe: Recipe, store: ModelStore, threads: int, drawn: Drawn | None = None
) -> tuple[str, Embed] | None:
    """The recogniser that compares faces before and after: (name, function).

    The one that the recipe names, or the usual one: from its file, or synthetic where the
    model is; without either the built-in one, a cosine basis whose corrections for light
    and hair can turn a vector by degrees over an error that no eye sees.  None for models
    that give no picture.
    """
    if recipe.kind not in ("swapper", "restorer"):
        return None
    wish = recipe.takes_embedding_of or _JUDGE
    name = wish
    if drawn and wish in synthetic.RECIPES:
        chosen = store.recipes[wish]
        graph = made(chosen, drawn.seed, drawn.width).graph
        name = f"{wish} (synthetic)"
    elif not drawn and wish in store.recipes and store.status(wish).state == "ready":
        chosen = store.recipes[wish]
        graph = load_prepared(store.path(wish), chosen).model
    else:
        chosen = load_recipe("builtin_recogniser")
        name = chosen.id
        graph = prepare_owned(
            recogniser.build(), model_id=chosen.id, family=chosen.family, contract=chosen.contract
        ).model
    run = CpuRun(graph, threads=threads)
    size = chosen.contract.size_px
    # From the crop of the model to that of the recogniser: one template onto the other.
    matrix = similarity(
        template(recipe.contract.template, recipe.contract.size_px),
        template(chosen.contract.template, size),
    )
    assert matrix is not None, "templates are no single point"

    def embed(crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        vectors = [
            run({"crops": align.crops(crop, [matrix], size)})["embeddings"] for crop in crops
        ]
        return np.asarray(np.concatenate(vectors), np.float32)

    return name, embed


def _feeds(subject: Subject, pictures: Sequence[Image], seed: int) -> list[Feeds]:
    """One run a picture; latents are drawn, fidelities differ."""
    random = np.random.default_rng(seed)
    found: list[Feeds] = []
    for i, picture in enumerate(pictures):
        one: dict[str, NDArray[np.generic]] = {}
        for name in subject.inputs:
            if name in ("crops", "picture"):
                one[name] = np.ascontiguousarray(picture[None])
            elif name == "latents":
                drawn = random.standard_normal((1, subject.size(name)[1] or 512))
                one[name] = (drawn / np.linalg.norm(drawn)).astype(np.float32)
            elif name == "sources":
                side = subject.size(name)[1] or 0
                one[name] = samples.crops(1, side, seed + i)
            elif name == "strength":
                one[name] = np.ones(1, np.float32)
            else:
                assert name == "fidelity", name
                one[name] = np.full(1, _FIDELITIES[i % len(_FIDELITIES)], np.float32)
        found.append(one)
    return found


def _canvas(subject: Subject) -> tuple[int, int]:
    _, height, width, _ = subject.size("picture")
    return height or _CANVAS_PX, width or _CANVAS_PX


def _square(image: Image, size_px: int, path: Path) -> Image:
    if image.shape[0] != image.shape[1]:
        raise ConfigError(
            f"--crops {path.parent}: {path.name} is not square, so it is no aligned crop; "
            "for photos say --pictures photos"
        )
    return np.asarray(cv2.resize(image, (size_px, size_px), interpolation=cv2.INTER_AREA), np.uint8)


def _faces(image: Image, recipe: Recipe) -> list[Image]:
    _, _, landmarks = HaarDetector()(image)
    contract = recipe.contract
    found = align.matrices(list(landmarks), contract.template, contract.size_px)
    return list(align.crops(image, [m for m in found if m is not None], contract.size_px))


def _letterboxed(image: Image, height: int, width: int) -> Image:
    scale = min(height / image.shape[0], width / image.shape[1])
    size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    out = np.zeros((height, width, 3), np.uint8)
    out[: size[1], : size[0]] = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return out
