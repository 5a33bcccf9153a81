"""Feeds a family of parsers with inputs and holds it to its contract.

For every input a parser gives a valid value or raises the error that it documents, within a
second of its own time; nothing of the input is in an error's text where the family promises
that; and after all of them the process is as large as before.
"""

from __future__ import annotations

import gc
import os
import resource
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from types import ModuleType
from typing import Any

from fuzz.mutate import CANARY
from fuzz.watch import Ear, Hang, Watchdog

GROWN_BLOCKS = 2000
"""Python's memory blocks more than before: caches of the library stay below it."""
GROWN_BYTES = 12 << 20
_WARM = 0.1
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Parser:
    """What of a module counts as the parser.

    Attributes:
        module: of the package.
        only: names of the functions and classes that parse; empty: all.
        but: functions that do not, each with the reason.
    """

    module: ModuleType
    only: tuple[str, ...] = ()
    but: dict[str, str] = field(default_factory=dict)


class Family:
    """One family of parsers.  Subclasses say how an input is made and fed."""

    name = ""
    refusals: tuple[type[Exception], ...] = ()
    """What a parser may raise; a subclass that it does not name, such as UnicodeDecodeError for
    ValueError, slipped through."""
    silent = True
    """Whether an error's text, and that of its causes, repeats nothing of the input."""
    block = 1000
    """Inputs that share a generator and a state: what a failure is repeated with."""
    peak_bytes = 64 << 20
    """The process may at times need so much more than at the beginning."""
    grown_blocks = GROWN_BLOCKS

    def parsers(self) -> tuple[Parser, ...]:
        """What is measured."""
        raise NotImplementedError

    def fresh(self) -> None:
        """Begin with a new state."""

    def make(self, rng: Random) -> Any:
        """An input."""
        raise NotImplementedError

    def feed(self, item: Any) -> bool:
        """Give it to the parser; whether it was accepted.

        Raises:
            AssertionError: an accepted value is not what it should be.
            Exception: one of `refusals`, or a finding.
        """
        raise NotImplementedError

    def close(self) -> None:
        """Give back what was opened."""


@dataclass(frozen=True)
class Finding:
    """Something that must not be.

    Attributes:
        at: number of the input, -1 for what all of them did together.
        what: one line.
        detail: stack and input, for whoever mends it.
    """

    family: str
    at: int
    what: str
    detail: str = ""


@dataclass
class Seen:
    """What a run over one family showed."""

    family: str
    seed: int
    inputs: int = 0
    accepted: int = 0
    refused: int = 0
    slowest_ms: float = 0.0
    slowest_at: int = -1
    grown_blocks: int = 0
    grown_bytes: int | None = None
    peak_bytes: int = 0
    took_s: float = 0.0
    lines: int = 0
    lines_seen: int = 0
    missed: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    @property
    def coverage(self) -> float:
        """Share of the parser's lines that ran, 0..1."""
        return self.lines_seen / self.lines if self.lines else 0.0


