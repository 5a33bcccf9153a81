"""Turns a TOML file into frozen structs and names every problem of it in one go.

msgspec alone stops at the first error; here a table is walked field by field, each leaf
is converted by msgspec, and each failure becomes one line `path = value: reason (did you
mean ...?)`.  Knows TOML and structs; knows nothing of what the tables mean.
"""

from __future__ import annotations

import difflib
import functools
import json
import math
import os
import re
import sys
import types
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import msgspec

from edged.errors import ConfigError

if sys.version_info >= (3, 11):
    import tomllib
else:  # pragma: no cover - the floor of 3.10
    import tomli as tomllib

MAX_FILE_BYTES = 512 * 1024
"""A configuration above this is a mistake; it also bounds what the parser is fed."""

CREDENTIALS = "$CREDENTIALS_DIRECTORY/"
"""A path may begin so: the folder that systemd's `LoadCredential=` fills."""

_SHOWN_CHARS = 60
_MAX_ERROR_CHARS = 200
_MAX_WORD_CHARS = 64
"""No key or name is longer; what is cannot be a slip of one."""
_MAX_PROBLEMS = 100
"""Shown of one file: who sees so many has the wrong file, and each costs a search for hints."""
_SECRET = re.compile(r"pass(word|phrase|wd)?$|secret$|token$|(^|_)key$|psk$", re.IGNORECASE)
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_WORDS = {
    "`int`": "a whole number",
    "`float`": "a number",
    "`str`": "text in quotes",
    "`bool`": "true or false",
    "`array`": "a list [...]",
    "`object`": "a table",
    "`null`": "nothing",
}

S = TypeVar("S", bound=msgspec.Struct)


@dataclass
class Walk:
    """One walk over one file: where paths are relative to, and what was wrong.

    Attributes:
        base: folder that relative paths of the file start from.
        root: struct of the whole file, to tell where a misplaced key belongs.
        problems: lines found so far, at most one a path: the first tells the most.
    """

    base: Path
    root: type[msgspec.Struct] | None = None
    problems: list[str] = field(default_factory=list)
    _paths: set[str] = field(default_factory=set)

    def bad(self, path: str, reason: str, value: object = msgspec.UNSET, hint: str = "") -> None:
        """Notes one problem; `value` is shown unless its key says that it is a secret."""
        if path in self._paths or self.full:
            return
        self._paths.add(path)
        shown = "" if value is msgspec.UNSET else f" = {show_value(path, value)}"
        self.problems.append(f"{path}{shown}: {reason}{hint}")
        if len(self._paths) == _MAX_PROBLEMS:
            self.problems.append(f"{path}: and more; only the first {_MAX_PROBLEMS} are shown")

    def hint(self, word: str, known: Iterable[object]) -> str:
        """See :func:`did_you_mean`; nothing once nobody would read it."""
        return "" if self.full else did_you_mean(word, known)

    @property
    def full(self) -> bool:
        """Whether so much is wrong that no more is noted."""
        return len(self._paths) >= _MAX_PROBLEMS


def read(path: Path) -> dict[str, Any]:
    """The tree of a TOML file.

    Raises:
        ConfigError: when it cannot be read, is too large or is not TOML.
    """
    return parse(read_bytes(path), path)


