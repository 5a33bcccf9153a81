"""The result for people: what is wrong first, each with its cure, then what is fine.

Fits 80 columns, says everything without colour, and breaks no command over lines: a
terminal wraps a long one itself, and it is copied whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from edged.doctor.finding import GROUPS, Check, Finding, Level
from edged.doctor.report import Report
from edged.doctor.run import Progress

_STYLES: dict[Level, str] = {
    "fail": "bold red", "warn": "bold yellow", "note": "bold cyan", "ok": "green",
}  # fmt: skip
_WORDS: dict[Level, tuple[str, str]] = {
    "fail": ("failure", "failures"), "warn": ("warning", "warnings"), "note": ("note", "notes"),
    "ok": ("fine", "fine"),
}  # fmt: skip
_INDENT = 6
_NAME = 14
_MOST_COLUMNS = 100
"""Sentences longer than this are hard to read, however wide the terminal is."""


def show(report: Report, console: Console) -> None:
    """Print the whole report."""
    console.width = min(console.width, _MOST_COLUMNS)
    console.print(_heading(report))
    console.print()
    for check, finding in report.worst_first():
        if finding.level != "ok":
            _show_finding(check, finding, console)
    _show_fine(report, console)
    console.print(_summary(report))


def _heading(report: Report) -> Text:
    setup = report.setup
    state = {
        "valid": f"configuration {setup.path}",
        "absent": f"no configuration ({setup.path} is absent): the defaults",
        "invalid": f"configuration {setup.path}, which has errors",
    }[setup.state]
    return Text(f"{state}; as user {report.user}", "dim")


def _show_finding(check: Check, finding: Finding, console: Console) -> None:
    head = Table.grid(padding=(0, 2, 0, 0))
    head.add_column(width=_INDENT - 2, no_wrap=True)
    head.add_column(overflow="fold")
    sentence = Text(finding.what, "bold") + Text(f"  ({check.id})", "not bold dim")
    head.add_row(Text(finding.level.upper(), _STYLES[finding.level]), sentence)
    console.print(head)
    for words, style in ((finding.where, "dim"), (finding.advice, "")):
        if words and words not in finding.what:
            console.print(_indented(Text(words, style, overflow="fold")))
    for command in finding.cure:
        line = Text(" " * _INDENT + "$ ", "dim") + Text(command, "green")
        console.print(line, soft_wrap=True)
    console.print()


def _show_fine(report: Report, console: Console) -> None:
    """One line for each thing that is well, under the heading of its group."""
    fine = [pair for pair in report.found() if pair[1].level == "ok"]
    if not fine:
        return
    console.print(Text("FINE", _STYLES["ok"]))
    for group in GROUPS:
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_column(width=_NAME, no_wrap=True)
        table.add_column(overflow="fold")
        for check, finding in fine:
            if check.group == group:
                table.add_row(Text(check.id, _STYLES["ok"]), Text(finding.what))
        if table.row_count:
            console.print(_indented(Text(group, "dim")))
            console.print(_indented(table, by=_INDENT + 2))
    console.print()


def _indented(what: Text | Table, by: int = _INDENT) -> Padding:
    return Padding(what, (0, 0, 0, by), expand=False)


def _summary(report: Report) -> Text:
    counts = report.counts()
    line = Text()
    for level, count in counts.items():
        if count:
            words = f"{count} {_WORDS[level][count != 1]}"
            line += Text(", " if line else "") + Text(words, _STYLES[level])
    return line + Text(f".  Exit code {report.exit_code}.")


@contextmanager
def progress_line(console: Console) -> Iterator[Progress]:
    """One line on a terminal that says what is being looked at; nothing elsewhere."""
    with console.status("looking") as status:

        def tell(running: Sequence[str], done: int) -> None:
            status.update(Text(f"{done} looked at; now: {', '.join(running)}", overflow="ellipsis"))

        yield tell
