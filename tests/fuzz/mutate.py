"""Changes of a valid document that keep most of its structure: values, JSON trees, bytes.

A tree is made of Python values; :class:`Pairs` is an object that may name a key twice, and
:class:`Raw` is text that no encoder would write.  Everything draws from the generator that
it is given, so that a seed makes the same inputs again.
"""

from __future__ import annotations

import json
from random import Random
from typing import Any

CANARY = "ZqXjKvYp"
"""Stands for what came from outside; a text that must not repeat it is searched for it."""
CANARY_BYTES = CANARY.encode()


class Pairs(list):
    """A JSON object as a list of (key, value), in order, doubles included."""


class Raw(bytes):
    """Bytes that stand in the text as they are."""

    __slots__ = ()


INTEGERS = (
    0, 1, -1, 2, 7, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 255, 256, 1000, 4096, 65_535,
    65_536, 2**24, 2**24 + 1, 2**31 - 1, 2**31, 2**32, 2**53, 2**53 + 1, 2**63 - 1, 2**63, 2**64,
    -(2**31), -(2**63), -(2**63) - 1, 10**19, 10**40,
)  # fmt: skip
FLOATS = (0.0, -0.0, 0.5, 1.0, 1.5, -1.5, 1e-9, 1e9, 1e16, 1e308, -1e308, 5e-324)
TEXTS = (
    "", " ", "\0", "\n", "a", "A", "..", "../../etc/passwd", "/dev/zero", "a" * 32, "a" * 33,
    "a" * 64, "a" * 65, "name\n", "é", "\u202e", "\U0001f600", "\ufeff", "null", "true", "1", "-",
    "'; DROP TABLE rows; --", "{}", "%s%n", "${HOME}", CANARY, CANARY * 9, "x" * 3000,
    "00000000-0000-0000-0000-000000000000", "builtin:x", "ipc:///x", "tcp://*:1",
)  # fmt: skip
RAWS = tuple(
    Raw(text)
    for text in (
        b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-1e999", b"1e-999", b"01", b"-", b"+1",
        b".5", b"1.", b"0x10", b"1E+2", b"-0", b"123456789012345678901234567890", b"1" * 5000,
        b"nul", b"truE",
        b'"\\ud800"', b'"\\udc00\\ud800"', b'"\xff\xfe"', b'"\xc0\xaf"', b'"\xed\xa0\x80"',
        b'"\\x"', b'"\\u12"', b'"open', b"'single'", b'"tab\t"', b'"\\u0000"', b"[", b"{", b"]",
        b"}", b"[,]", b"{,}", b'{"a"}', b'{"a":}', b"[1,]", b"/* */ 1", b"", b",", b":",
    )
)  # fmt: skip


def scalar(rng: Random) -> Any:
    """A value of some kind, most often at a border of its kind."""
    kind = rng.random()
    if kind < 0.25:
        return rng.choice(INTEGERS)
    if kind < 0.32:
        return rng.choice(FLOATS)
    if kind < 0.70:
        return rng.choice(TEXTS)
    if kind < 0.85:
        return rng.choice(RAWS)
    return rng.choice((None, True, False, [], Pairs()))


def text(rng: Random, alphabet: str, low: int, high: int) -> str:
    """A text over an alphabet; its length is drawn from the bounds."""
    return "".join(rng.choices(alphabet, k=rng.randint(low, high)))


def nested(rng: Random, inner: Any) -> Any:
    """`inner` in a few or in very many lists or objects."""
    depth = rng.choice((1, 2, 7, 8, 9, 15, 16, 17, 40, 200))
    if rng.random() < 0.02:
        depth = rng.choice((1100, 5000, 50_000))
    opening, closing = rng.choice(((b"[", b"]"), (b'{"a":', b"}"), (b'[{"":', b"}]")))
    body = bytes(inner) if isinstance(inner, Raw) else write(inner)
    if rng.random() < 0.2:
        closing = b""
    return Raw(opening * depth + body + closing * depth)


def write(tree: Any) -> bytes:
    """The JSON text of a tree."""
    out: list[bytes] = []
    _write(tree, out.append)
    return b"".join(out)


def _write(tree: Any, put: Any) -> None:
    if isinstance(tree, Pairs):
        before = b"{"
        for key, value in tree:
            put(before)
            before = b","
            put(key if isinstance(key, Raw) else _text(key))
            put(b":")
            _write(value, put)
        put(b"}" if tree else b"{}")
    elif isinstance(tree, list | tuple):
        before = b"["
        for value in tree:
            put(before)
            before = b","
            _write(value, put)
        put(b"]" if tree else b"[]")
    elif isinstance(tree, Raw):
        put(tree)
    elif isinstance(tree, str):
        put(_text(tree))
    else:
        put(json.dumps(tree).encode())


