"""The families of swappers, whose source is a vector or a picture, and their converters.

Knows their contracts: what is told by rank, since names differ by export, and two pictures
by their names.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import structs

from edged.runtime.graph import pictures, tools
from edged.runtime.graph.crops import CHANNELS, check, type_of
from edged.runtime.graph.emit import FLOAT, UINT8, Emitter
from edged.runtime.graph.work import Ends, Extent, Work, declare

WHOLE_FROM = 0.25
"""Share from which a network's picture is pasted whole; below, the frame fades in, which is
sharper than its crop."""


def outputs(work: Work) -> list[str]:
    """Those outputs of the file that count: its first one, and a swapper's mask.

    Raises:
        ModelError: the recipe speaks of a mask that the file has not.
    """
    first, *others = (info.name for info in work.model.graph.output)
    if not work.contract.own_mask:
        return [first]
    named = [name for name in others if name.rpartition("/")[2] in ("mask", "masks")] or others
    if len(named) != 1:
        what = f"it has {len(named)} outputs that could be its mask (own_mask), not one"
        raise work.wrong(what)
    return [first, *named]


def by_vector(work: Work) -> None:
    """`crops` and `latents` -> `swapped`, `checks` and perhaps `masks`."""
    picture, vectors = work.picture_input(), work.inputs(2)
    if len(vectors) != 1:
        what = f"it has {len(vectors)} vector inputs (rank 2), a swapper has one"
        raise work.wrong(what)
    width = work.width(vectors[0])
    pictures.take(work.model, picture, "crops", work.contract)
    latents = Emitter(work.model, "pre/latents/")
    vector = pictures.typed(latents, "latents", vectors[0].type.tensor_type.elem_type)
    tools.rename(work.model, {vectors[0].name: vector})
    _swapped(work, work.square(picture), {"latents": (FLOAT, (work.faces, width))})


def by_picture(work: Work) -> None:
    """`crops` and `sources` -> `swapped`, `checks` and perhaps `masks`."""
    target, source = work.pictures()
    contract = work.contract
    of_source = structs.replace(contract, mean=contract.source.mean, std=contract.source.std)
    pictures.take(work.model, target, "crops", contract)
    pictures.take(work.model, source, "sources", of_source, "pre/sources/")
    side = contract.source.size_px
    sources = (UINT8, (work.faces, side, side, CHANNELS))
    _swapped(work, work.square(target), {"sources": sources})


def _swapped(work: Work, side: int, source: Ends) -> None:
    """A swapper's end, its picture and mask as bytes, and its inputs as they are now."""
    output, *masks = (info.name for info in work.model.graph.output)
    after = Emitter(work.model, "post/")
    planes = pictures.floats(after, output, type_of(work, output))
    crops = (UINT8, (work.faces, side, side, CHANNELS))
    made: dict[str, tuple[int, Sequence[Extent]]] = {
        "swapped": crops, "checks": (FLOAT, (work.faces,)),
    }  # fmt: skip
    if masks:
        _mask(work, masks[0], side)
        made["masks"] = (UINT8, (work.faces, side, side))
        both = after.mean(planes, (1, 2, 3), name="mean"), "post/mask/mean"
        after.op("Add", *both, name="finite", out="checks")
    else:
        check(after, planes)
    pictures.give(after, pictures.pixels(after, planes, work.contract), "swapped")
    declare(work, {"crops": crops, **source}, made)


def _mask(work: Work, output: str, side: int) -> None:
    """Shares 0..1 of [n, 1, S, S] or [n, S, S] -> `masks`, and their means.

    The network has blended its picture with the target by them already, so the paste must
    not do it again: it takes the picture as it is, but for what the network left alone.
    """
    emit = Emitter(work.model, "post/mask/")
    share = pictures.floats(emit, output, type_of(work, output))
    flat = emit.reshaped(share, (-1, side, side), name="flat")
    emit.mean(flat, (1, 2), name="mean")
    bounds = emit.constant("none", 0.0), emit.constant("all", 255.0)
    levels = emit.op(
        "Clip", emit.scaled(flat, 255 / WHOLE_FROM, name="levels"), *bounds, name="clipped"
    )
    emit.cast(emit.op("Round", levels, name="rounded"), UINT8, name="bytes", out="masks")


def converter(work: Work) -> None:
    """`vectors` [1, d], as a recogniser gives them, -> `converted` [1, e]."""
    vectors, output = work.inputs(2), work.model.graph.output[0]
    if len(vectors) != 1 or len(work.model.graph.input) != 1:
        what = f"it has {len(work.model.graph.input)} inputs, a converter has one vector"
        raise work.wrong(what)
    kind, width = type_of(work, output.name), work.width(vectors[0])
    emit = Emitter(work.model, "pre/")
    value = pictures.typed(emit, "vectors", vectors[0].type.tensor_type.elem_type)
    tools.rename(work.model, {vectors[0].name: value})
    extents = output.type.tensor_type.shape.dim
    made = extents[-1].dim_value if extents else 0
    if kind == FLOAT:
        tools.rename(work.model, {output.name: "converted"})
    else:
        Emitter(work.model, "post/").cast(output.name, FLOAT, name="float", out="converted")
    declare(
        work,
        {"vectors": (FLOAT, (1, width))},
        {"converted": (FLOAT, (1, made or "d"))},
    )
