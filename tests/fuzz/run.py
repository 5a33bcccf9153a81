"""Fuzzes the parsers that face the outside and prints what came of it.

    python tests/fuzz/run.py                             every family, a million inputs each
    python tests/fuzz/run.py --family images --seed 7    one of them, from a seed of your own
    python tests/fuzz/run.py --family images --seed 7 --from 3000 --inputs 5   a failure again

Coverage is measured apart, over fewer inputs, since tracing slows a parser down.  Ctrl-C
prints what was seen until then.  Exit code 1: something was found.
"""

from __future__ import annotations

import argparse
import dataclasses
import faulthandler
import json
import platform
import secrets
import sys
from pathlib import Path

_TESTS = Path(__file__).resolve().parents[1]
sys.path[:1] = [str(_TESTS), str(_TESTS.parent)]

from fuzz import families  # noqa: E402
from fuzz.harness import GROWN_BYTES, Family, Interrupted, Seen, run  # noqa: E402
from fuzz.lines import Lines  # noqa: E402
from fuzz.watch import HANG_S, quiet_stderr  # noqa: E402
from rich import box  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: E402
from rich.table import Table  # noqa: E402

_DEAD_S = 120
"""A block that takes so long hangs in C, where no signal reaches: its stack is printed."""
_BAR = "[progress.description]{task.description}"
_HEADS = ("family", "inputs", "accepted", "refused", "slowest", "growth", "lines", "findings")
_DONE = "{task.completed:,.0f} of {task.total:,.0f}"


def main() -> int:
    """Parse the command line, run, print; the exit code."""
    asked = _arguments()
    out = Console(file=sys.stdout if not asked.json else sys.stderr, highlight=False)
    out.print(f"seed {asked.seed}", style="dim")
    found: list[Seen] = []
    stopped = False
    for name in asked.family:
        try:
            with quiet_stderr():
                found.append(_family(name, asked, out))
        except Interrupted as stop:
            found.append(stop.seen)
            stopped = True
            break
        except KeyboardInterrupt:
            stopped = True
            break
    findings = [one for seen in found for one in seen.findings]
    if asked.json:
        print(json.dumps(_document(asked.seed, found), indent=2))
    else:
        out.print(_table(found))
        if asked.missed:
            out.print("\n".join(line for seen in found for line in seen.missed), markup=False)
    for one in findings:
        out.rule(f"{one.family}: {one.what}", style="red")
        out.print(one.detail.replace("SEED", str(asked.seed)), markup=False)
    if stopped:
        out.print("stopped by Ctrl-C; the table shows what was seen until then")
    return 130 if stopped else int(bool(findings))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    say = parser.add_argument
    say("--family", action="append", choices=families.NAMES, help="one family; may be given again")
    say("--inputs", type=int, default=1_000_000, help="of each family (default 1000000)")
    say("--seed", type=int, default=None, help="makes the same inputs again")
    say("--from", dest="start", type=int, default=0, help="number of the first input")
    say("--coverage-inputs", type=int, default=20_000, help="of the traced pass; 0: none")
    say("--missed", action="store_true", help="print the lines that no input reached")
    say("--json", action="store_true", help="print a document instead of the table")
    asked = parser.parse_args()
    asked.family = asked.family or list(families.NAMES)
    asked.seed = secrets.randbits(32) if asked.seed is None else asked.seed
    return asked


def _family(name: str, asked: argparse.Namespace, out: Console) -> Seen:
    """A whole family: the run at full speed, then the traced one."""
    columns = (TextColumn(_BAR), BarColumn(), TextColumn(_DONE), TimeRemainingColumn())
    console = Console(file=sys.stdout) if out.file is sys.stdout else out
    shown = console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=not shown) as bar:
        inputs = families.inputs(name, asked.inputs)
        task = bar.add_task(name, total=inputs)

        def step(seen: Seen) -> None:
            bar.update(task, completed=seen.inputs)
            faulthandler.dump_traceback_later(_DEAD_S, exit=True, file=sys.__stdout__)

        faulthandler.dump_traceback_later(_DEAD_S, exit=True, file=sys.__stdout__)
        family = families.make(name)
        try:
            seen = run(family, inputs=inputs, seed=asked.seed, start=asked.start, step=step)
        finally:
            family.close()
            faulthandler.cancel_dump_traceback_later()
        if asked.coverage_inputs:
            _cover(name, asked, seen, bar)
    return seen


def _cover(name: str, asked: argparse.Namespace, seen: Seen, bar: Progress) -> None:
    """Trace a family of its own, which begins with nothing made ready."""
    probe = families.make(name)
    lines, count = Lines(probe.parsers()), min(asked.coverage_inputs, families.traced(name))
    probe.close()
    task = bar.add_task(f"{name}, traced", total=count)
    with lines.traced():
        family: Family = families.make(name)
        try:
            run(family, inputs=count, seed=asked.seed + 1,
                step=lambda now: bar.update(task, completed=now.inputs))  # fmt: skip
        except KeyboardInterrupt:
            raise Interrupted(seen) from None  # the run itself was complete
        finally:
            family.close()
    seen.lines, seen.lines_seen, seen.missed = lines.total, lines.seen(), lines.missed()


def _table(found: list[Seen]) -> Table:
    title = "Parsers that face the outside"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for head in _HEADS:
        table.add_column(head, justify="left" if head == "family" else "right")
    for seen in found:
        grown = "-" if seen.grown_bytes is None else f"{seen.grown_bytes / 1e6:+.1f} MB"
        bad = str(len(seen.findings))
        table.add_row(
            seen.family, f"{seen.inputs:,}", f"{seen.accepted:,}", f"{seen.refused:,}",
            f"{seen.slowest_ms:.1f} ms", grown,
            f"{seen.coverage:.1%}" if seen.lines else "-",
            f"[red]{bad}[/red]" if seen.findings else bad,
        )  # fmt: skip
    return table


def _document(seed: int, found: list[Seen]) -> dict[str, object]:
    families_ = [
        {**dataclasses.asdict(seen), "coverage": round(seen.coverage, 4)} for seen in found
    ]
    return {
        "seed": seed,
        "python": platform.python_version(),
        "bounds": {"hang_s": HANG_S, "growth_bytes": GROWN_BYTES},
        "families": families_,
    }


if __name__ == "__main__":
    sys.exit(main())