def read_bytes(path: Path) -> bytes:
    """A TOML file as it is.

    Raises:
        ConfigError: when it cannot be read or is too large.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a usable path"
        if isinstance(error, PermissionError):
            reason = f"{reason}; correct its mode or owner"
        raise ConfigError(f"{path}: cannot be read: {reason}") from error
    if len(raw) > MAX_FILE_BYTES:
        size = f"{MAX_FILE_BYTES // 1024} KiB"
        raise ConfigError(f"{path}: larger than {size}; is it the right file?")
    return raw


def parse(raw: bytes, path: Path) -> dict[str, Any]:
    """The tree of TOML text; `path` is named in the errors.

    Raises:
        ConfigError: when it is not UTF-8 or not TOML.
    """
    try:
        return tomllib.loads(raw.decode())
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{path}: byte {error.start} is not UTF-8; save the file as UTF-8"
        ) from error
    except RecursionError as error:
        raise ConfigError(f"{path}: tables or lists are nested too deeply") from error
    except ValueError as error:  # TOMLDecodeError, and int() on thousands of digits
        raise ConfigError(f"{path}: not valid TOML: {str(error)[:_MAX_ERROR_CHARS]}") from error


def build(cls: type[S], tree: Mapping[str, Any], walk: Walk, path: str = "") -> S:
    """A struct of `cls` from a TOML table; what is wrong goes to `walk.problems`.

    A field that fails takes its default (None where it has none), so that the checks
    across tables can still run; the caller must not use the struct if there are problems.
    """
    infos = _fields(cls)
    for key in tree:
        if key not in infos and not walk.full:
            hint = _place(walk.root, key) or walk.hint(key, infos)
            walk.bad(join(path, key), "unknown key", hint=hint)
    made: dict[str, Any] = {}
    for key, info in infos.items():
        if key in tree:
            value = convert(info.type, tree[key], walk, join(path, key))
            if value is not msgspec.UNSET:
                made[info.name] = value
        elif info.required:
            walk.bad(join(path, key), "is missing")
        if info.required:
            made.setdefault(info.name, None)
    return cls(**made)


@functools.cache
def _fields(cls: type[msgspec.Struct]) -> Mapping[str, msgspec.structs.FieldInfo]:
    """Fields by the names that they have in a file; msgspec works their types out each time."""
    return {info.encode_name: info for info in msgspec.structs.fields(cls)}


def convert(kind: Any, value: object, walk: Walk, path: str) -> Any:
    """`value` as a `kind`, or UNSET after noting what is wrong."""
    inner = get_args(kind)[0] if get_origin(kind) is Annotated else kind
    origin = get_origin(inner)
    if origin in (Union, types.UnionType):
        some = [arg for arg in get_args(inner) if arg is not type(None)]
        if len(some) == 1:  # TOML has no null: an optional table or value is its own kind
            return convert(some[0], value, walk, path)
    if isinstance(inner, type) and issubclass(inner, msgspec.Struct):
        if isinstance(value, Mapping):
            return build(inner, value, walk, path)
        walk.bad(path, f"needs a table [{path}]", value)
        return msgspec.UNSET
    if origin is dict and isinstance(value, Mapping):
        return _convert_dict(get_args(inner), value, walk, path)
    if origin is tuple and isinstance(value, list):
        return _convert_list(kind, get_args(inner), value, walk, path)
    return _convert_leaf(kind, value, walk, path)


def _convert_dict(kinds: tuple[Any, ...], value: Mapping[str, Any], walk: Walk, path: str) -> Any:
    made = {}
    for key, item in value.items():
        where = join(path, key)
        try:
            msgspec.convert(key, kinds[0])
        except msgspec.ValidationError as error:
            walk.bad(where, f"bad name: {_reason(error, kinds[0])}")
        converted = convert(kinds[1], item, walk, where)
        if converted is not msgspec.UNSET:
            made[key] = converted
    return made


def _convert_list(
    kind: Any, kinds: tuple[Any, ...], value: list[Any], walk: Walk, path: str
) -> Any:
    if kinds[-1] is Ellipsis:
        kinds = (kinds[0],) * len(value)
    elif len(kinds) != len(value):
        walk.bad(path, f"needs exactly {len(kinds)} values", value)
        return msgspec.UNSET
    made = tuple(
        convert(one, item, walk, f"{path}[{i}]")
        for i, (one, item) in enumerate(zip(kinds, value, strict=True))
    )
    if msgspec.UNSET in made:
        return msgspec.UNSET
    for extra in get_args(kind)[1:] if get_origin(kind) is Annotated else ():
        if isinstance(extra, msgspec.Meta) and len(made) < (extra.min_length or 0):
            walk.bad(path, f"needs at least {extra.min_length}", value)
            return msgspec.UNSET
    return made


def _convert_leaf(kind: Any, value: object, walk: Walk, path: str) -> Any:
    if kind is Path:
        if isinstance(value, str) and value and "\0" not in value:
            return resolve(value, walk.base)
        walk.bad(path, "needs the path of a file or folder, in quotes", value)
        return msgspec.UNSET
    if isinstance(value, float) and not math.isfinite(value):
        walk.bad(path, "needs a finite number", value)
        return msgspec.UNSET
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        choices = get_args(kind) if get_origin(kind) is Literal else ()
        if choices and isinstance(value, str):
            named = ", ".join(f'"{choice}"' for choice in choices if choice)
            walk.bad(path, f"must be one of {named}", value, walk.hint(value, choices))
        else:
            walk.bad(path, _reason(error, kind), value)
    except (OverflowError, ValueError, TypeError):  # an integer beyond 64 bits, a date
        walk.bad(path, "is of no use here", value)
    return msgspec.UNSET


def resolve(text: str, base: Path) -> Path:
    """A path of the file: `~` and `$CREDENTIALS_DIRECTORY/` expanded, else from `base`.

    Without that variable (the other process's unit has it) the text is kept as it is.
    """
    if text.startswith(CREDENTIALS):
        folder = os.environ.get("CREDENTIALS_DIRECTORY")
        return Path(folder, text[len(CREDENTIALS) :]) if folder else Path(text)
    try:
        return base / Path(text).expanduser()
    except RuntimeError:  # `~somebody` who does not exist
        return base / text


def _reason(error: msgspec.ValidationError, kind: Any) -> str:
    """The message of msgspec in the words of somebody who edits TOML."""
    for extra in get_args(kind)[1:] if get_origin(kind) is Annotated else ():
        if isinstance(extra, msgspec.Meta) and extra.description:
            return f"needs {extra.description}"
    text = str(error).split(" - at ")[0][:_MAX_ERROR_CHARS]
    for word, plain in _WORDS.items():
        text = text.replace(word, plain)
    return text.replace("Expected", "needs").replace("|", "or") if text else "is of no use here"


def did_you_mean(word: str, known: Iterable[object]) -> str:
    """` (did you mean "x"?)` for the nearest known word, or nothing."""
    if len(word) > _MAX_WORD_CHARS:
        return ""
    names = {str(name).lower().replace("-", "_"): str(name) for name in known if name}
    near = difflib.get_close_matches(word.lower().replace("-", "_"), names, n=1, cutoff=0.6)
    return f' (did you mean "{names[near[0]]}"?)' if near else ""


def _place(root: type[msgspec.Struct] | None, key: str) -> str:
    """` (it belongs in [x])` for a key that another table has, and only one."""
    tables = _homes(root).get(key, ()) if root else ()
    return f" (it belongs in [{tables[0]}])" if len(tables) == 1 else ""


@functools.cache
def _homes(root: type[msgspec.Struct]) -> Mapping[str, tuple[str, ...]]:
    """The tables, other than the file's own, that know a key."""
    homes: dict[str, tuple[str, ...]] = {}
    for table, key in dict.fromkeys(keys(root)):
        if table:
            homes[key] = (*homes.get(key, ()), table)
    return homes


def keys(cls: type[msgspec.Struct], path: str = "") -> Iterator[tuple[str, str]]:
    """Every (table, key) that a struct knows; a table of names is shown as `x.NAME`."""
    for info in _fields(cls).values():
        kind = info.type
        where = join(path, info.encode_name)
        if get_origin(kind) is dict:
            kind, where = get_args(kind)[1], f"{where}.NAME"
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            yield from keys(kind, where)
        else:
            yield path, info.encode_name


def join(path: str, key: str) -> str:
    """`path.key`, the key quoted where TOML would need it."""
    bare = len(key) <= _MAX_WORD_CHARS and _BARE_KEY.fullmatch(key)
    shown = key if bare else json.dumps(key[:_SHOWN_CHARS])
    return f"{path}.{shown}" if path else shown


def show_value(path: str, value: object) -> str:
    """A value for an error line: short, on one line, and never a secret."""
    if _SECRET.search(path.split("[", maxsplit=1)[0]):
        return "***"
    try:
        text = json.dumps(value, default=str)
    except (ValueError, RecursionError):
        text = f"<{type(value).__name__}>"
    return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}..."