def run(
    family: Family,
    *,
    inputs: int,
    seed: int,
    start: int = 0,
    seconds: float | None = None,
    step: Callable[[Seen], None] = lambda _seen: None,
) -> Seen:
    """Feed a family.

    Args:
        family: to feed.
        inputs: how many.
        seed: of everything that is drawn.
        start: number of the first input; begins at a block's border.
        seconds: stop after so long, whatever is left.
        step: called after each block.
    """
    seen = Seen(family.name, seed)
    began_s = time.monotonic()
    warm_at = max(family.block, int(inputs * _WARM))
    before: tuple[int, int] | None = None
    base_peak = _peak_bytes()
    signatures: set[str] = set()
    ear = Ear()
    with Watchdog() as dog, ear.listening():
        try:
            for first in range(start - start % family.block, start + inputs, family.block):
                rng = Random(f"{seed}:{family.name}:{first}")
                family.fresh()
                last = min(first + family.block, start + inputs)
                for at in range(first, last):
                    finding = _one(family, rng, at, dog, seen)
                    if ear.heard and family.silent and not finding:
                        said = ear.heard[:300]
                        finding = Finding(family.name, at, "a log repeats its input", said)
                    ear.heard = ""
                    if finding and finding.what not in signatures and len(signatures) < 20:
                        signatures.add(finding.what)
                        seen.findings.append(finding)
                seen.took_s = time.monotonic() - began_s
                step(seen)
                if before is None and seen.inputs >= warm_at:
                    before = _size(family)
                if seconds is not None and seen.took_s > seconds:
                    break
        except KeyboardInterrupt:
            seen.took_s = time.monotonic() - began_s
            raise Interrupted(seen) from None
    seen.peak_bytes = max(0, _peak_bytes() - base_peak)
    if before is not None:
        blocks, size_bytes = _size(family)
        seen.grown_blocks, seen.grown_bytes = blocks - before[0], size_bytes - before[1]
    _judge_growth(family, seen)
    return seen


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, with what was seen until then."""

    def __init__(self, seen: Seen) -> None:
        self.seen = seen
        super().__init__()


def _one(family: Family, rng: Random, at: int, dog: Watchdog, seen: Seen) -> Finding | None:
    """Make one input and feed it."""
    item = family.make(rng)
    finding = None
    dog.serial = at + 1
    began_ns = time.perf_counter_ns()
    try:
        accepted = family.feed(item)
    except family.refusals as error:
        dog.serial = 0
        took_ns = time.perf_counter_ns() - began_ns
        seen.refused += 1
        if type(error) not in family.refusals and not isinstance(error, OSError):
            finding = _finding(family, at, type(error).__name__, error, item)
        elif family.silent and CANARY in _texts(error):
            finding = _finding(family, at, "an error repeats its input", error, item)
    except Hang as error:
        dog.serial = 0
        took_ns = time.perf_counter_ns() - began_ns
        finding = _finding(family, at, "a hang", error, item)
    except Exception as error:  # noqa: BLE001 - every kind is what this looks for
        dog.serial = 0
        took_ns = time.perf_counter_ns() - began_ns
        finding = _finding(family, at, f"{type(error).__name__}", error, item)
    else:
        dog.serial = 0
        took_ns = time.perf_counter_ns() - began_ns
        if accepted:
            seen.accepted += 1
        else:
            seen.refused += 1
    seen.inputs += 1
    if took_ns > max(1e6, seen.slowest_ms * 1e6) and finding is None:
        took_ns = min(took_ns, _again_ns(family, item))
    if took_ns > seen.slowest_ms * 1e6:
        seen.slowest_ms, seen.slowest_at = took_ns / 1e6, at
    return finding


def _again_ns(family: Family, item: Any) -> int:
    """Processor time of an input: the first time others may have had the processor."""
    began_ns = time.thread_time_ns()
    try:
        family.feed(item)
    except Exception:  # noqa: BLE001 - judged the first time
        return time.thread_time_ns() - began_ns
    return time.thread_time_ns() - began_ns


def _texts(error: BaseException | None) -> str:
    """The text of an error and of all that a log would print with it."""
    found = []
    while error is not None:
        found.append(str(error))
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "\n".join(found)


def _finding(family: Family, at: int, what: str, error: BaseException, item: Any) -> Finding:
    frames = traceback.extract_tb(error.__traceback__)
    where = next((one for one in reversed(frames) if "/edged/" in one.filename), frames[-1])
    name = where.filename.rsplit("/edged/", 1)[-1].rsplit("/tests/", 1)[-1]
    shown = repr(item)
    if len(shown) > 900:
        shown = f"{shown[:600]} ... {shown[-200:]}"
    detail = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    first = at - at % family.block
    command = f"python tests/fuzz/run.py --family {family.name} --seed SEED"
    again = f"{command} --from {first} --inputs {at - first + 1}"
    return Finding(
        family.name, at, f"{what} in {name}:{where.lineno} ({where.name})",
        f"{detail[-2500:]}\ninput {at}: {shown}\nto see it again: {again}",
    )  # fmt: skip


def _size(family: Family) -> tuple[int, int]:
    """(memory blocks of Python, resident bytes) with nothing in hand."""
    family.fresh()
    gc.collect()
    with open("/proc/self/statm", "rb") as file:  # noqa: PTH123 - a fresh Path would count
        pages = int(file.read().split()[1])
    return sys.getallocatedblocks(), pages * _PAGE_BYTES


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _judge_growth(family: Family, seen: Seen) -> None:
    grown = []
    if seen.grown_blocks > family.grown_blocks:
        grown.append(f"{seen.grown_blocks} memory blocks more than after the warm-up")
    if seen.grown_bytes is not None and seen.grown_bytes > GROWN_BYTES:
        grown.append(f"{seen.grown_bytes >> 20} MiB more than after the warm-up")
    if seen.peak_bytes > family.peak_bytes:
        grown.append(f"{seen.peak_bytes >> 20} MiB more at its peak than before")
    seen.findings += [Finding(family.name, -1, f"growth: {what}") for what in grown]
