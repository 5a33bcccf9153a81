"""Gets models: tries each source of a recipe, takes files out of archives.

An archive serves all models of one call that are in it, and is removed afterwards.
Knows sources and archives; the folder's rules are the store's, bytes are fetched by
:mod:`edged.store.download`.
"""

from __future__ import annotations

import urllib.parse
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from edged.errors import EdgedError, LinkError, ModelError
from edged.hashes import file_sha256, make_folder
from edged.recipe import UNPINNED, Recipe, Source
from edged.store.download import Patience, Progress, Wanted, fetch, forget, part_path
from edged.store.files import (
    ARCHIVES,
    MAX_MODEL_BYTES,
    ModelStatus,
    ModelStore,
    Trust,
    remove_leftovers,
)
from edged.store.http import host

OnStart = Callable[[Recipe, str], Progress]
"""Called when a file begins to come: recipe and server; gives the progress callback."""


@dataclass
class _Visit:
    """One call: the store, how to ask and to tell, and what it leaves behind."""

    store: ModelStore
    trust: Trust
    on_start: OnStart
    patience: Patience
    archives: set[str] = field(default_factory=set)


def pull(
    store: ModelStore,
    model_ids: Iterable[str],
    *,
    trust: Trust,
    on_start: OnStart,
    mirror: str = "",
    patience: Patience | None = None,
) -> list[ModelStatus]:
    """Download models that are not there yet.

    Args:
        store: where they go.
        model_ids: which; built-in ones are passed over.
        trust: asked about files without a pinned hash.
        on_start: told of each file.
        mirror: https:// or file:// folder that has the files or archives under their own
            names, used instead of the recipes' sources.
        patience: of the network.

    Raises:
        LinkError: no source could be reached; the same call continues later.
        ModelError: no source has the right file.
        OperatorError: no room on the disk.
    """
    visit = _Visit(store, trust, on_start, patience or Patience())
    done = []
    make_folder(store.folder)
    for model_id in model_ids:
        recipe = store.recipe(model_id)
        status = store.verify(model_id)
        if status.state != "ready" and not recipe.builtin:
            status = _pull_one(visit, recipe, _sources(recipe, mirror))
        done.append(status)
    remove_leftovers(store.folder, visit.archives)
    return done


def _sources(recipe: Recipe, mirror: str) -> tuple[Source, ...]:
    if not mirror:
        return recipe.sources
    base = mirror.rstrip("/")
    plain = Source(url=f"{base}/{urllib.parse.quote(recipe.file)}")
    packed = {
        source.url.rpartition("/")[2]: Source(
            url=f"{base}/{source.url.rpartition('/')[2]}",
            member=source.member,
            archive_sha256=source.archive_sha256,
        )
        for source in recipe.sources
        if source.member
    }
    return (plain, *packed.values())


def _pull_one(visit: _Visit, recipe: Recipe, sources: tuple[Source, ...]) -> ModelStatus:
    """The first source that has the right file serves; all failures are told."""
    failures: list[EdgedError] = []
    for source in sources:
        try:
            return _from(visit, recipe, source)
        except (LinkError, ModelError) as error:  # noqa: PERF203 - each source has its own
            failures.append(error)
    if not failures:
        raise ModelError(
            f"model {recipe.id}: its recipe names no source; get the file from "
            f"{recipe.licence.vendor} and run `edged models import FILE --as {recipe.id}`"
        )
    reasons = "\n".join(f"  {failure}" for failure in failures)
    kind = LinkError if any(isinstance(f, LinkError) for f in failures) else ModelError
    raise kind(
        f"model {recipe.id} could not be had:\n{reasons}\n  With the file at hand: "
        f"`edged models import FILE --as {recipe.id}`"
    )


def _from(visit: _Visit, recipe: Recipe, source: Source) -> ModelStatus:
    if source.member:
        archive = _archive(visit, recipe, source)
        return _unpack(visit, recipe, source, archive)
    local = local_path(source.url)
    if local:
        return visit.store.import_file(recipe.id, local, visit.trust)
    target = visit.store.target(recipe.id)
    part = part_path(target, source.url)
    limit = recipe.size_bytes or MAX_MODEL_BYTES
    wanted = Wanted(source.url, recipe.size_bytes, limit, same=recipe.pinned)
    fetch(wanted, part, visit.on_start(recipe, host(source.url)), visit.patience)
    try:
        status = visit.store.accept(recipe, part, source.url, visit.trust)
    except ModelError:
        if recipe.pinned:  # the wrong file; an untrusted one is kept for a second thought
            forget(part)
        raise
    forget(part)
    return status


def _archive(visit: _Visit, recipe: Recipe, source: Source) -> Path:
    """The archive of a source, complete and, where it is pinned, right."""
    local = local_path(source.url)
    if local:
        if not local.is_file():
            raise ModelError(f"{local} is absent")
        _check_archive(local, source)
        return local
    target = visit.store.folder / ARCHIVES / source.url.rpartition("/")[2]
    visit.archives.add(target.name)
    if target.is_file():
        return target
    part = part_path(target, source.url)
    pinned = source.archive_sha256 != UNPINNED
    wanted = Wanted(source.url, 0, MAX_MODEL_BYTES, same=pinned)
    fetch(wanted, part, visit.on_start(recipe, host(source.url)), visit.patience)
    try:
        _check_archive(part, source)
    except ModelError:
        forget(part)
        raise
    part.replace(target)
    forget(part)
    return target


def _check_archive(path: Path, source: Source) -> None:
    if source.archive_sha256 == UNPINNED:
        return
    found = file_sha256(path)
    if found != source.archive_sha256:
        raise ModelError(
            f"{source.url} has SHA-256 {found}, the recipe says {source.archive_sha256}"
        )


def _unpack(visit: _Visit, recipe: Recipe, source: Source, archive: Path) -> ModelStatus:
    """Takes one member out, by its base name, and never more bytes than the recipe says."""
    try:
        with zipfile.ZipFile(archive) as packed:
            fitting = [
                info
                for info in packed.infolist()
                if not info.is_dir() and info.filename.rpartition("/")[2] == source.member
            ]
            if len(fitting) != 1:
                count = f"{len(fitting)} files {source.member}"
                raise ModelError(f"{source.url} holds {count}, not one")
            with packed.open(fitting[0]) as stream:
                return visit.store.take_in(recipe, stream, source.url, visit.trust)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, zlib.error) as error:
        raise ModelError(f"{source.url} is no archive that can be read ({error})") from error


def local_path(url: str) -> Path | None:
    """The path of a `file://` address, None for any other."""
    split = urllib.parse.urlsplit(url)
    return Path(urllib.request.url2pathname(split.path)) if split.scheme == "file" else None
