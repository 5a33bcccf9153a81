"""The configuration reference, made from the structs: `edged config reference`.

A key's meaning is its line under `Attributes:` in the docstring of its struct, so that
code, README and command cannot say different things.  Knows structs and Markdown.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import msgspec

from edged.config.schema import Config
from edged.tables import join

_ENTRY = re.compile(r"^    ([a-z_0-9]+(?:, [a-z_0-9]+)*): (.*)$")


def reference() -> str:
    """Markdown: a heading and a table of keys for each table of `edged.toml`."""
    return "\n".join(_section(path, cls) for path, cls in _tables(Config, "")).rstrip() + "\n"


def _tables(cls: type[msgspec.Struct], path: str) -> Iterator[tuple[str, type[msgspec.Struct]]]:
    """Every table in the order of the struct, depth first."""
    for info in msgspec.structs.fields(cls):
        where, table = _table(info, path)
        if table:
            yield where, table
            yield from _tables(table, where)


def _table(info: msgspec.structs.FieldInfo, path: str) -> tuple[str, type[msgspec.Struct] | None]:
    """The table that a field is, and its path; None for a key."""
    where, kind = join(path, info.encode_name), info.type
    if get_origin(kind) is dict:
        where, kind = f"{where}.NAME", get_args(kind)[1]
    for one in (kind, *get_args(kind)):
        if isinstance(one, type) and issubclass(one, msgspec.Struct):
            return (f"[{where}]" if get_origin(kind) is tuple else where), one
    return where, None


def _section(path: str, cls: type[msgspec.Struct]) -> str:
    meanings = meanings_of(cls)
    rows = []
    for info in msgspec.structs.fields(cls):
        if _table(info, path)[1] is None:
            cells = (f"`{info.encode_name}`", _default(info), meanings[info.encode_name])
            rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    intro = _summary(cls)
    head = f"#### `[{path}]`\n\n{intro}\n"
    if not rows:
        return head
    return "\n".join((head, "| key | default | meaning |", "|---|---|---|", *rows, ""))


def meanings_of(cls: type[msgspec.Struct]) -> dict[str, str]:
    """Meaning of each field: the docstrings of a struct and of those it extends.

    Fields that share a line (`a, b: ...`) share its text.
    """
    found: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        text = inspect.getdoc(base) if issubclass(base, msgspec.Struct) else None
        names: list[str] = []
        for line in (text or "").partition("Attributes:")[2].splitlines():
            entry = _ENTRY.match(line)
            if entry:
                names = entry[1].split(", ")
                found.update(dict.fromkeys(names, entry[2].strip()))
            elif not line.strip():
                names = []
            else:
                found.update({name: f"{found[name]} {line.strip()}" for name in names})
    return found


def _summary(cls: type[msgspec.Struct]) -> str:
    text = (inspect.getdoc(cls) or "").partition("\n\n")[0]
    return " ".join(text.split())


def _default(info: msgspec.structs.FieldInfo) -> str:
    if info.required:
        return f"required{_choices(info.type)}"
    value = info.default if info.default_factory is msgspec.NODEFAULT else info.default_factory()
    if value is None or value in ("", ()):
        return f"none{_choices(info.type)}"
    return f"`{_shown(value)}`{_choices(info.type)}"


def _choices(kind: Any) -> str:
    if get_origin(kind) is not Literal:
        return ""
    return " of " + ", ".join(f'`"{choice}"`' for choice in get_args(kind) if choice)


def _shown(value: object) -> str:
    if isinstance(value, float) and value == int(value):
        value = int(value)
    if isinstance(value, tuple):
        return str([msgspec.to_builtins(one) for one in value]).replace("'", '"')
    if isinstance(value, (str, Path)):
        return f'"{value}"'
    return str(value).lower() if isinstance(value, bool) else str(value)
