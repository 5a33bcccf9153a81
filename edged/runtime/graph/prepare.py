"""A public model file's graph made into the one form that edged's stages feed.

What a prepared graph takes and gives (n: faces, open where the graph is batched, else 1):

    arcface    crops uint8 [n,112,112,3] BGR        -> embeddings float32 [n,d]
    landmarks_106, landmarks_68, landmarks_fan, minifasnet, liveness_aligned, nsfw_*
               crops uint8 [n,S,S,3] BGR            -> values float32 [n,...]
    inswapper, vector_swapper
               crops uint8 [n,S,S,3], latents float32 [n,512]
                                                    -> swapped uint8 [n,S,S,3], checks float32 [n]
    picture_swapper
               crops uint8 [n,S,S,3], sources uint8 [n,C,C,3]
                                                    -> the same
    converter  vectors float32 [1,d]                -> converted float32 [1,e]
    restorer   crops uint8 [n,S,S,3], strength float32 [1], fidelity float32 [1] where the
               file has one                         -> restored uint8 [n,S,S,3], checks float32 [n]
    xseg       crops uint8 [n,S,S,3]                -> visible uint8 [n,S,S], checks float32 [n]
    bisenet    crops uint8 [n,S,S,3]                -> labels uint8 [n,S,S], checks float32 [n]
    scrfd, yunet  picture uint8 [1,H,W,3] BGR       -> scores float32 [k], boxes float32 [k,4],
                                                       landmarks float32 [k,5,2], checks float32 [1]

A swapper whose recipe says `own_mask` gives `masks` uint8 [n,S,S], too: 0 where it left the
target alone, 255 where its picture is to be pasted whole.  `checks` is a mean over what the
network gave, in float32: it is finite only if every value was, which bytes would hide.
`strength` blends: round(crop * (1 - strength) + net * strength).  Embeddings are as the file
gives them, not normalised.  Names of what is added begin with `pre/` and `post/`; tensors of
the file that are called so get `net/` before.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import onnx

from edged.errors import ModelError
from edged.recipe import Contract, Family
from edged.runtime.graph import crops, detectors, masks, pictures, swappers, tools
from edged.runtime.graph.batch import open_batch
from edged.runtime.graph.crops import CHANNELS
from edged.runtime.graph.fold import fold_shapes
from edged.runtime.graph.modulation import rewrite_modulation
from edged.runtime.graph.work import Work, cut, tidy

_CROPS: Mapping[Family, Callable[[Work], None]] = {
    "arcface": crops.arcface,
    "inswapper": swappers.by_vector,
    "vector_swapper": swappers.by_vector,
    "picture_swapper": swappers.by_picture,
    "restorer": crops.restorer,
    "landmarks_106": crops.numbers,
    "landmarks_68": crops.numbers,
    "landmarks_fan": crops.numbers,
    "minifasnet": crops.chances,
    "liveness_aligned": crops.numbers,
    "nsfw_boxes": crops.numbers,
    "nsfw_pair": crops.numbers,
    "nsfw_grades": crops.numbers,
    "xseg": masks.xseg,
    "bisenet": masks.bisenet,
}
_PIXELS_FIRST = frozenset({"xseg"})
"""Families whose picture input is [n, h, w, 3]; all others' is [n, 3, h, w]."""


def _is_picture(made: Sequence[int], side: int) -> str:
    right = tuple(made) == (1, CHANNELS, side, side)
    return "" if right else f"a picture of {side} px"


def _is_mask(made: Sequence[int], side: int) -> str:
    return "" if math.prod(made) == side * side else f"a mask of {side} px"


def _is_parse(made: Sequence[int], side: int) -> str:
    right = tuple(made) == (1, masks.CLASSES, side, side)
    return "" if right else f"{masks.CLASSES} classes of {side} px"


_MADE: Mapping[Family, Callable[[Sequence[int], int], str]] = {
    "inswapper": _is_picture,
    "vector_swapper": _is_picture,
    "picture_swapper": _is_picture,
    "restorer": _is_picture,
    "xseg": _is_mask,
    "bisenet": _is_parse,
}
"""(shape of the first output for one face, side) -> what it should have been, or empty."""