def _text(value: str) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")


def change_tree(rng: Random, tree: Any) -> Any:
    """A tree with one change somewhere in it; lists and objects are changed in place."""
    if not isinstance(tree, Pairs | list) or not tree:
        return change_value(rng, tree)
    if rng.random() < 0.25:
        change_members(rng, tree)
        return tree
    at = rng.randrange(len(tree))
    if isinstance(tree, Pairs):
        key, value = tree[at]
        if rng.random() < 0.1:
            tree[at] = (change_key(rng, key), value)
        else:
            tree[at] = (key, change_tree(rng, value))
    else:
        tree[at] = change_tree(rng, tree[at])
    return tree


def change_members(rng: Random, tree: list[Any]) -> None:
    """Drop, repeat, move or add a member."""
    at = rng.randrange(len(tree))
    how = rng.randrange(5)
    if how == 0:
        del tree[at]
    elif how == 1:  # of an object: a key twice
        tree.insert(rng.randint(0, len(tree)), tree[at])
    elif how == 2:
        tree.append(tree.pop(at))
    elif isinstance(tree, Pairs):
        key = tree[at][0] if how == 3 else rng.choice(TEXTS)
        tree.insert(rng.randint(0, len(tree)), (key, scalar(rng)))
    elif how == 3:
        tree.extend([tree[at]] * rng.choice((1, 2, 15, 16, 17, 300)))
    else:
        tree.insert(at, scalar(rng))


def change_key(rng: Random, key: Any) -> Any:
    """Another key: near the old one, or none of that kind."""
    if not isinstance(key, str) or not key or rng.random() < 0.3:
        return rng.choice(TEXTS)
    return rng.choice((key.upper(), key + " ", key[:-1], "_" + key, key + "\0", key + key))


def change_value(rng: Random, value: Any) -> Any:
    """Another value: near the old one, of another kind, or wrapped."""
    how = rng.random()
    if how < 0.08:
        return nested(rng, value)
    if how < 0.5 and isinstance(value, bool | str | int | float):
        return _near(rng, value)
    return scalar(rng)


def _near(rng: Random, value: Any) -> Any:
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int):
        return rng.choice((value + 1, value - 1, -value, float(value), str(value), value * 2**32))
    if isinstance(value, float):
        return rng.choice((-value, value * 1e300, int(value) if abs(value) < 1e18 else 0))
    where = rng.randint(0, len(value))
    put = rng.choice(("\0", "\n", " ", "/", "é", "\u2028", CANARY, "\\", '"', "a" * 70))
    return rng.choice((value[:where] + put + value[where:], value[:where], value.upper(), [value]))


_TOKENS = (
    b"\0", b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xef\xbb\xbf", b'"', b"\\", b"{", b"}", b"[", b"]",
    b",", b":", b"\n", b"\r\n", b"=", b"#", b"0", b"9" * 30, b"\x7f\xff\xff\xff", b"\x80\0\0\0",
    b"\xff" * 8, CANARY_BYTES,
)  # fmt: skip


def change_bytes(rng: Random, data: bytes, other: bytes = b"") -> bytes:
    """Bytes with one change: a bit, a cut, a piece more or less, or half of another's.

    Args:
        rng: draws.
        data: what is changed.
        other: what may be spliced in.
    """
    if not data:
        return rng.choice(_TOKENS)
    at = rng.randrange(len(data))
    how = rng.randrange(8)
    if how == 0:
        return data[:at] + bytes([data[at] ^ (1 << rng.randrange(8))]) + data[at + 1 :]
    if how == 1:
        return data[:at] + bytes([rng.randrange(256)]) + data[at + 1 :]
    if how == 2:
        return data[:at]
    if how == 3:
        return data[:at] + rng.choice(_TOKENS) + data[at:]
    end = min(len(data), at + rng.choice((1, 2, 4, 16, 300)))
    if how == 4:
        return data[:at] + data[end:]
    if how == 5:
        return data[:at] + data[at:end] * rng.choice((2, 3, 30)) + data[end:]
    if how == 6 and other:
        return data[:at] + other[rng.randrange(len(other)) :]
    return data[:at] + rng.randbytes(end - at) + data[end:]


def changed(rng: Random, tree: Any, *, whole: float = 0.15, rough: float = 0.25) -> bytes:
    """The text of a tree after a few changes.

    Args:
        rng: draws.
        tree: is changed.
        whole: share that stays as it is.
        rough: share of the others whose bytes are changed as well.
    """
    draw = rng.random()
    if draw < whole:
        return write(tree)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        tree = change_tree(rng, tree)
    data = write(tree)
    if draw > 1 - rough:
        data = change_bytes(rng, data, data)
    return data
