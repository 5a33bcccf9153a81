"""Every figure of the health document as a metric: found by walking its definition.

A field that is added to :class:`HealthDoc` appears in Prometheus, Telegraf, Grafana and
JSON Schema by itself.  Prometheus wants base units and no abbreviations
(https://prometheus.io/docs/practices/naming/), so that `_ms` becomes `_seconds`.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
from msgspec import inspect as msgspec_inspect

from edged.transport.wire_health import HealthDoc

PREFIX = "edged"
ANY = "*"
"""Stands in a path for the key of a table: a stage's, a camera's, a verdict's name."""

_UNITS: tuple[tuple[str, str, float], ...] = (
    ("_ms", "_seconds", 1e-3), ("_mb", "_bytes", 2.0**20), ("_s", "_seconds", 1.0),
    ("_c", "_celsius", 1.0), ("_w", "_watts", 1.0), ("_percent", "_ratio", 1e-2),
    ("_bytes", "_bytes", 1.0), ("_mhz", "_hertz", 1e6),
)  # fmt: skip
_COUNTERS = frozenset({"verdicts", "reasons", "guard", "restore", "published", "reconnects",
                       "gpu_ecc_errors"})  # fmt: skip
"""Numbers that only grow until the engine or the uplink begins anew."""
_SINGULAR = {"stages": "stage", "cameras": "camera", "verdicts": "verdict", "reasons": "reason",
             "guard": "count", "restore": "kind"}  # fmt: skip
_SKIPPED = frozenset({"v", "ts_ms", "latency", "embeds_per_face"})


@dataclass(frozen=True)
class Metric:
    """One figure.

    Attributes:
        path: keys from the document's root; :data:`ANY` for any key of a table.
        name: for Prometheus, in base units.
        kind: gauge or counter.
        scale: what the document's number is multiplied with for that.
        label: of the key that ANY stands for; "" without one.
        unit: the document's own suffix, without the underscore; "" for a plain number.
        text: what it is.
    """

    path: tuple[str, ...]
    name: str
    kind: Literal["gauge", "counter"]
    scale: float
    label: str
    unit: str
    text: str

    def values(self, doc: object) -> Iterator[tuple[str, float]]:
        """(key of ANY or "", value in base units) of a document as plain tables."""
        yield from self._walk(doc, self.path, "")

    def _walk(self, part: Any, path: tuple[str, ...], key: str) -> Iterator[tuple[str, float]]:
        if not path:
            if isinstance(part, bool | int | float):
                yield key, float(part) * self.scale
            return
        if not isinstance(part, dict):
            return
        if path[0] == ANY:
            for name, inner in part.items():
                if name not in _SKIPPED:
                    yield from self._walk(inner, path[1:], name)
        elif path[0] in part:
            yield from self._walk(part[path[0]], path[1:], key)


def metrics() -> list[Metric]:
    """All of them, in the document's order."""
    return list(_fields(HealthDoc, (), (), ""))


def _fields(
    struct: type[Any], path: tuple[str, ...], words: tuple[str, ...], label: str
) -> Iterator[Metric]:
    texts = _texts(struct)
    for one in msgspec.structs.fields(struct):
        if one.name in _SKIPPED:
            continue
        kind = _plain(msgspec_inspect.type_info(one.type))
        here, text = (*path, one.name), texts.get(one.name, "")
        if isinstance(kind, msgspec_inspect.StructType):
            yield from _fields(kind.cls, here, (*words, one.name), label)
        elif isinstance(kind, msgspec_inspect.DictType):
            value, name = _plain(kind.value_type), _SINGULAR.get(one.name, "")
            if isinstance(value, msgspec_inspect.StructType):
                yield from _fields(value.cls, (*here, ANY), (*words, name), name)
            elif _is_number(value):
                yield _metric((*here, ANY), (*words, one.name), name, one.name, text)
        elif _is_number(kind):
            yield _metric(here, (*words, one.name), label, one.name, text)


def _metric(
    path: tuple[str, ...], words: tuple[str, ...], label: str, field: str, text: str
) -> Metric:
    unit, suffix, scale = next(
        (one for one in _UNITS if field.endswith(one[0])), ("", "", 1.0)
    )  # fmt: skip
    name = "_".join((PREFIX, *words)).removesuffix(unit) + suffix
    counter = field in _COUNTERS
    return Metric(
        path=path,
        name=f"{name}_total" if counter else name,
        kind="counter" if counter else "gauge",
        scale=scale,
        label=label,
        unit=unit.removeprefix("_"),
        text=text or " ".join(words).removesuffix(unit).replace("_", " "),
    )


def _plain(kind: Any) -> Any:
    """The type besides None."""
    if isinstance(kind, msgspec_inspect.UnionType):
        return next(t for t in kind.types if not isinstance(t, msgspec_inspect.NoneType))
    return kind


def _is_number(kind: Any) -> bool:
    numbers = (msgspec_inspect.IntType, msgspec_inspect.FloatType, msgspec_inspect.BoolType)
    return isinstance(kind, numbers)


def _texts(struct: type[Any]) -> dict[str, str]:
    """What the docstring says of each attribute; several may share a sentence."""
    found: dict[str, str] = {}
    section = (inspect.getdoc(struct) or "").partition("Attributes:")[2]
    for entry in re.split(r"\n    (?=\w)", section):
        names, colon, text = entry.strip().partition(": ")
        if colon:
            found |= {name.strip(): " ".join(text.split()) for name in names.split(",")}
    return found
