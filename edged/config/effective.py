"""A loaded configuration as plain data and as TOML, fit to be shown and pasted.

Knows structs and TOML's quoting; masks logins in addresses, the only place of a
configuration that could hold a secret.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from edged.config.facts import hide_login
from edged.config.schema import Config
from edged.tables import join


def effective(config: Config) -> dict[str, Any]:
    """All values, defaults included, without those that are not set; logins masked."""
    plain = _without_none(msgspec.to_builtins(config, enc_hook=str))
    plain["models"]["mirror"] = hide_login(plain["models"]["mirror"])
    return dict(plain)


def as_toml(tree: Mapping[str, Any]) -> str:
    """TOML text of nested tables; reading it gives the same tree."""
    return "\n".join(_lines(tree, "")).lstrip("\n") + "\n"


def _without_none(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    return value


def _lines(tree: Mapping[str, Any], path: str) -> Iterator[str]:
    plain = {key: item for key, item in tree.items() if not isinstance(item, Mapping)}
    if path and (plain or not tree):
        yield f"\n[{path}]"
    for key, item in plain.items():
        yield f"{join('', key)} = {_value(item)}"
    for key, item in tree.items():
        if isinstance(item, Mapping):
            yield from _lines(item, join(path, key))


def _value(item: Any) -> str:
    if isinstance(item, Mapping):
        return (
            "{" + ", ".join(f"{join('', key)} = {_value(one)}" for key, one in item.items()) + "}"
        )
    if isinstance(item, (list, tuple)):
        return f"[{', '.join(_value(one) for one in item)}]"
    if isinstance(item, str):
        # JSON's escapes are TOML's, but for DEL, which TOML wants escaped as well.
        return json.dumps(item, ensure_ascii=False).replace("\x7f", "\\u007f")
    return str(item).lower() if isinstance(item, bool) else repr(item)
