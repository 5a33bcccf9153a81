"""Packs: the files `packs/*.toml` of the recipe folders, models that come in one archive.

A pack says which recipes its archive serves and what of it is left alone.  Knows the form
and the folders; knows nothing of archives on disk (the store does).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated

import msgspec

from edged import tables
from edged.errors import ConfigError
from edged.recipe.files import recipe_folders
from edged.recipe.schema import FileName, ModelId, Pin, Recipe, Source


class Archive(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One place that a pack's ZIP archive can be had from, an entry `[[archives]]`.

    Attributes:
        url: https address.
        sha256: of the archive, or "unpinned".
    """

    url: Annotated[str, msgspec.Meta(pattern=r"\Ahttps://\S+\Z", description="an https:// address")]
    sha256: Pin = "unpinned"


class Pack(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One pack, the file `packs/<id>.toml`.

    Attributes:
        id: name for `edged models pull`; the file is called so.
        title: one line for lists.
        members: ids of the recipes whose files are in the archive, under the names that
            the recipes give them.
        archives: where to download it, tried in this order.
        left_out: files of the archive that are not taken, each with the reason.
    """

    id: ModelId
    title: str
    members: tuple[ModelId, ...]
    archives: tuple[Archive, ...]
    left_out: dict[FileName, str] = {}

    def sources(self, recipe: Recipe) -> tuple[Source, ...]:
        """Where a member can be had from: the pack's archives."""
        return tuple(
            Source(url=one.url, member=recipe.file, archive_sha256=one.sha256)
            for one in self.archives
        )


def list_packs(recipes: Mapping[str, Recipe], extra_dirs: Iterable[Path] = ()) -> dict[str, Pack]:
    """All packs by id, sorted.

    Args:
        recipes: all of them, by id; members must be among them.
        extra_dirs: more folders of recipes, whose `packs` are read.

    Raises:
        ConfigError: with every problem of every pack.
    """
    found: dict[str, Pack] = {}
    problems: list[str] = []
    for folder in recipe_folders(extra_dirs):
        for path in sorted((folder / "packs").glob("*.toml")):
            pack, wrong = _try_pack(path, recipes)
            problems += wrong
            if pack:
                found[pack.id] = pack
    if problems:
        raise ConfigError(*problems)
    return dict(sorted(found.items()))


def _try_pack(path: Path, recipes: Mapping[str, Recipe]) -> tuple[Pack | None, tuple[str, ...]]:
    try:
        return read_pack(path, recipes), ()
    except ConfigError as error:
        return None, error.problems


def read_pack(path: Path, recipes: Mapping[str, Recipe]) -> Pack:
    """The pack in one file.

    Raises:
        ConfigError: with every problem of the file.
    """
    return parse_pack(tables.read_bytes(path), path, recipes)


def parse_pack(raw: bytes, path: Path, recipes: Mapping[str, Recipe]) -> Pack:
    """The pack in TOML text; `path` is where it stands or would stand.

    Raises:
        ConfigError: as :func:`read_pack`.
    """
    walk = tables.Walk(base=path.parent, root=Pack)
    pack = tables.build(Pack, tables.parse(raw, path), walk)
    if not walk.problems:
        if pack.id != path.stem:
            walk.bad("id", f'must be the name of the file, "{path.stem}"', pack.id)
        if pack.id in recipes:
            walk.bad("id", "is the id of a model already", pack.id)
        for i, member in enumerate(pack.members):
            if member not in recipes:
                hint = walk.hint(member, recipes)
                walk.bad(f"members[{i}]", "there is no recipe of this id", member, hint)
        if not pack.archives:
            walk.bad("archives", "needs one address at least")
    if walk.problems:
        raise ConfigError(*(f"{path}: {problem}" for problem in walk.problems))
    return pack
