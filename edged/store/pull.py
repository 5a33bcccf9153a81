"""Gets models: tries each source of a recipe, takes files out of archives.

An archive serves all models of one call that are in it, and is removed afterwards.
Knows sources and archives; the folder's rules are the store's, bytes are fetched by
:mod:`edged.store.download`.
"""

from __future__ import annotations

import urllib.parse
import urllib.request
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from edged.errors import EdgedError, LinkError, ModelError
from edged.hashes import file_sha256, make_folder
from edged.recipe import UNPINNED, Pack, Recipe, Source
from edged.store.archive import opened_member
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
    hashes: dict[Path, str] = field(default_factory=dict)


def pull(
    store: ModelStore,
    model_ids: Iterable[str],
    *,
    trust: Trust,
    on_start: OnStart,
    mirror: str = "",
    packs: Iterable[Pack] = (),
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
        packs: whose archives are asked for their members before the members' own sources.
        patience: of the network.

    A file that is not right keeps nobody from those after it; all failures are told.

    Raises:
        LinkError: no source could be reached; the same call continues later.
        ModelError: a source was reached and does not have the right file.
        OperatorError: no room on the disk.
    """
    visit = _Visit(store, _asked_once(trust), on_start, patience or Patience())
    done: list[ModelStatus] = []
    failed: list[EdgedError] = []
    make_folder(store.folder)
    wanted, packs = [store.recipe(model_id) for model_id in model_ids], tuple(packs)
    of_packs = {member for pack in packs for member in pack.members}
    for recipe in _with(wanted, packs):
        status = store.verify(recipe.id)
        if status.state != "ready" and not recipe.builtin:
            try:
                status = _pull_one(
                    visit, recipe, _sources(recipe, mirror, archived=recipe.id in of_packs)
                )
            except ModelError as error:
                failed.append(error)
            except LinkError as error:  # the next would wait for the same network
                failed.append(error)
                break
        done.append(status)
    if len(failed) == 1:
        raise failed[0]
    if failed:
        raise type(failed[-1])("\n".join(str(error) for error in failed))
    remove_leftovers(store.folder, visit.archives)
    return done


def _asked_once(trust: Trust) -> Trust:
    """The same, but nobody is asked again when a second source has the same file."""
    answers: dict[tuple[str, str], bool] = {}

    def ask(recipe: Recipe, sha256: str) -> bool:
        if (recipe.id, sha256) not in answers:
            answers[recipe.id, sha256] = trust(recipe, sha256)
        return answers[recipe.id, sha256]

    return ask


def _with(recipes: Iterable[Recipe], packs: tuple[Pack, ...]) -> list[Recipe]:
    """The recipes, those of packs with the packs' archives as their first sources."""
    out = []
    for recipe in recipes:
        of_packs = [
            source for pack in packs if recipe.id in pack.members for source in pack.sources(recipe)
        ]
        sources = tuple(dict.fromkeys((*of_packs, *recipe.sources)))
        out.append(msgspec.structs.replace(recipe, sources=sources))
    return out


def _sources(recipe: Recipe, mirror: str, *, archived: bool) -> tuple[Source, ...]:
    if not mirror:
        return recipe.sources
    base = mirror.rstrip("/")
    plain = Source(url=f"{base}/{urllib.parse.quote(recipe.file)}")
    packed: dict[str, Source] = {}
    for source in recipe.sources:
        name = source.url.rpartition("/")[2]
        if source.member:  # the first one's hash is the one to hold it to
            moved = msgspec.structs.replace(source, url=f"{base}/{name}")
            packed.setdefault(name, moved)
    of_packs = tuple(packed.values())
    # What a pack was asked for is fetched once, with its archive.
    return (*of_packs, plain) if archived else (plain, *of_packs)


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
    kind = LinkError if all(isinstance(f, LinkError) for f in failures) else ModelError
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
        _check_archive(visit, local, source)
        return local
    target = visit.store.folder / ARCHIVES / source.url.rpartition("/")[2]
    visit.archives.add(target.name)
    if target.is_file():
        try:
            _check_archive(visit, target, source)
        except ModelError:  # of another source, which asked for no hash
            target.unlink()
        else:
            return target
    part = part_path(target, source.url)
    pinned = source.archive_sha256 != UNPINNED
    wanted = Wanted(source.url, 0, MAX_MODEL_BYTES, same=pinned)
    fetch(wanted, part, visit.on_start(recipe, host(source.url)), visit.patience)
    try:
        _check_archive(visit, part, source)
    except ModelError:
        forget(part)
        raise
    visit.hashes[target] = visit.hashes.pop(part, "")
    part.replace(target)
    forget(part)
    return target


def _check_archive(visit: _Visit, path: Path, source: Source) -> None:
    if source.archive_sha256 == UNPINNED:
        return
    found = visit.hashes[path] = visit.hashes.get(path) or file_sha256(path)
    if found != source.archive_sha256:
        raise ModelError(
            f"{source.url} has SHA-256 {found}, the recipe says {source.archive_sha256}"
        )


def _unpack(visit: _Visit, recipe: Recipe, source: Source, archive: Path) -> ModelStatus:
    """Takes one member out, by its base name, and never more bytes than the recipe says."""
    vouched = source.archive_sha256 != UNPINNED
    with opened_member(archive, source.url, source.member, MAX_MODEL_BYTES) as stream:
        return visit.store.take_in(recipe, stream, source.url, visit.trust, vouched=vouched)


def local_path(url: str) -> Path | None:
    """The path of a `file://` address, None for any other."""
    split = urllib.parse.urlsplit(url)
    return Path(urllib.request.url2pathname(split.path)) if split.scheme == "file" else None
