"""The result for people: what is wrong first, each with its cure, then what is fine.

Fits 80 columns, says everything without colour, and breaks no command over lines: a
terminal wraps a long one itself, and it is copied whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
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
_NAME = 16
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
    level = Text(f"{finding.level.upper():<{_INDENT}}", _STYLES[finding.level])
    sentence = Text(finding.what, "bold") + Text(f"  ({check.id})", "not bold dim")
    _hanging(level, sentence, console)
    for words, style in ((finding.where, "dim"), (finding.advice, "")):
        if words and words not in finding.what:
            _hanging(Text(" " * _INDENT), Text(words, style), console)
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
        ours = [(check, finding) for check, finding in fine if check.group == group]
        if ours:
            console.print(Text(f"{' ' * _INDENT}{group}", "dim"))
        for check, finding in ours:
            name = Text(f"{' ' * (_INDENT + 2)}{check.id:<{_NAME}}", _STYLES["ok"])
            _hanging(name, Text(finding.what), console)
    console.print()


def _hanging(first: Text, body: Text, console: Console) -> None:
    """A text wrapped beside a head, the lines below it indented by the head's width.

    Written here and not with rich's tables, which fill lines with blanks to their end.
    """
    lines = body.wrap(console, max(20, console.width - len(first.plain)))
    for number, line in enumerate(lines):
        head = first if number == 0 else Text(" " * len(first.plain))
        line.rstrip()
        console.print(head + line, soft_wrap=True)


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
