"""Which runtime serves, for the device and for each model: a value with its reason.

    require   that one, or an error with the cure
    prefer    that one, else the next best, marked as not wished for
    neither   the best that works

Sans I/O: what works here and which engines there are is found out by others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from edged.errors import EngineError
from edged.runtime.libraries.finding import Finding
from edged.runtime.session import RuntimeChoice
from edged.runtime.trt import PROVEN

ORDER = ("tensorrt", "tensorrt-rtx", "cuda", "cpu")
"""From the best to the one that always works."""

_UNSEEN = (
    "this version of edged was not seen running on it, so an engine is used only after its "
    "outputs matched FP32 on this device"
)
UNPROVEN = {
    "tensorrt-rtx": f"TensorRT-RTX: unproven; {_UNSEEN}",
    **({} if PROVEN else {"tensorrt": f"native TensorRT: unproven; {_UNSEEN}"}),
}
"""Said in `info` of a runtime that nobody has seen running with this code."""


@dataclass(frozen=True)
class Wish:
    """What the configuration asks for; at most one of the two is set.

    Attributes:
        require: this runtime or none.
        prefer: this one if it works.
    """

    require: str = ""
    prefer: str = ""

    @property
    def order(self) -> tuple[str, ...]:
        """Runtimes to try, best first."""
        if self.require:
            return (self.require,)
        return tuple(dict.fromkeys((self.prefer, *ORDER))) if self.prefer else ORDER

    @property
    def words(self) -> str:
        """How the first of them was asked for."""
        return "required" if self.require else "preferred" if self.prefer else "the best here"


@dataclass(frozen=True)
class Refusal:
    """Why a runtime does not serve a model, or nothing at all.

    Attributes:
        slug: such as "no-driver" or "engine-stale".
        text: for people, with what to do; every reason.
        first: the first reason alone; empty: `text` has one only.
    """

    slug: str
    text: str
    first: str = ""

    @classmethod
    def of(cls, findings: Iterable[Finding]) -> Refusal | None:
        """The findings in one; None when there are none."""
        found = list(findings)
        if not found:
            return None
        return cls(found[0].slug, ". ".join(map(str, found)), str(found[0]))


@dataclass(frozen=True)
class Served:
    """What a runtime has for a model.

    Attributes:
        precision: see :class:`RuntimeChoice`.
        engine: likewise.
    """

    precision: str = "fp32"
    engine: Mapping[str, Any] = field(default_factory=dict)


Offer = Callable[[str], "Served | Refusal"]
"""Asked for a runtime by name: what it has for the model in question, or why not."""


def choose(wish: Wish, offer: Offer, *, model_id: str = "") -> RuntimeChoice:
    """The runtime for one model, or for the device.

    Args:
        wish: of the configuration.
        offer: asked from the best runtime on, until one serves.
        model_id: for messages; empty for the device.

    Raises:
        EngineError: the required runtime cannot serve; the message holds the cure.
    """
    whose = f"model {model_id}: " if model_id else ""
    refused: list[tuple[str, Refusal]] = []
    for name in wish.order:
        found = offer(name)
        if isinstance(found, Refusal):
            refused.append((name, found))
            continue
        return _chosen(wish, name, found, refused)
    name, why = refused[0]
    if wish.require:
        raise EngineError(f"{whose}runtime {name} is required and cannot be had: {why.text}")
    raise EngineError(f"{whose}no runtime can be had; {refused[-1][1].text}")


def _chosen(
    wish: Wish, name: str, found: Served, refused: list[tuple[str, Refusal]]
) -> RuntimeChoice:
    asked = wish.require or wish.prefer
    wished = not asked or name == asked
    why = "; ".join(_reasons(refused, asked))
    reason = f"{name} is {wish.words}" if wished else f"{asked} is preferred, {name} serves"
    slug = "" if wished else f"{asked}-{refused[0][1].slug}"
    full = f"{reason}; {why}" if why else reason
    return RuntimeChoice(name, found.precision, full, wished, slug, dict(found.engine))


def _reasons(refused: list[tuple[str, Refusal]], asked: str) -> list[str]:
    """Why not the better ones, those with the same reason together.

    Args:
        refused: runtimes and why.
        asked: all that is to be mended is told of this one, the first thing of others.
    """
    grouped: dict[str, list[str]] = {}
    for name, refusal in refused:
        text = refusal.text if name == asked else refusal.first or refusal.text
        grouped.setdefault(text, []).append(name)
    return [f"not {', '.join(names)}: {text}" for text, names in grouped.items()]


def summary(device: RuntimeChoice, models: Mapping[str, RuntimeChoice]) -> RuntimeChoice:
    """The device's choice in the light of its models': what serves, and who strays.

    Args:
        device: what was chosen before any engine was looked at.
        models: by id, those that run on a runtime at all.

    Returns:
        A choice whose name and precision are those of every model, or "mixed".
    """
    if not models:
        return device
    name = _one({one.name for one in models.values()})
    precision = _one({one.precision for one in models.values()})
    astray = {mid: one for mid, one in models.items() if one.name != device.name}
    unwished = next((one for one in astray.values() if not one.wished), None)
    told = [f"{mid} runs on {one.name} ({one.reason})" for mid, one in astray.items()]
    return replace(
        device,
        name=name,
        precision=precision,
        reason="; ".join([device.reason, *told]),
        wished=device.wished and unwished is None,
        slug=device.slug or (unwished.slug if unwished else ""),
    )


def _one(found: set[str]) -> str:
    return found.pop() if len(found) == 1 else "mixed"
