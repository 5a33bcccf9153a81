"""TOML documents that a struct would take, with wrong ones among them, and their text.

The structs themselves are the grammar: what a field may hold is read from its type, so a
new option of the configuration is covered the day it is there.
"""

from __future__ import annotations

import datetime as dt
import re
import types
from pathlib import Path
from random import Random
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec
from fuzz.mutate import CANARY, FLOATS, INTEGERS, TEXTS, Raw, change_bytes, change_key

_TO_ESCAPE = re.compile(r'[\x00-\x1f\x7f"\\]')
Tree = dict[str, Any]
_DATES = (
    dt.date(2026, 1, 1), dt.time(1, 2, 3), dt.datetime(2026, 1, 1, 1, 2, 3),
    dt.datetime(2026, 1, 1, tzinfo=dt.timezone.utc),
)  # fmt: skip
_WORDS = ("a", "b1", "name", "model", "x" * 33, "builtin_detector", "scrfd_2.5g", "é", "")
_MORE_TEXTS = (*TEXTS, *_WORDS, "127.0.0.1", "192.0.2.5:5555", "[::]:5555", "~nobody/x", "/tmp/x",
               "https://x.test/a", "$CREDENTIALS_DIRECTORY/x")  # fmt: skip


def anything(rng: Random, depth: int = 0) -> Any:
    """A value of any kind that TOML has."""
    draw = rng.random()
    if draw < 0.2:
        return rng.choice(INTEGERS)
    if draw < 0.3:
        return rng.choice((*FLOATS, float("nan"), float("inf"), float("-inf")))
    if draw < 0.6:
        return rng.choice(_MORE_TEXTS)
    if draw < 0.7:
        return rng.random() < 0.5
    if draw < 0.76:
        return rng.choice(_DATES)
    if depth > 3:
        return []
    if draw < 0.9:
        return [anything(rng, depth + 1) for _ in range(rng.choice((0, 1, 2, 3, 40)))]
    return {rng.choice(_MORE_TEXTS): anything(rng, depth + 1) for _ in range(rng.choice((0, 1, 3)))}


class Grammar:
    """Makes trees that a struct would take.

    Args:
        hints: values for fields of these names, which no type can know.
        share: of the fields with a default that are given.
        wrong: of all values, those of another kind than the field's.
    """

    def __init__(self, hints: dict[str, tuple[Any, ...]], *, share: float, wrong: float) -> None:
        self._hints = hints
        self._share = share
        self._wrong = wrong
        self._fields: dict[type, tuple[Any, ...]] = {}

    def table(self, rng: Random, cls: type[msgspec.Struct]) -> Tree:
        """A table for a struct."""
        if cls not in self._fields:
            self._fields[cls] = msgspec.structs.fields(cls)
        tree = {}
        for info in self._fields[cls]:
            if (info.required and rng.random() < 0.985) or rng.random() < self._share:
                tree[info.encode_name] = self.value(rng, info.type, info.encode_name)
        if rng.random() < self._wrong * 3:
            other = rng.choice(list(tree) or ["x"] if rng.random() < 0.7 else _MORE_TEXTS)
            tree[change_key(rng, other)] = anything(rng)
        return tree

    def value(self, rng: Random, kind: Any, name: str = "") -> Any:
        """A value for a field."""
        if rng.random() < self._wrong:
            return anything(rng)
        origin = get_origin(kind)
        if name in self._hints and origin not in (dict, Literal) and rng.random() < 0.9:
            return rng.choice(self._hints[name])
        metas: tuple[Any, ...] = ()
        if get_origin(kind) is Annotated:
            kind, *extras = get_args(kind)
            metas = tuple(one for one in extras if isinstance(one, msgspec.Meta))
        origin, args = get_origin(kind), get_args(kind)
        if origin is Literal:
            return rng.choice(args)
        if origin in (Union, types.UnionType):
            return self.value(rng, rng.choice([a for a in args if a is not type(None)]))
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            return self.table(rng, kind)
        if origin is dict:
            names = self._hints.get(f"{name}.NAME", _WORDS)
            return {
                rng.choice(names): self.value(rng, args[1]) for _ in range(rng.choice((0, 1, 1, 2)))
            }
        if origin is tuple:
            if args[-1] is Ellipsis:
                return [
                    self.value(rng, args[0], f"{name}[]")
                    for _ in range(rng.choice((0, 1, 1, 2, 4)))
                ]
            return [self.value(rng, one) for one in args]
        return self._leaf(rng, kind, metas)

    def _leaf(self, rng: Random, kind: Any, metas: tuple[Any, ...]) -> Any:
        if kind is bool:
            return rng.random() < 0.5
        bounds = [(m.ge, m.gt, m.le, m.lt) for m in metas]
        low = next((b for ge, gt, _, _ in bounds for b in (ge, gt) if b is not None), 0)
        high = next((b for _, _, le, lt in bounds for b in (le, lt) if b is not None), None)
        if kind in (int, float):
            high = high if high is not None else rng.choice((1, 10, 1000, 10**9))
            near = rng.choice((low, high, low + (high - low) / 3, low - 1, high + 1))
            return int(near) if kind is int else float(near)
        if kind is Path:
            return rng.choice(("models", "/var/x", "~/y", "$CREDENTIALS_DIRECTORY/key", "a/../b"))
        return rng.choice(_MORE_TEXTS)


