"""The demo's last words: tables for people, one JSON object for programs.

Knows what was measured; measures nothing.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from edged.demo.shots import TITLES, Done, Stream
from edged.demo.watch import Watcher
from edged.verdicts import Verdict

_PROOF = ("interfaces", "routes", "sockets_refused")
"""The observations that say most, of those that the engine made."""


@dataclass
class Report:
    """Everything that a demo found out.

    Attributes:
        done: shots, in order.
        stream: the stream.
        problems: why the demo failed; empty when it did not.
        facts: what ran where, one line each.
        received: messages at the broker by kind.
        sheet: the contact sheet.
    """

    done: list[Done] = field(default_factory=list)
    stream: Stream = field(default_factory=Stream)
    problems: list[str] = field(default_factory=list)
    facts: dict[str, str] = field(default_factory=dict)
    received: Mapping[str, int] = field(default_factory=dict)
    sheet: Path | None = None

    @property
    def code(self) -> int:
        """Exit code."""
        return 1 if self.problems else 0

    def take(self, watcher: Watcher) -> None:
        """Add what the subscriber knows: counts, and what `info` and `health` say."""
        self.received = dict(sorted(watcher.counts.items()))
        found = watcher.info.get("isolation", {})
        proof = "; ".join(
            f"{what.replace('_', ' ')}: {found['proof'][what]}"
            for what in _PROOF
            if what in found.get("proof", {})
        )
        self.facts["isolation"] = str(found.get("mode", "unknown"))
        self.facts["isolation_proof"] = proof
        self.facts["states"] = " > ".join(dict.fromkeys(watcher.states))
        expected = ["status", "info", "health"]
        if any(each.verdict.verdict is Verdict.QUEUED for each in self.done):
            expected += ["result", "image"]
        for kind in expected:
            if not watcher.counts[kind]:
                self.problems.append(f"no {kind} document reached the broker")
        if watcher.repeats:
            self.problems.append(f"{watcher.repeats} results came twice under one number")

    def latencies(self) -> dict[str, tuple[float, float]]:
        """Median and largest time of each stage over the shots' results, ms."""
        times: dict[str, list[float]] = {}
        for each in self.done:
            for stage, spent in (each.result.latency_ms if each.result else {}).items():
                times.setdefault(stage, []).append(spent)
        return {stage: (statistics.median(all_), max(all_)) for stage, all_ in times.items()}

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "ok": not self.problems,
            "problems": self.problems,
            **self.facts,
            "shots": [_shot(each) for each in self.done],
            "stream": {
                "sent": self.stream.sent,
                "verdicts": dict(self.stream.verdicts),
                "seen_on_view": self.stream.seen,
            },
            "latency_ms": {
                stage: {"p50": round(middle, 2), "max": round(most, 2)}
                for stage, (middle, most) in self.latencies().items()
            },
            "received": dict(self.received),
            "sheet": str(self.sheet or ""),
        }

    def show(self, console: Console) -> None:
        """For people."""
        console.print(Group("", _shots_table(self.done), "", _stages_table(self.latencies()), ""))
        stream = ", ".join(f"{count} {name}" for name, count in self.stream.verdicts.items())
        lines = {
            **{name.replace("_", " "): fact for name, fact in self.facts.items()},
            "stream": f"{self.stream.sent} frames sent: {stream}; "
            f"{self.stream.seen} pictures on view.sock",
            "broker got": ", ".join(f"{count} {kind}" for kind, count in self.received.items()),
            "sheet": str(self.sheet or "none"),
        }
        for name, line in lines.items():
            console.print(Text(f"{name:>15}  ", "dim") + Text(line))
        console.print()
        if self.problems:
            for problem in self.problems:
                console.print(Text(f"FAILED  {problem}", "bold red"))
        else:
            kept_in = sum(each.picture is None for each in self.done)
            words = "All pictures are at the broker, and the judge finds no visitor's face in them."
            if kept_in:
                words += f" {kept_in} of {len(self.done)} shots were kept in."
            console.print(Text(words, "bold green"))


def _shot(done: Done) -> dict[str, Any]:
    guard = done.result.guard if done.result else None
    return {
        "photo": done.shot.photo.name,
        "scene": done.shot.scene,
        "verdict": done.verdict.verdict.value,
        "reason": done.verdict.reason.value,
        "faces": guard.faces_in if guard else 0,
        "swapped": guard.swapped if guard else 0,
        "filled": guard.filled if guard else 0,
        "wall_ms": round(done.wall_ms, 1),
        "escapes": len(done.escapes),
        "problem": done.problem,
    }


def _shots_table(done: Sequence[Done]) -> Table:
    table = _table("shots", ["photo", "scene", "verdict"], ["faces", "swapped", "filled", "ms"])
    table.add_column("judge", no_wrap=True)
    for each in done:
        row = _shot(each)
        judged = "clean" if each.picture is not None and not each.escapes else "-"
        colour = "green" if not each.problem else "yellow" if row["verdict"] == "refused" else "red"
        table.add_row(
            row["photo"], TITLES[each.shot.scene], Text(row["verdict"], colour),
            str(row["faces"]), str(row["swapped"]), str(row["filled"]), f"{each.wall_ms:.0f}",
            Text("ESCAPE", "bold red") if each.escapes else judged,
        )  # fmt: skip
    return table


def _stages_table(latencies: Mapping[str, tuple[float, float]]) -> Table:
    table = _table("latency by stage, ms", ["stage"], ["p50", "max"])
    for stage, (middle, most) in latencies.items():
        table.add_row(stage, f"{middle:.1f}", f"{most:.1f}")
    return table


def _table(title: str, words: Sequence[str], numbers: Sequence[str]) -> Table:
    """A table that fits 80 columns."""
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for name in words:
        table.add_column(name, no_wrap=True)
    for name in numbers:
        table.add_column(name, justify="right", no_wrap=True)
    return table
