"""Makes the pictures of a contact sheet: a photo through every variant of every scene.

The pipeline is the daemon's, guard included; what the guard said is a part of the caption.
Photos come from files that a person named, and stay in memory.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

import msgspec

from edged.config import Config
from edged.daemon.assemble import Kit, assemble
from edged.faces import Image
from edged.pipeline.parts import Job, Outcome
from edged.privacy.guard import Passed, Refused
from edged.recipe import list_recipes
from edged.sheets.onlooker import Onlooker
from edged.sheets.variants import Variant, loaded_for, variants
from edged.transport.wire import ConsentEntry

Told = Callable[[str, float], None]
Box = tuple[int, int, int, int]

_MOST_FACES = 64


@dataclass(frozen=True, repr=False, eq=False)
class Proof:
    """A photo in one variant.

    Attributes:
        variant: what was made.
        image: (h, w, 3) uint8 BGR before the guard filled anything, or None where nothing
            came about.
        boxes: of the faces that were swapped or put into slots, px in `image`.
        kept_in: why the guard would keep it in; empty where it passes.
        filled: faces that the guard, or the scene, would fill.
    """

    variant: Variant
    image: Image | None
    boxes: tuple[Box, ...]
    kept_in: str
    filled: int

    @property
    def note(self) -> str:
        """What the guard said, for the caption."""
        if self.kept_in:
            return f"kept in: {self.kept_in}"
        return f"{self.filled} filled" if self.filled else ""


class Proofs:
    """The loaded pipeline; a context manager.

    Args:
        config: checked.
        names: scenes to show; all where empty.
        tell: told what is done.
    """

    def __init__(self, config: Config, names: tuple[str, ...], tell: Told) -> None:
        self._config = config
        self._names = names or tuple(config.scenes)
        self._tell = tell
        self._stack = ExitStack()
        self._guards: list[Onlooker] = []
        self.variants: list[Variant] = []

    def __enter__(self) -> Proofs:  # noqa: PYI034 - typing.Self needs Python 3.11
        """Load every model that any variant needs."""
        with self._stack as stack:
            recipes = list_recipes(self._config.models.recipes)
            side = recipes[self._config.models.swapper].contract.size_px
            self.variants = variants(self._config, self._names, side)
            config = loaded_for(self._config, self.variants)
            self._kit: Kit = assemble(
                config, stack, lambda step: self._tell(step, 0.0), make_guard=self._onlooker
            )
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        """Close the sessions."""
        self._stack.close()

    def _onlooker(self, **fields: object) -> Onlooker:
        self._guards.append(Onlooker(**fields))  # type: ignore[arg-type]
        return self._guards[-1]

    def of(self, photo: Image, name: str) -> list[Proof]:
        """A photo through every variant.

        Args:
            photo: (h, w, 3) uint8 BGR.
            name: of it, for progress.
        """
        made = []
        for number, variant in enumerate(self.variants):
            self._tell(f"{name}: {variant.key}", number / len(self.variants))
            made.append(self._proof(photo, variant))
        return made

    def _proof(self, photo: Image, variant: Variant) -> Proof:
        (guard,) = self._guards
        guard.shown.clear()
        outcome = self._made(photo, variant)
        try:
            ruling = outcome.ruling
            image = guard.shown[0] if guard.shown else None
            if isinstance(ruling, Passed) and image is None:  # an empty scene, let through
                image = ruling.image.copy()
            boxes = tuple(n.box_px for n in outcome.faces if n.action in {"swapped", "slot"})
            note = outcome.guard
            filled = note.filled if note else 0
        finally:
            if outcome.buffer is not None:
                outcome.buffer.release()
        kept_in = ruling.reason.value if isinstance(ruling, Refused) else ""
        return Proof(variant, image, boxes, kept_in, filled)

    def _made(self, photo: Image, variant: Variant) -> Outcome:
        """One run.

        A portrait is told that the largest faces agree: who names a file for a sheet has
        seen to that, and the picture goes nowhere.
        """
        scene = variant.scene
        consents: tuple[ConsentEntry, ...] = ()
        if scene.mode == "portrait":
            scene = msgspec.structs.replace(scene, surplus_faces="largest")
            consents = tuple(ConsentEntry(f"sheet-{i}") for i in range(_MOST_FACES))
        job = Job("sheet", variant.key, scene, whole=True, consents=consents)
        return self._kit.pipeline.process(photo, job)
