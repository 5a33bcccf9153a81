"""The paper beside an engine: what it depends on, what was seen of it, what it weighs.

    built       a builder made it
    ran         it was opened and ran on the GPU that is named
    accepted    its outputs were within the recipe's bounds of FP32

An engine is loaded only when it is accepted and every dependency is what it is here and
now.  The three are kept apart, each with its date and figures.  Knows the form; the
folders are :mod:`edged.runtime.build.store`'s.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import msgspec

from edged.errors import EngineError
from edged.runtime.backend import Profile

NAME = "manifest.json"
FORM = 1
"""Of the file; one of another form is as good as none."""

_KEY_CHARS = 16
_SOURCE = "builder's graph"
_HASH_CHARS = 12


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The form of every table here: no key more, none less."""


class Depends(_Strict, frozen=True):
    """Everything that the bytes of an engine depend on.

    Attributes:
        runtime: name of the backend.
        identity: of the backend: versions, driver, GPU.
        model_sha256: of the public model file.
        recipe: digest of the part of the recipe that shapes graph, bounds and batch.
        graph: digest of the prepared FP32 graph.
        plan: digest of the precision plan; empty: the engine is FP32.
        source: digest of the graph that the builder was given; it covers edged's own
            code for graphs and conversion, whatever version that is.
        profile: extents that it takes.
        settings: build settings that change code.
    """

    runtime: str
    identity: dict[str, str]
    model_sha256: str
    recipe: str
    graph: str
    plan: str
    source: str
    profile: Profile
    settings: dict[str, str]

    @property
    def key(self) -> str:
        """Name of the engine's folder: the same only for the same dependencies."""
        plain = msgspec.json.encode(msgspec.to_builtins(self), order="sorted")
        return hashlib.sha256(plain).hexdigest()[:_KEY_CHARS]

    def differences(self, here: Depends) -> tuple[str, ...]:
        """What an engine with these dependencies lacks `here`, one phrase each.

        Such as "built for TensorRT 10.3, here is 10.16"; empty when nothing differs.
        """
        ours, theirs = dict(self._facts()), dict(here._facts())
        names = (*ours, *(name for name in theirs if name not in ours))
        found = {
            name: f"built for {name} {ours.get(name) or 'none'}, here is "
            f"{theirs.get(name) or 'none'}"
            for name in names
            if ours.get(name) != theirs.get(name)
        }
        if len(found) > 1:  # it follows from the graph, the plan or edged's own code
            found.pop(_SOURCE, None)
        return tuple(found.values())

    def _facts(self) -> Iterator[tuple[str, str]]:
        """Every single dependency with the words that a person gets to read."""
        yield "runtime", self.runtime
        yield from self.identity.items()
        yield "model", self.model_sha256[:_HASH_CHARS]
        yield "recipe", self.recipe[:_HASH_CHARS]
        yield "precision plan", self.plan[:_HASH_CHARS]
        yield "graph", self.graph[:_HASH_CHARS]
        yield _SOURCE, self.source[:_HASH_CHARS]
        for name, shapes in self.profile.inputs.items():
            yield f"extents of {name}", f"{shapes.min}/{shapes.opt}/{shapes.max}"
        yield from self.settings.items()


class Piece(_Strict, frozen=True):
    """One file of an engine, as it was when it was built."""

    sha256: str
    size_bytes: int


class Built(_Strict, frozen=True):
    """How it was built.

    Attributes:
        at_ms: when, wall clock.
        took_s: of the attempt that succeeded.
        attempts: how many it took; more than one means that the builder crashed.
        peak_mb: main memory that the build was seen to use.
        edged: version of edged that did it.
    """

    at_ms: int
    took_s: float
    attempts: int
    peak_mb: int
    edged: str


class Ran(_Strict, frozen=True):
    """That it was opened and ran.

    Attributes:
        at_ms: when, wall clock.
        on: the GPU, or the processor.
        load_s: time to open it.
        p50_ms: of a run at batch `opt`.
    """

    at_ms: int
    on: str
    load_s: float
    p50_ms: float


class Verdict(_Strict, frozen=True):
    """What the comparison with FP32 said.

    Attributes:
        at_ms: when, wall clock.
        accepted: within every bound.
        figures: measured, the worst face of all batches: `psnr_db`, `cosine`, ...
        bounds: from the recipe, under the names of the figures.
        batches: sizes that were run.
        faces: outputs that were compared, each alone.
        reason: what was out of bounds; empty when accepted.
    """

    at_ms: int
    accepted: bool
    figures: dict[str, float]
    bounds: dict[str, float]
    batches: tuple[int, ...]
    faces: int
    reason: str = ""


class Manifest(_Strict, frozen=True):
    """The file `manifest.json` of an engine.

    Attributes:
        form: of this file.
        model: id of the recipe.
        artifact: name of the main file.
        depends: see there.
        precision: "fp16" (as planned) or "fp32".
        precision_note: why, in one sentence.
        files: every file of the folder but this one.
        built, ran, verdict: what was seen; None: not seen.
        problem: why it did not run; empty when it did.
    """

    model: str
    artifact: str
    depends: Depends
    precision: str
    precision_note: str
    files: dict[str, Piece]
    built: Built
    ran: Ran | None = None
    verdict: Verdict | None = None
    problem: str = ""
    form: int = FORM

    @property
    def accepted(self) -> bool:
        """Whether it may be loaded, as far as its outputs go."""
        return self.ran is not None and self.verdict is not None and self.verdict.accepted

    @property
    def status(self) -> str:
        """The farthest that it came: "built", "ran", "accepted" or "rejected"."""
        if self.verdict is not None:
            return "accepted" if self.accepted else "rejected"
        return "ran" if self.ran is not None else "built"

    @property
    def why_not(self) -> str:
        """Why it is not accepted, as a sentence's end; empty when it is."""
        if self.accepted:
            return ""
        if self.verdict is not None and self.verdict.reason:
            return self.verdict.reason
        return self.problem or "it was never compared with FP32"

    @property
    def size_bytes(self) -> int:
        """All files together."""
        return sum(piece.size_bytes for piece in self.files.values())


def read(folder: Path) -> Manifest:
    """The manifest in a folder.

    Raises:
        EngineError: it is absent, damaged or of another form.
    """
    path = folder / NAME
    try:
        manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
    except OSError as error:
        raise EngineError(f"{path} cannot be read ({error.strerror}): build it again") from error
    except msgspec.MsgspecError as error:
        raise EngineError(f"{path} is damaged or of another version: build it again") from error
    if manifest.form != FORM:
        raise EngineError(f"{path} has form {manifest.form}, this edged writes {FORM}")
    return manifest


def encode(manifest: Manifest) -> bytes:
    """The manifest as indented JSON, which a person may read, too."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"
