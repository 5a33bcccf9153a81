"""The part of `requirements.lock` that an installation needs: `python -m edged.service.lock`.

The lock pins all extras, tests' too; an image wants one or two.  What needs what is read from
its `# via` lines, so nothing is asked of a package index and every hash stays in place.
Standard library alone: it runs before anything is installed.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_OURS = "edged"


def part(lock: str, wanted: Iterable[str]) -> str:
    """Entries of a lock that `wanted` needs, these included.

    Args:
        lock: as `uv pip compile` writes it, with `# via` lines.
        wanted: names of packages.

    Raises:
        KeyError: a wanted package is not in the lock.
    """
    blocks = [
        (_plain(block), block)
        for block in re.split(r"\n(?=[A-Za-z0-9])", lock)
        if not block.startswith("#")
    ]
    by_name: dict[str, list[str]] = {}
    for name, block in blocks:
        by_name.setdefault(name, []).append(block)
    needs: dict[str, set[str]] = {}
    for name, block in blocks:
        for parent in _parents(block):
            needs.setdefault(parent, set()).add(name)
    found: set[str] = set()
    due = [_plain(name) for name in wanted]
    while due:
        name = due.pop()
        if name in found:
            continue
        if name not in by_name:
            raise KeyError(name)
        found.add(name)
        due += needs.get(name, ())
    return "".join(block.rstrip("\n") + "\n" for name, block in blocks if name in found)


def direct(project: str, extras: Sequence[str]) -> list[str]:
    """Names that a `pyproject.toml` asks for by itself and by these extras.

    Raises:
        KeyError: it has no such extra.
    """
    table = tomllib.loads(project)["project"]
    lines = list(table["dependencies"])
    for extra in extras:
        lines += table["optional-dependencies"][extra]
    return [_plain(line) for line in lines]


def main(words: Sequence[str]) -> int:
    """`LOCK EXTRA...`, beside `pyproject.toml`; prints the part.  `+NAME` adds a package."""
    lock = Path(words[0])
    project = lock.with_name("pyproject.toml").read_text("utf-8")
    names = [word[1:] for word in words[1:] if word.startswith("+")]
    extras = [word for word in words[1:] if not word.startswith("+")]
    try:
        wanted = [*(direct(project, extras) if extras else ()), *names]
        sys.stdout.write(part(lock.read_text("utf-8"), wanted))
    except KeyError as error:
        sys.stderr.write(f"{lock}: {error.args[0]} is not in it, or no extra of edged\n")
        return 1
    return 0


def _parents(block: str) -> list[str]:
    """Who a block is there for, by its `# via` comment; edged itself left out."""
    _, _, told = block.partition("# via")
    return [_plain(name) for name in re.findall(r"^[ #]*([A-Za-z0-9][\w.-]*)", told, re.MULTILINE)
            if _plain(name) != _OURS]  # fmt: skip


def _plain(text: str) -> str:
    """The name that a requirement begins with, as PEP 503 writes it."""
    found = _NAME.match(text)
    return re.sub(r"[-_.]+", "-", found[0]).lower() if found else ""


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
