"""The report of `edged calibrate guard` for a person: tables and a histogram."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from edged.measure.guard_report import BINS, Cosines, GuardReport, RecogniserFound, SwapperFound
from edged.measure.identity import ENOUGH_PEOPLE, FEWEST_PEOPLE
from edged.measure.rates import Rate

_BARS = " ▁▂▃▄▅▆▇█"


def show(report: GuardReport, console: Console) -> None:
    """Print everything that was found."""
    console.print(
        f"{report.people} people in {report.photos} photos ({report.grouping}), "
        f"{report.seconds:.0f} s",
        markup=False,
    )
    for why, count in report.left_out.items():
        console.print(f"  left out: {count} photos, {why}", markup=False)
    console.print()
    _recogniser(report.recogniser, console)
    console.print()
    _swapper(report.swapper, console)
    if report.recogniser.generated:
        console.print(
            f"\nFewer than {FEWEST_PEOPLE} people have two photos, so pairs of one person were "
            "generated from single ones (light, colour, blur, grain, size, JPEG, landmarks). No "
            "pose and no other day is in them: they flatter.",
            markup=False,
        )
    if report.people < ENOUGH_PEOPLE:
        console.print(
            f"\n{report.people} people are few; with {ENOUGH_PEOPLE} or more the error rates "
            "mean more.",
            markup=False,
        )
    if report.written:
        console.print(
            f"\n{report.written} is written. Next: `edged doctor --only guard`, then restart the "
            "engine.",
            markup=False,
        )


def _recogniser(found: RecogniserFound, console: Console) -> None:
    bound = "none" if found.identity_max is None else f"{found.identity_max:.3f}"
    table = Table(title=f"{found.id}: identity_max {bound}", title_justify="left")
    for name in ("", "pairs", "least", "mean", "most", "wrong side of the bound"):
        table.add_column(name, justify="left" if not name else "right")
    for name, cosines in (("strangers", found.impostor), ("one person", found.genuine)):
        if cosines is not None:
            table.add_row(
                name, str(cosines.pairs), f"{cosines.least:.2f}", f"{cosines.mean:.2f}",
                f"{cosines.most:.2f}", Rate(cosines.errors, cosines.pairs).words(),
            )  # fmt: skip
    console.print(table)
    _histogram(found, console)


def _histogram(found: RecogniserFound, console: Console) -> None:
    """Two rows of bars over one axis of cosines, from the lowest to 1."""
    rows = [("strangers", found.impostor), ("one person", found.genuine)]
    counted = [(name, cosines) for name, cosines in rows if cosines is not None]
    if not counted:
        return
    first = min(next(i for i, n in enumerate(c.histogram) if n) for _, c in counted)
    for name, cosines in counted:
        console.print(f"{name:>11} |{_bars(cosines, first)}|", markup=False)
    axis = [" "] * (BINS - first)
    if found.identity_max is not None:
        axis[min(BINS - 1, int((found.identity_max + 1) / 2 * BINS)) - first] = "^"
    low = -1 + 2 * first / BINS
    console.print(f"{low:>11.2f} |{''.join(axis)}| 1.00    ^ bound", markup=False)


def _bars(cosines: Cosines, first: int) -> str:
    """A character a step; what is not empty shows."""
    most = max(cosines.histogram)
    return "".join(
        _BARS[0 if not n else max(1, round(n / most * (len(_BARS) - 1)))]
        for n in cosines.histogram[first:]
    )


def _swapper(found: SwapperFound, console: Console) -> None:
    title = f"{found.id}: no bounds"
    good = found.coarse_max is not None and found.untouched_max is not None
    if good:
        bounds = f"coarse_max {found.coarse_max:.3f}, untouched_max {found.untouched_max:.3f}"
        title = f"{found.id}: {bounds}"
    table = Table(title=title, title_justify="left")
    for name in ("", "coarse", "untouched"):
        table.add_column(name, justify="left" if not name else "right")
    with_restorer = f", with and without {found.restorer}" if found.restorer else ""
    table.add_row(
        f"{found.swaps} swaps{with_restorer}: at most",
        f"{found.coarse_most:.2f}",
        f"{found.untouched_most:.2f}",
        end_section=True,
    )
    for name, (coarse, untouched) in sorted(found.attacks.items(), key=lambda item: item[1]):
        table.add_row(f"attack {name}: at least", f"{coarse:.2f}", f"{untouched:.2f}")
    console.print(table)
    if good:
        console.print(
            f"of these swaps the guard would fill {found.filled:.1%} for their pixels, "
            f"{found.recognised:.1%} for their likeness",
            markup=False,
        )