def write(rng: Random, tree: Tree) -> bytes:
    """The text of a tree, its tables in one of the forms that TOML has for them."""
    out: list[bytes] = []
    _table(rng, tree, (), out)
    return b"".join(out)


def _table(rng: Random, tree: Tree, path: tuple[str, ...], out: list[bytes]) -> None:
    later = []
    for key, value in tree.items():
        tables = isinstance(value, list) and value and all(isinstance(one, dict) for one in value)
        if (isinstance(value, dict) or tables) and rng.random() < 0.9:
            later.append((key, value))
        else:
            out.append(_key(rng, key) + b" = " + _value(rng, value) + b"\n")
    for key, value in later:
        inner = (*path, key)
        header = b".".join(_key(rng, one) for one in inner)
        for one in [value] if isinstance(value, dict) else value:
            out.append(b"[%b]\n" % header if isinstance(value, dict) else b"[[%b]]\n" % header)
            _table(rng, one, inner, out)


def _key(rng: Random, key: str) -> bytes:
    bare = key.isascii() and key.replace("-", "").replace("_", "").isalnum()
    return key.encode() if bare and rng.random() < 0.97 else _string(rng, key)


def _value(rng: Random, value: Any) -> bytes:
    if isinstance(value, Raw):
        return bytes(value)
    if isinstance(value, bool):
        return b"true" if value else b"false"
    if isinstance(value, int | float):
        return repr(value).encode()
    if isinstance(value, str):
        return _string(rng, value)
    if isinstance(value, list):
        return b"[" + b", ".join(_value(rng, one) for one in value) + b"]"
    if isinstance(value, dict):
        pairs = (_key(rng, key) + b" = " + _value(rng, one) for key, one in value.items())
        return b"{" + b", ".join(pairs) + b"}"
    return value.isoformat().encode()


def _string(rng: Random, text: str) -> bytes:
    if rng.random() < 0.1 and text.isprintable() and "'" not in text:
        return b"'" + text.encode() + b"'"
    escaped = _TO_ESCAPE.sub(lambda found: f"\\u{ord(found.group()):04x}", text)
    return b'"' + escaped.encode() + b'"'


_ODD = (
    b"x = 1_000\n", b"x = 0x_ff\n", b"x = 1__0\n", b"x = " + b"1" * 5000 + b"\n", b"x = nan\n",
    b"x = [" * 300 + b"\n", b"x = " + b"[" * 300 + b"]" * 300 + b"\n", b"a." * 400 + b"b = 1\n",
    b"[" + b"a." * 400 + b"b]\n", b"x = {a = {a = 1}}\n", b"x = 1979-05-27T07:32:00Z\n",
    b"x = 9999-99-99\n", b"[device]\n[device]\n", b"[[device]]\n", b"device.name = 'x'\n", b"x\n",
    b"= 1\n",
    b'x = """\n' + CANARY.encode() + b'\n"""\n', b'x = "\\ud800"\n', b'x = "\\U00110000"\n',
    b'x = "\xff"\n',
    b"\xef\xbb\xbf", b"\0", b"\r", b"# \x01\n", b"x = 1 y = 2\n", b"[a]]\n", b"x = 1e400\n",
    b"x = -0\n",
    b"x = 07:32:60\n", b"x.y = 1\nx = 2\n", b"[x.y]\n[x]\n[x]\n", b"'' = 1\n", b'"" = {"" = ""}\n',
)  # fmt: skip


def spoiled(rng: Random, text: bytes) -> bytes:
    """Text with a line that is odd or wrong, two lines swapped, or its bytes changed."""
    how = rng.randrange(3)
    if how == 0:
        return change_bytes(rng, text, text)
    lines = text.splitlines(keepends=True) or [b""]
    at = rng.randrange(len(lines))
    if how == 1:
        lines.insert(at, rng.choice(_ODD))
    else:
        lines.insert(rng.randrange(len(lines)), lines.pop(at))
    return b"".join(lines)