_DETECTORS: Mapping[Family, Callable[[Work], None]] = {
    "scrfd": detectors.scrfd,
    "yunet": detectors.yunet,
}


@dataclass(frozen=True)
class Prepared:
    """A prepared graph.

    Attributes:
        model: the graph; its tensors have the names above.
        batched: whether it takes several faces in one run.
        notes: what was found and done, for people.
    """

    model: onnx.ModelProto
    batched: bool
    notes: tuple[str, ...]


def prepare(
    model: onnx.ModelProto,
    *,
    model_id: str,
    family: Family,
    contract: Contract,
    batched: bool = True,
) -> Prepared:
    """Prepare a copy of a model; see :func:`prepare_owned`."""
    return prepare_owned(
        tools.clone(model), model_id=model_id, family=family, contract=contract, batched=batched
    )


def prepare_owned(
    model: onnx.ModelProto,
    *,
    model_id: str,
    family: Family,
    contract: Contract,
    batched: bool = True,
) -> Prepared:
    """Prepare a model in place, so that half a gigabyte of weights is not there twice.

    Args:
        model: of the public file; not to be used afterwards.
        model_id: for messages.
        family: which contract its tensors follow.
        contract: sizes and normalisation, from the recipe.
        batched: False leaves it at one face a run, whatever the file allows.

    Raises:
        ModelError: the file is not of this family, or not what its recipe says.
    """
    work = Work(model, model_id, contract)
    if not model.graph.output:
        raise work.wrong("it has no outputs")
    tidy(work)
    if family in _DETECTORS:
        _DETECTORS[family](work)
    elif family in _CROPS:
        cut(work, swappers.outputs(work))
        _open(work, family, batched=batched)
        _CROPS[family](work)
    elif family == "converter":
        cut(work, [model.graph.output[0].name])
        swappers.converter(work)
    else:
        msg = f"model {model_id}: family {family} has no graph to prepare"
        raise ModelError(msg)
    tools.prune(model)
    tools.toposort(model)
    tools.checked(model)
    return Prepared(model, work.faces == "n", tuple(work.notes))


def _open(work: Work, family: Family, *, batched: bool) -> None:
    """Make the network at hand as regular as it goes, and open it for several faces.

    Args:
        work: the network alone, without its front and end.
        family: whose contract its first output must follow.
        batched: whether to open it.

    Raises:
        ModelError: it does not.
    """
    model = work.model
    target, *sources = work.pictures()
    side = work.square(target, masks.PIXELS_FIRST if family in _PIXELS_FIRST else 2)
    shape = (side, side, CHANNELS) if family in _PIXELS_FIRST else (CHANNELS, side, side)
    one: dict[str, tuple[int, ...]] = {target.name: (1, *shape)}
    for source in sources:
        one[source.name] = (1, CHANNELS, *[work.contract.source.size_px] * 2)
    one |= {info.name: (1, work.width(info)) for info in work.inputs(2)}
    faces = list(one)
    one |= {info.name: (1,) for info in work.inputs(1)}
    tools.toposort(model)
    fold_shapes(model, one)
    shapes = tools.static_shapes(model, one)
    made = shapes.get(model.graph.output[0].name)
    if family in _MADE and made is not None and (wanted := _MADE[family](made, side)):
        what = f"its first output is {list(made)}, not {wanted}"
        raise work.wrong(what)
    for info in model.graph.output[1:]:
        made = shapes.get(info.name)
        if made is not None and (wanted := _is_mask(made, side)):
            what = f"its further output is {list(made)}, not {wanted}"
            raise work.wrong(what)
    found = rewrite_modulation(model, shapes)
    if found:
        work.notes.append(f"{found} modulated convolutions rewritten")
        shapes = tools.static_shapes(model, one)
    if not batched:
        return
    stuck = open_batch(model, shapes, faces, pictures.FIRST)
    if stuck:
        work.notes.append(f"one face a run: {stuck}")
    else:
        work.faces = "n"
