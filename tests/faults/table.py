"""The matrix for people (a table) and for machines (JSON)."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict

from rich import box
from rich.table import Table

COLUMNS = (
    "fault", "in-\njected", "shots\nanswered", "results at\nconsumer", "lost", "dupli-\ncated",
    "faces\nout",
)  # fmt: skip


def table(rows):
    """A row a kind, and the sum."""
    found = Table(box=box.SIMPLE, header_style="bold", show_footer=True)
    sums = [
        sum(row.injected for row in rows), sum(row.answered for row in rows),
        sum(row.results for row in rows), sum(len(row.lost) for row in rows),
        sum(len(row.duplicated) for row in rows), sum(len(row.escapes) for row in rows),
    ]  # fmt: skip
    for name, total in zip(COLUMNS, [f"{len(rows)} kinds", *map(str, sums)], strict=True):
        first = name == "fault"
        found.add_column(
            name, footer=total, justify="left" if first else "right", no_wrap=not first
        )
    for row in rows:
        found.add_row(
            row.kind if row.good else f"[red]{row.kind}[/red]",
            str(row.injected), str(row.answered), _results(row),
            _bad(row.lost), _bad(row.duplicated), _bad(row.escapes),
        )  # fmt: skip
    return found


def _results(row):
    return f"{row.results} + {row.gaps} gaps" if row.gaps else str(row.results)


def _bad(what):
    return f"[bold red]{len(what)}[/bold red]" if what else "0"


def load_line(rows):
    """The load that was reached, over all kinds, by time."""
    offered, shown, shots, whole_s, living_s = (
        sum(getattr(row, name) for row in rows)
        for name in ("offered", "shown", "shots", "under_load_s", "living_s")
    )
    judged = sum((row.judged for row in rows), Counter())
    held = sum((row.held for row in rows), Counter())
    looked = ", ".join(f"{count} at {place}" for place, count in sorted(judged.items()))
    return (
        f"load: {offered / (living_s or 1):.1f} stream frames a second into a living engine; "
        f"over all {whole_s:.0f} s, outages included, {offered / (whole_s or 1):.1f} in, "
        f"{shown / (whole_s or 1):.1f} shown and {shots / (whole_s or 1):.1f} shots answered "
        f"a second\njudged: {sum(judged.values())} pictures ({looked}); {held['faces']} "
        f"faces that the detector found and {held['places']} places where a face had been, each "
        "held against all that went in"
    )


def violations(rows, most=5):
    """What a person needs to have it again: kind, seed, and what was seen; no picture."""
    lines = []
    for row in rows:
        for word in ("lost", "duplicated", "escapes", "problems"):
            found = getattr(row, word)
            lines += [f"{row.kind} (seed {row.seed}): {word}: {what}" for what in found[:most]]
            if len(found) > most:
                lines.append(f"{row.kind} (seed {row.seed}): {len(found) - most} more {word}")
    return lines


def as_json(rows, *, seed, interrupted):
    """Everything, for machines."""
    return {
        "v": 1,
        "seed": seed,
        "interrupted": interrupted,
        "good": all(row.good for row in rows),
        "injected": sum(row.injected for row in rows),
        "rows": [
            asdict(row) | {"judged": dict(row.judged), "held": dict(row.held), "good": row.good}
            for row in rows
        ],
    }
