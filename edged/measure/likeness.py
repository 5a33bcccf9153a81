"""How much an accepted swap may resemble its input: a swapper's bounds, measured.

Every person of the photos is swapped with several of the others by the configured swapper
(and restorer), pasted as the pipeline pastes, and compared with the input by the guard's two
pixel tests; so are crops that hide nobody.  Pictures are in memory only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edged.cast import make_character
from edged.faces import Floats, Image, Tensor
from edged.measure.attacks import ATTACKS, attacked
from edged.measure.identity import FEWEST_PEOPLE, aligned, to_template
from edged.measure.people import Gathered, Shown, Told
from edged.measure.rates import Parted, part
from edged.pipeline.parts import Stages
from edged.privacy.pixels import coarse_correlation, untouched_share
from edged.stages.align import crops
from edged.stages.easel import HostPicture
from edged.stages.layers import Layer

FILLED_MAX = 0.05
"""Of the accepted swaps; more than one in twenty filled without need is no bound to use."""

_MISS_COST = 1000.0
"""No attack may pass, whatever that costs in swaps."""

_LEAVES = 0.25
"""Untouched share from which an attack is one that leaves parts alone: an eye bar does."""

_FACES_AT_MOST = 40
"""Of different people; swaps of more would take minutes and move no bound."""


@dataclass(frozen=True, repr=False, eq=False)
class Likeness:
    """What was measured.

    Attributes:
        people: how many faces were swapped and attacked.
        swaps, attacks: (n, 2) coarse correlation and untouched share of each.
        named: the attack of each row.
        cosines: (n,) of swaps with their input, as the guard's recogniser sees them.
        untouched: bound of the untouched share, from attacks that leave parts alone.
        coarse: bound of the coarse correlation, from the attacks that pass the other one.
    """

    people: int
    swaps: Floats
    attacks: Floats
    named: tuple[str, ...]
    cosines: Floats
    untouched: Parted | None
    coarse: Parted | None

    @property
    def filled(self) -> float:
        """Share of accepted swaps that the two bounds would fill."""
        return float(self._caught(self.swaps).mean())

    @property
    def passed(self) -> list[str]:
        """Attacks that the two bounds would let pass on somebody."""
        caught = self._caught(self.attacks)
        return sorted({name for name, hit in zip(self.named, caught, strict=True) if not hit})

    @property
    def problem(self) -> str:
        """Why no bounds may be written; empty when they may."""
        if self.people < FEWEST_PEOPLE or self.coarse is None or self.untouched is None:
            return f"faces of {self.people} people were found; {FEWEST_PEOPLE} are needed"
        if self.passed:
            return f"no bound tells swaps from these attacks: {', '.join(self.passed)}"
        if self.filled > FILLED_MAX:
            return (
                f"swaps and attacks are not apart: bounds that catch every attack would fill "
                f"{self.filled:.0%} of the swaps ({FILLED_MAX:.0%} at most may be); does the "
                "swapper work? `edged sheet` shows it"
            )
        return ""

    def _caught(self, rows: Floats) -> Floats:
        assert self.coarse is not None
        assert self.untouched is not None
        return np.asarray(
            (rows[:, 0] > self.coarse.bound) | (rows[:, 1] > self.untouched.bound), np.float32
        )


def measure_likeness(gathered: Gathered, stages: Stages, sources: int, tell: Told) -> Likeness:
    """Swap and attack one face of each person.

    Args:
        gathered: the photos.
        stages: loaded.
        sources: how many of the other people each one is turned into.
        tell: told the progress.
    """
    first = {one.person: one for one in reversed(gathered.shown)}
    faces = [first[person] for person in sorted(first)][:_FACES_AT_MOST]
    swaps, attacks = [np.zeros((0, 2))], [np.zeros((0, 2))]
    cosines = [np.zeros(0, np.float32)]
    known_by = [_source(one, stages) for one in faces]
    for number, one in enumerate(faces):
        tell("swap and attack", number / len(faces))
        others = [known_by[(number + step) % len(faces)] for step in range(1, len(faces))]
        before = aligned(one)[0]
        after = [out for source in others[:sources] for out in _swapped(one, stages, source)]
        if after:
            swaps.append(np.array([_measured(before, each) for each in after]))
            cosines.append(_nearest(before, after, stages))
        changed = [_attacked(one, stages, name) for name in ATTACKS]
        attacks.append(np.array([_measured(before, each) for each in changed]))
    swapped = np.concatenate(swaps).astype(np.float32)
    attacked = np.concatenate(attacks).astype(np.float32)
    untouched, coarse = _bounds(swapped, attacked)
    return Likeness(
        len(faces),
        swapped,
        attacked,
        tuple(ATTACKS) * len(faces),
        np.concatenate(cosines),
        untouched,
        coarse,
    )


def _bounds(swaps: Floats, attacks: Floats) -> tuple[Parted | None, Parted | None]:
    """Untouched share first: the coarse one must only catch what that lets pass."""
    leaves = attacks[:, 1] >= _LEAVES
    if not len(swaps) or not leaves.any():
        return None, None
    untouched = part(swaps[:, 1], attacks[leaves, 1], miss_cost=_MISS_COST)
    rest = attacks[attacks[:, 1] <= untouched.bound]
    if not len(rest):
        return untouched, None
    return untouched, part(swaps[:, 0], rest[:, 0], miss_cost=_MISS_COST)


def _source(one: Shown, stages: Stages) -> Tensor:
    """What the swapper knows a person by."""
    made = make_character(
        "photo", [one.image], lambda _: [],
        embedder=stages.embedder, swapper=stages.swapper, landmarks=[one.landmarks],
    )  # fmt: skip
    return made.source


def _swapped(one: Shown, stages: Stages, source: Tensor) -> list[Image]:
    """The recogniser's crop after the swap, and after swap and restorer where there is one."""
    swapper, restorer = stages.swapper, stages.restorer
    out = np.empty_like(one.image)
    canvas = HostPicture(one.image).canvas(out)
    to_swap = [to_template(one, swapper.template_name, swapper.size_px)]
    swapped = canvas.swap(swapper, to_swap, source[None])
    layers = [] if swapped.masks is None else [Layer(swapped.masks, to_swap)]
    canvas.paste(swapped.crops, to_swap, stages.swap_mask, layers)
    found = [aligned(Shown(0, "", out, one.landmarks))[0]]
    if restorer is not None and stages.restore_mask is not None:
        to_restore = [to_template(one, restorer.template_name, restorer.size_px)]
        canvas.paste(canvas.restore(restorer, to_restore, 1.0), to_restore, stages.restore_mask)
        found.append(aligned(Shown(0, "", out, one.landmarks))[0])
    return found


def _attacked(one: Shown, stages: Stages, name: str) -> Image:
    """The recogniser's crop after a swapper that gave back something else."""
    swapper = stages.swapper
    out = np.empty_like(one.image)
    canvas = HostPicture(one.image).canvas(out)
    to_swap = [to_template(one, swapper.template_name, swapper.size_px)]
    crop = crops(one.image, to_swap, swapper.size_px)[0]
    changed = attacked(name, crop, swapper.template_name)
    canvas.paste(changed[None], to_swap, stages.swap_mask)
    return np.asarray(aligned(Shown(0, "", out, one.landmarks))[0], np.uint8)


def _measured(before: Image, after: Image) -> tuple[float, float]:
    return coarse_correlation(before, after), untouched_share(before, after)


def _nearest(before: Image, after: Sequence[Image], stages: Stages) -> Floats:
    """Cosines of swaps with their input, the mirror image included, as the guard takes them."""
    stack = np.stack([before, *after, *(each[:, ::-1] for each in after)])
    vectors = stages.recogniser(np.ascontiguousarray(stack))
    return np.asarray((vectors[1:] @ vectors[0]).reshape(2, -1).max(axis=0), np.float32)
