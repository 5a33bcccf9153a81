"""Writes measured bounds into a calibration file: other entries, comments and mode stay.

Knows the file's form (:mod:`edged.calibration`); knows no faces.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

import msgspec

from edged.calibration import Calibration, RecogniserBound, SwapperBound, load, parse
from edged.errors import ConfigError, OperatorError
from edged.fresh_file import write_fresh

_HEAD = (
    "# Bounds of the guard, measured on this device's own photos: `edged calibrate guard`.\n"
    "# They go before those that ship, entry by entry.\n"
)

Entry = RecogniserBound | SwapperBound


def save_bounds(
    path: Path,
    recognisers: Mapping[str, RecogniserBound],
    swappers: Mapping[str, SwapperBound],
) -> None:
    """Put entries into a file, whole or not at all.

    Args:
        path: made where it is not there yet.
        recognisers: entries by model id; they take the place of old ones.
        swappers: likewise.

    Raises:
        ConfigError: the file that is there is not valid, so nothing is written.
        OperatorError: it cannot be written.
    """
    before = load(path)
    wanted = Calibration(
        recognisers={**before.recognisers, **recognisers},
        swappers={**before.swappers, **swappers},
    )
    entries: dict[tuple[str, str], Entry] = {
        **{("recognisers", key): entry for key, entry in recognisers.items()},
        **{("swappers", key): entry for key, entry in swappers.items()},
    }
    try:
        text = path.read_text(encoding="utf-8") if path.is_file() else _HEAD
        edited = _edited(text, entries)
        if _read(edited) != wanted:  # a table in a form that lines do not show
            edited = _whole(wanted)
        target = path.resolve()  # a link goes on leading where it led
        mode = target.stat().st_mode & 0o777 if target.exists() else 0o644
        write_fresh(target, (edited.rstrip() + "\n").encode(), mode=mode)
    except OSError as error:
        raise OperatorError(
            f"{path}: the bounds cannot be written: {error.strerror}; correct the folder's "
            "owner and space, or say --out FILE"
        ) from error


def _edited(text: str, entries: Mapping[tuple[str, str], Entry]) -> str:
    """The text with these tables taken out and put in again at its end."""
    kept: list[str] = []
    inside = False
    headers = [
        re.compile(rf"\s*\[\s*{kind}\s*\.\s*(?:{re.escape(key)}|[\"']{re.escape(key)}[\"'])\s*\]")
        for kind, key in entries
    ]
    for line in text.splitlines():
        if line.lstrip().startswith("["):
            inside = any(header.match(line) for header in headers)
        if not inside:
            kept.append(line)
    tables = [_table(kind, key, entry) for (kind, key), entry in entries.items()]
    return "\n".join([*"\n".join(kept).rstrip().splitlines(), "", *"\n\n".join(tables).split("\n")])


def _whole(wanted: Calibration) -> str:
    tables = [_table("recognisers", key, entry) for key, entry in wanted.recognisers.items()]
    tables += [_table("swappers", key, entry) for key, entry in wanted.swappers.items()]
    return _HEAD + "\n" + "\n\n".join(tables)


def _table(kind: str, key: str, entry: Entry) -> str:
    """One table; JSON's strings and numbers are TOML's."""
    name = key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else json.dumps(key)
    lines = [f"[{kind}.{name}]"]
    for field, value in msgspec.to_builtins(entry).items():
        text = json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        lines.append(f"{field} = {text}")
    return "\n".join(lines)


def _read(text: str) -> Calibration | None:
    try:
        return parse(text.encode(), Path())
    except ConfigError:
        return None
