"""Which lines of a parser ran: a small line tracer for named functions of named modules.

The package `coverage` would do, and is not needed for this.  A line counts when it is one
of a function's own (module and class bodies run at import, whatever is fed).
"""

from __future__ import annotations

import inspect
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from fuzz.harness import Parser

_Key = tuple[str, int, str]


class Lines:
    """The lines of parsers, and which of them are still to run.

    Args:
        parsers: what counts.
    """

    def __init__(self, parsers: Iterable[Parser]) -> None:
        self._missing: dict[_Key, set[int]] = {}
        self._names: dict[_Key, str] = {}
        for parser in parsers:
            path = inspect.getsourcefile(parser.module)
            assert path is not None
            source = Path(path).read_text(encoding="utf-8")
            for name, code in _functions(compile(source, path, "exec"), ""):
                if _counts(name, parser):
                    key = (path, code.co_firstlineno, code.co_name)
                    lines = {line for _, _, line in code.co_lines() if line}
                    self._missing[key] = lines
                    self._names[key] = f"{parser.module.__name__}.{name}"
        self._files = {path for path, _, _ in self._missing}
        self._of: dict[CodeType, set[int] | None] = {}
        self.total = len(self._all())

    def _all(self) -> set[tuple[str, int]]:
        return {(key[0], line) for key, lines in self._missing.items() for line in lines}

    def seen(self) -> int:
        """How many have run."""
        return self.total - len(self._all())

    def missed(self) -> list[str]:
        """What has not run, a function a line."""
        return [
            f"{self._names[key]}: {', '.join(map(str, sorted(lines)))}"
            for key, lines in sorted(self._missing.items())
            if lines
        ]

    @contextmanager
    def traced(self) -> Iterator[None]:
        """Note what runs in this thread and in those that it starts."""
        before = sys.gettrace()
        threading.settrace(self._call)
        sys.settrace(self._call)
        try:
            yield
        finally:
            sys.settrace(before)
            threading.settrace(before)  # type: ignore[arg-type]

    def _call(self, frame: FrameType, _event: str, _arg: Any) -> Any:
        code = frame.f_code
        if code.co_filename not in self._files:
            return None
        if code not in self._of:
            key = (code.co_filename, code.co_firstlineno, code.co_name)
            self._of[code] = self._missing.get(key)
        missing = self._of[code]
        if not missing:
            return None
        missing.discard(code.co_firstlineno)
        missing.discard(frame.f_lineno)

        def line(frame: FrameType, _event: str, _arg: Any) -> Any:
            missing.discard(frame.f_lineno)
            return line

        return line


def _counts(name: str, parser: Parser) -> bool:
    def within(names: Iterable[str]) -> bool:
        return any(name == one or name.startswith(f"{one}.") for one in names)

    return (not parser.only or within(parser.only)) and not within(parser.but)


def _functions(code: CodeType, prefix: str) -> Iterator[tuple[str, CodeType]]:
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            name = f"{prefix}{inner.co_name}"
            own = inner.co_flags & inspect.CO_OPTIMIZED and not name.startswith("<")
            if own:  # neither a class's body nor a module's comprehension
                yield name, inner
            yield from _functions(inner, f"{name}.")
