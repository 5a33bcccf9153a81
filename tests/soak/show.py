"""What a soak showed: a table for a terminal, a chart for a page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

from PIL import Image, ImageDraw, ImageFont
from rich.table import Table
from soak.samples import Sample, percentile
from soak.verdict import SHARE, Finding, windows

WIDTH_PX, PANEL_PX, LEFT_PX, RIGHT_PX, TOP_PX = 1200, 150, 90, 210, 44
INK, PALE, BAND, LINES = (40, 40, 40), (215, 215, 215), (238, 243, 250), ("#1f6fb4", "#d1662b")

Line = tuple[str, Callable[[Sample], float | None]]
Panel = tuple[str, tuple[Line, ...]]


def panels(samples: Sequence[Sample]) -> tuple[Panel, ...]:
    """What is drawn, from top to bottom; memory as a share, since 2 % of it must be seen."""
    first, _ = windows(samples)
    base = {n: median(getattr(s, n).rss_mb for s in first) for n in ("engine", "uplink")}
    return (
        ("memory, % above warm", (
            ("engine", lambda s: 100 * (s.engine.rss_mb / base["engine"] - 1)),
            ("uplink", lambda s: 100 * (s.uplink.rss_mb / base["uplink"] - 1)))),
        ("memory, MB", (("engine", lambda s: s.engine.rss_mb),
                        ("uplink", lambda s: s.uplink.rss_mb))),
        ("descriptors", (("engine", lambda s: s.engine.fds), ("uplink", lambda s: s.uplink.fds))),
        ("threads", (("engine", lambda s: s.engine.threads),
                     ("uplink", lambda s: s.uplink.threads))),
        ("CPU, % of a core", (("engine", lambda s: s.engine.cpu_percent),
                              ("uplink", lambda s: s.uplink.cpu_percent))),
        ("frames a second", (("sent", lambda s: s.sent_fps), ("shown", lambda s: s.shown_fps))),
        ("frame latency, ms", (("p50", lambda s: percentile(s.frames_ms, 50)),
                               ("p95", lambda s: percentile(s.frames_ms, 95)))),
        ("shot latency, ms", (("p50", lambda s: percentile(s.shots_ms, 50)),
                              ("p95", lambda s: percentile(s.shots_ms, 95)))),
        ("control load, ms", (("median", lambda s: percentile(s.control_ms, 50)),)),
    )  # fmt: skip


def table(findings: Sequence[Finding]) -> Table:
    """The verdict, a row a promise."""
    shown = Table("", "after warm-up", "at the end", "judged", "", title=None)
    for one in findings:
        word = "[green]held[/green]" if one.held else "[bold red]BROKEN[/bold red]"
        shown.add_row(one.what, one.first, one.last, one.judged, word)
    return shown


def chart(samples: Sequence[Sample], path: Path, title: str) -> None:
    """A PNG of everything over time, both windows shaded."""
    drawn = panels(samples)
    image = Image.new("RGB", (WIDTH_PX, TOP_PX + PANEL_PX * len(drawn) + 30), "white")
    draw = ImageDraw.Draw(image)
    draw.text((LEFT_PX, 12), title, INK, font=ImageFont.load_default(18))
    whole_s = samples[-1].at_s or 1.0
    for number, panel in enumerate(drawn):
        _panel(draw, TOP_PX + number * PANEL_PX, panel, samples, whole_s)
    for tenth in range(11):
        x = _x(whole_s * tenth / 10, whole_s)
        minutes = f"{whole_s * tenth / 600:.{1 if whole_s > 120 else 2}f}"
        draw.text((x - 10, image.height - 24), minutes, INK, font=_font())
    draw.text((WIDTH_PX - RIGHT_PX + 30, image.height - 24), "minutes", INK, font=_font())
    image.save(path)


def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(13)


def _x(at_s: float, whole_s: float) -> float:
    return LEFT_PX + (WIDTH_PX - LEFT_PX - RIGHT_PX) * at_s / whole_s


def _panel(
    draw: ImageDraw.ImageDraw, top: int, panel: Panel, samples: Sequence[Sample], whole_s: float
) -> None:
    name, lines = panel
    bottom, height = top + PANEL_PX - 14, PANEL_PX - 34
    for begin, end in ((SHARE, 2 * SHARE), (1 - SHARE, 1)):
        box = (_x(begin * whole_s, whole_s), bottom - height, _x(end * whole_s, whole_s), bottom)
        draw.rectangle(box, BAND)
    series = [
        [(s.at_s, value) for s in samples if (value := read(s)) is not None] for _, read in lines
    ]
    values = [value for points in series for _, value in points]
    lowest, highest = min([0.0, *values]) * 1.1, max([0.1, *values]) * 1.1
    for share in (0.0, 0.5, 1.0):
        y, value = bottom - height * share, lowest + (highest - lowest) * share
        draw.line((LEFT_PX, y, WIDTH_PX - RIGHT_PX, y), PALE)
        shown = round(value, 0 if highest > 10 else 1) + 0.0  # never "-0"
        draw.text((30, y - 8), f"{shown:g}", INK, font=_font())
    for number, ((label, _), points) in enumerate(zip(lines, series, strict=True)):
        scale = height / (highest - lowest)
        dots = [(_x(at, whole_s), bottom - scale * (value - lowest)) for at, value in points]
        if len(dots) > 1:
            draw.line(dots, LINES[number], 2)
        last = f"{points[-1][1]:.1f}" if points else "none"
        place = (WIDTH_PX - RIGHT_PX + 16, bottom - height + 22 + 20 * number)
        draw.text(place, f"{label}: {last}", LINES[number], font=_font())
    draw.text((WIDTH_PX - RIGHT_PX + 16, bottom - height), name, INK, font=_font())
