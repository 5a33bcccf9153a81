"""Engines in words and tables.

Knows manifests and rich's tables; decides nothing.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from edged.commands.engine_desk import Row
from edged.errors import ConfigError, EdgedError
from edged.runtime.build.jobs import Timing
from edged.runtime.build.manifest import Manifest

_MIB = 1 << 20
_NARROW_CHARS = 100
_LABEL_CHARS = 16
_FIGURES = {
    "psnr_db": "PSNR {:.1f} dB",
    "cosine": "cosine {:.5f}",
    "score_error": "scores off by {:.4f}",
    "box_error_px": "boxes off by {:.2f} px",
}


def sentence(paper: Manifest) -> str:
    """One engine in a line, after its build."""
    words = [f"{paper.model}: {paper.status}", paper.precision, figures(paper)]
    if paper.ran:
        words.append(f"{paper.ran.p50_ms:.2f} ms at batch {usual_batch(paper)}")
    words += [f"built in {paper.built.took_s:.0f} s", f"{paper.size_bytes / _MIB:.1f} MiB"]
    return ", ".join(word for word in words if word)


def usual_batch(paper: Manifest) -> int:
    """Faces a run that it is tuned for."""
    return next((shapes.opt[0] for shapes in paper.depends.profile.inputs.values()), 1)


def figures(paper: Manifest) -> str:
    """What was measured against FP32."""
    if paper.verdict is None:
        return ""
    found = paper.verdict.figures.items()
    return " ".join(_FIGURES.get(name, name + " {:g}").format(value) for name, value in found)


def as_data(paper: Manifest) -> dict[str, Any]:
    """For JSON: the manifest, and the two words that most readers look for."""
    plain: dict[str, Any] = msgspec.to_builtins(paper)
    return {"status": paper.status, "accepted": paper.accepted, **plain}


def failure(model_id: str, error: EdgedError) -> dict[str, Any]:
    """For JSON: a model that has no engine."""
    return {
        "model": model_id,
        "status": "failed",
        "accepted": False,
        "error": type(error).__name__,
        "message": str(error),
    }


def print_table(rows: Sequence[Row], screen: Console) -> None:
    """The list: a row an engine; why one is not fresh stands below its row.

    A reason is as long as it must be, so it gets a line and not a column.
    """
    narrow = screen.is_terminal and screen.width < _NARROW_CHARS
    if not screen.is_terminal:
        screen.width = max(screen.width, _NARROW_CHARS)
    heads = ["model", "runtime", "prec.", "state", "built", "ran", "accepted", "MiB"]
    shown = [0, 1, 2, 3, 6] if narrow else [*range(len(heads))]
    table = Table(box=None, pad_edge=False, header_style="bold")
    for i in shown:
        table.add_column(heads[i], no_wrap=True, justify="right" if heads[i] == "MiB" else "left")
    for row in rows:
        cells = _cells(row)
        table.add_row(*(cells[i] for i in shown))
    screen.print(table)
    reasons: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        if row.detail:
            reasons.setdefault((row.state, row.detail), []).append(row.model)
    for (state, detail), models in reasons.items():
        head, *rest = detail.split("\n")
        lines = [head] if not rest else ["", *(f"  {line}" for line in (head, *rest))]
        text = "\n".join(lines)
        screen.print(f"\n{', '.join(models)}: {state}: {text}", soft_wrap=not narrow)


def _cells(row: Row) -> list[str]:
    paper = row.manifest
    if paper is None:
        return [row.model, row.runtime or "-", "-", row.state, "-", "-", "-", "-"]
    verdict = "-" if paper.verdict is None else "yes" if paper.accepted else "no"
    measured = figures(paper)
    return [
        row.model,
        paper.depends.runtime,
        paper.precision,
        row.state,
        _day(paper.built.at_ms),
        f"{paper.ran.p50_ms:.2f} ms" if paper.ran else "no",
        f"{verdict}, {measured}" if measured else verdict,
        f"{paper.size_bytes / _MIB:.1f}",
    ]


def _day(at_ms: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(at_ms / 1000))


def pages(row: Row) -> Iterator[str]:
    """Everything of one engine, a line a fact."""
    paper = row.manifest
    assert paper is not None
    depends = paper.depends
    yield f"{paper.model} on {depends.runtime}, {paper.precision}: {row.state}"
    if row.detail:
        yield f"  {row.detail}"
    yield from _part("precision", [("chosen", paper.precision_note)])
    built = paper.built
    tries = "" if built.attempts == 1 else f", attempt {built.attempts}"
    yield from _part(
        "built",
        [
            ("when", f"{_day(built.at_ms)} by edged {built.edged}"),
            ("took", f"{built.took_s:.1f} s{tries}, {built.peak_mb} MiB of memory"),
        ],
    )
    yield from _ran(paper)
    yield from _accepted(paper)
    hashes = {
        "model": depends.model_sha256,
        "recipe": depends.recipe,
        "prepared graph": depends.graph,
        "precision plan": depends.plan or "none",
        "builder's graph": depends.source,
    }
    yield from _part("depends on", [*depends.identity.items(), *hashes.items()])
    extents = depends.profile.inputs.items()
    yield from _part(
        "extents (min, opt, max)",
        [(name, "  ".join(_extents(e) for e in (s.min, s.opt, s.max))) for name, s in extents],
    )
    yield from _part("settings", [*depends.settings.items()])
    yield from _part(
        "files",
        [
            (name, f"{piece.size_bytes} bytes  {piece.sha256}")
            for name, piece in paper.files.items()
        ],
    )


def _ran(paper: Manifest) -> Iterator[str]:
    ran = paper.ran
    if ran is None:
        yield from _part("ran", [("no", paper.problem or "it was not tried")])
        return
    facts = [("when", f"{_day(ran.at_ms)} on {ran.on}"), ("loaded in", f"{ran.load_s:.2f} s")]
    facts.append(("median run", f"{ran.p50_ms:.2f} ms at batch {usual_batch(paper)}"))
    yield from _part("ran", facts)


def _accepted(paper: Manifest) -> Iterator[str]:
    verdict = paper.verdict
    if verdict is None:
        yield from _part("accepted", [("no", "it was not compared with FP32")])
        return
    facts = [("when", _day(verdict.at_ms))]
    for name, value in verdict.figures.items():
        side = "at least" if name in {"psnr_db", "cosine"} else "at most"
        facts.append((name, f"{value:g} ({side} {verdict.bounds[name]:g})"))
    sizes = ", ".join(map(str, verdict.batches))
    facts.append(("compared", f"{verdict.faces} outputs, batches of {sizes}"))
    if verdict.reason:
        facts.append(("refused", verdict.reason))
    yield from _part("accepted" if verdict.accepted else "not accepted", facts)


def _part(title: str, facts: Sequence[tuple[str, str]]) -> Iterator[str]:
    if not facts:
        return
    yield ""
    yield title
    wide = max(_LABEL_CHARS, *(len(name) for name, _text in facts))
    yield from (f"  {name:<{wide}}  {text}" for name, text in facts)


def _extents(values: tuple[int, ...]) -> str:
    return "x".join(map(str, values))


def print_timings(paper: Manifest, timings: Sequence[Timing], screen: Console) -> None:
    """Latency by batch size, with what a face costs."""
    on = paper.ran.on if paper.ran else ""
    screen.print(f"{paper.model}, {paper.depends.runtime} {paper.precision}, on {on}")
    table = Table(box=None, pad_edge=False, header_style="bold")
    for head in ("batch", "p50 ms", "p95 ms", "ms a face", "runs"):
        table.add_column(head, justify="right", no_wrap=True)
    for one in timings:
        each = one.p50_ms / one.batch
        table.add_row(
            str(one.batch), f"{one.p50_ms:.2f}", f"{one.p95_ms:.2f}", f"{each:.2f}", str(one.runs)
        )
    screen.print(table)


def numbers(text: str) -> tuple[int, ...]:
    """Batch sizes of an option.

    Raises:
        ConfigError: they are none.
    """
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts or not all(part.isascii() and part.isdigit() and int(part) for part in parts):
        raise ConfigError(f"--batches {text!r}: needs numbers from 1 with commas, such as 1,2,4")
    return tuple(dict.fromkeys(int(part) for part in parts))
