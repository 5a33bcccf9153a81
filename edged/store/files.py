"""The model folder: paths, states, hashes, and taking a file in.

A model is `<folder>/<recipe.file>` and beside it `<file>.sha256` (sha256sum's form), the
hash that it had when it was taken in.  A pinned model must have the recipe's hash; an
unpinned one must keep the hash that a person trusted.  Knows nothing of networks.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from edged.errors import ModelError, OperatorError
from edged.fresh_file import sync_folder
from edged.hashes import file_sha256, make_folder, record, recorded
from edged.recipe import Recipe, unknown_model

log = logging.getLogger(__name__)

State = Literal["ready", "absent", "partial", "unverified", "damaged"]
Trust = Callable[[Recipe, str], bool]
"""Asked whether to trust a file without a pinned hash: recipe and SHA-256."""

_BLOCK_BYTES = 1 << 20
_PACK_NOTE = ".builtin-pack"


@dataclass(frozen=True)
class ModelStatus:
    """How it stands with one model's file.

    Attributes:
        id: of the model.
        state: "ready", "absent", "partial" (a download to be continued), "unverified"
            (there, but nobody checked its hash) or "damaged" (it is not what it was).
        path: where it is or would be; None for the cascades, which OpenCV carries.
        size_bytes: on disk.
        sha256: as found or recorded; empty when unknown.
        detail: a sentence for a person, with what to do.
    """

    id: str
    state: State
    path: Path | None
    size_bytes: int = 0
    sha256: str = ""
    detail: str = ""


@dataclass(frozen=True)
class ModelStore:
    """Model files of a set of recipes in one folder.

    Attributes:
        folder: made when something is put into it.
        recipes: by id.
        inspect: looks into an unpinned file and raises ModelError where it is not what its
            recipe says; None looks at nothing.
    """

    folder: Path
    recipes: Mapping[str, Recipe]
    inspect: Callable[[Recipe, Path], object] | None = None

    def recipe(self, model_id: str) -> Recipe:
        """The recipe of a model.

        Raises:
            ModelError: there is none.
        """
        if model_id not in self.recipes:
            raise ModelError(unknown_model(model_id, self.recipes))
        return self.recipes[model_id]

    def target(self, model_id: str) -> Path:
        """Where the file of a model belongs, there or not."""
        return self.folder / self.recipe(model_id).file

    def path(self, model_id: str) -> Path:
        """The file of a model that is there and, as far as a glance can tell, right.

        Raises:
            ModelError: it is absent or damaged, with the command that helps.
        """
        status = self.status(model_id)
        if status.path is None:
            raise ModelError(f"model {model_id} has no file: OpenCV carries it")
        if status.state in ("absent", "partial", "damaged"):
            raise ModelError(f"model {model_id}: {status.detail}")
        return status.path

    def ready(self, model_id: str) -> Path:
        """The file of a model for running it: like `path`, and its hash was checked once.

        A pinned file with another hash is never given out; an unpinned one that nobody
        vouched for is, and `status` says so.

        Raises:
            ModelError: absent or damaged, with the command that helps.
        """
        path = self.path(model_id)
        if self.status(model_id).state == "unverified":
            status = self.verify(model_id)
            if status.state == "damaged":
                raise ModelError(f"model {model_id}: {status.detail}")
            if status.state == "unverified":
                log.warning("model %s: %s", model_id, status.detail)
        return path

    def status(self, model_id: str) -> ModelStatus:
        """State of a model at a glance: size and recorded hash, no reading of the file."""
        recipe = self.recipe(model_id)
        if not recipe.file:
            return ModelStatus(model_id, "ready", None, detail="comes with OpenCV")
        path = self.folder / recipe.file
        if not path.is_file():
            return self._absent(recipe, path)
        size = path.stat().st_size
        noted = recorded(path)
        known = noted in recipe.known_sha256
        if recipe.size_bytes and size != recipe.size_bytes and not known:
            detail = f"{path} has {size} bytes, not {recipe.size_bytes}; {_cure(recipe)}"
            return ModelStatus(model_id, "damaged", path, size, noted, detail)
        if recipe.pinned and noted and noted != recipe.sha256 and not known:
            detail = f"{path} is not the file of the recipe; {_cure(recipe)}"
            return ModelStatus(model_id, "damaged", path, size, noted, detail)
        if not noted:
            detail = f"its hash was never checked; run `edged models verify {model_id}`"
            return ModelStatus(model_id, "unverified", path, size, "", detail)
        return ModelStatus(model_id, "ready", path, size, noted)

    def sha256(self, model_id: str) -> str:
        """Hash of a model's file, for `info`: the recorded one if the file is older.

        Raises:
            ModelError: absent, or not the file of the recipe.
        """
        path = self.ready(model_id)
        return recorded(path) or file_sha256(path)

    def verify(self, model_id: str) -> ModelStatus:
        """State of a model after reading its whole file.

        A right file whose hash was not recorded yet is recorded; an unpinned one that
        nobody has trusted stays "unverified".
        """
        status = self.look(model_id)
        if status.state == "ready" and status.path is not None:
            # The engine may only read here; it is hashed again then.
            with contextlib.suppress(OSError):
                record(status.path, status.sha256)
        return status

    def look(self, model_id: str) -> ModelStatus:
        """The same without recording anything: for looking at a folder of somebody else's."""
        recipe = self.recipe(model_id)
        path = self.folder / recipe.file
        if not recipe.file or not path.is_file():
            return self.status(model_id)
        found, size = file_sha256(path), path.stat().st_size
        expected = recipe.sha256 if recipe.pinned else recorded(path, fresh=False)
        known = found in recipe.known_sha256
        if expected and found != expected and not known:
            detail = f"{path} has SHA-256 {found}, not {expected}; {_cure(recipe)}"
            return ModelStatus(model_id, "damaged", path, size, found, detail)
        if not expected and not known:
            detail = (
                "no source gives a hash to check it by; compare this one with a source that "
                f"you trust, then run `edged models import {path} --as {model_id}`"
            )
            return ModelStatus(model_id, "unverified", path, size, found, detail)
        return ModelStatus(model_id, "ready", path, size, found)

    def import_file(self, model_id: str, file: Path, trust: Trust) -> ModelStatus:
        """Copy a file that a person has into the folder.

        Raises:
            ModelError: it is not the file of the recipe, or was not trusted.
        """
        recipe = self.recipe(model_id)
        if not recipe.file:
            raise ModelError(f"model {model_id} has no file: OpenCV carries it")
        if recipe.builtin:
            raise ModelError(f"model {model_id} is made by edged itself: `edged models pull`")
        try:
            with file.open("rb") as source:
                return self.take_in(recipe, source, f"{file}", trust)
        except OSError as error:
            raise ModelError(f"{file}: cannot be copied: {error.strerror}") from error

    def take_in(
        self,
        recipe: Recipe,
        source: IO[bytes],
        origin: str,
        trust: Trust,
        *,
        vouched: bool = False,
    ) -> ModelStatus:
        """Copy a stream into place: bounded, hashed on the way, renamed when it is right.

        Args:
            recipe: of the model.
            source: the file's bytes.
            origin: where they come from, for messages.
            trust: asked about a file that nothing vouches for.
            vouched: the archive that it comes from has the hash that was asked for.

        Raises:
            ModelError: wrong size or hash, or not trusted; nothing was changed.
        """
        make_folder(self.folder)
        one_size = recipe.size_bytes and not recipe.known_sha256
        limit = recipe.size_bytes if one_size else MAX_MODEL_BYTES
        handle, name = tempfile.mkstemp(dir=self.folder, prefix=f".{recipe.file}.", suffix=".new")
        new = Path(name)
        try:
            with os.fdopen(handle, "wb") as copy:
                while block := source.read(_BLOCK_BYTES):
                    copy.write(block)
                    if copy.tell() > limit:
                        raise ModelError(
                            f"{origin} is larger than {limit} bytes; it is not {recipe.id}"
                        )
                copy.flush()
                os.fsync(copy.fileno())
            return self.accept(recipe, new, origin, trust, vouched=vouched)
        finally:
            new.unlink(missing_ok=True)

    def accept(
        self, recipe: Recipe, new: Path, origin: str, trust: Trust, *, vouched: bool = False
    ) -> ModelStatus:
        """Rename a complete file of the folder into place, if it is the right one.

        A file whose hash no source gives must at least be what its recipe says, before
        anybody is asked to trust it.

        Raises:
            ModelError: it is not, or a person did not trust it.
        """
        size, found = new.stat().st_size, file_sha256(new)
        known = found in recipe.known_sha256
        if recipe.size_bytes and size != recipe.size_bytes and not known:
            raise ModelError(f"{origin} has {size} bytes, {recipe.id} has {recipe.size_bytes}")
        if recipe.pinned and found != recipe.sha256 and not known:
            raise ModelError(f"{origin} has SHA-256 {found}, {recipe.id} has {recipe.sha256}")
        familiar = recipe.pinned or vouched or known
        if not recipe.pinned and self.inspect:
            self.inspect(recipe, new)
        if not familiar and not trust(recipe, found):
            raise ModelError(f"{origin}: SHA-256 {found} was not trusted; nothing was changed")
        path = self.folder / recipe.file
        new.chmod(0o644)
        new.replace(path)
        record(path, found)
        sync_folder(self.folder)
        return ModelStatus(recipe.id, "ready", path, size, found)

    def ensure_builtin(self, write: Callable[[Path], object], version: str) -> None:
        """Make the built-in pack's files, unless this version of them is there.

        Args:
            write: `edged.builtin.pack.write_pack`.
            version: `edged.builtin.pack.PACK_VERSION`.

        Raises:
            OperatorError: the folder cannot be written to.
        """
        ours = [r for r in self.recipes.values() if r.builtin and r.file]
        note = self.folder / _PACK_NOTE
        there = all((self.folder / recipe.file).is_file() for recipe in ours)
        if there and note.is_file() and note.read_text() == version:
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            write(self.folder)
            for recipe in ours:
                path = self.folder / recipe.file
                record(path, file_sha256(path))
            note.write_text(version)
        except OSError as error:
            raise OperatorError(
                f"the model folder {self.folder} cannot be written to ({error.strerror}); set "
                "models.folder, or run `edged models pull` as its owner"
            ) from error

    def _absent(self, recipe: Recipe, path: Path) -> ModelStatus:
        parts = [*self.folder.glob(f".{recipe.file}.*.part")]
        parts += [
            part
            for source in recipe.sources
            if source.member
            for part in (self.folder / ARCHIVES).glob(f".{source.url.rpartition('/')[2]}.*.part")
        ]
        size = max((part.stat().st_size for part in parts), default=0)
        if size:
            detail = f"{size} bytes of a download; `edged models pull {recipe.id}` continues it"
            return ModelStatus(recipe.id, "partial", path, size, "", detail)
        return ModelStatus(recipe.id, "absent", path, detail=f"{path} is absent; {_cure(recipe)}")


MAX_MODEL_BYTES = 4 << 30
"""Bound for models whose recipe gives no size; the largest known one has 0.6 GB."""

ARCHIVES = ".archives"
"""Folder inside the model folder for archives while models are taken from them."""


def _cure(recipe: Recipe) -> str:
    if recipe.builtin or recipe.sources:
        return f"run `edged models pull {recipe.id}`"
    return f"run `edged models import FILE --as {recipe.id}`"


def remove_leftovers(folder: Path, names: Iterable[str]) -> None:
    """Removes archives and empty archive folders that a pull has left."""
    for name in names:
        (folder / ARCHIVES / name).unlink(missing_ok=True)
    if (folder / ARCHIVES).is_dir() and not any((folder / ARCHIVES).iterdir()):
        shutil.rmtree(folder / ARCHIVES)
