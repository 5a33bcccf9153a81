"""The result as data: counts, exit code, and the document that `--json` prints.

The document's form, which only grows:

    v            1
    edged        version of this program
    config       {path, state: "valid" | "absent" | "invalid"}
    user         whom device nodes and folders were looked at for
    counts       {fail, warn, note, ok}: findings of each level
    exit_code    what the process ends with
    checks       [{id, group, title, level, took_ms}], in order; level is the worst
    findings     [{id, check, group, level, what, where, advice, cure, data}], worst first;
                 cure is a list of commands, data an object whose keys a check documents

Knows no terminal.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edged import __version__
from edged.doctor.finding import BADNESS, Check, Finding, Level, worst
from edged.doctor.run import Outcome
from edged.doctor.setup import Setup
from edged.errors import OperatorError

FORM = 1
"""Version of the document."""

FAILED = OperatorError.exit_code
"""Exit code when something fails: a person is needed."""
WARNED = 1
"""Exit code when something warns and warnings were asked to count."""


@dataclass(frozen=True)
class Report:
    """All outcomes of one run.

    Attributes:
        outcomes: in the order of the checks.
        setup: what was looked at.
        user: name of whoever would run the engine.
        strict: whether warnings count for the exit code.
    """

    outcomes: Sequence[Outcome]
    setup: Setup
    user: str
    strict: bool = False

    def counts(self) -> dict[Level, int]:
        """How many findings of each level, the worst level first."""
        levels = [finding.level for _, finding in self.found()]
        return {level: levels.count(level) for level in sorted(BADNESS, key=_badness, reverse=True)}

    @property
    def exit_code(self) -> int:
        """0, or 71 with a failure, or 1 with a warning where these count."""
        counts = self.counts()
        if counts["fail"]:
            return FAILED
        return WARNED if self.strict and counts["warn"] else 0

    def found(self) -> Iterator[tuple[Check, Finding]]:
        """Every finding with its check, in order."""
        for outcome in self.outcomes:
            for finding in outcome.findings:
                yield outcome.check, finding

    def worst_first(self) -> list[tuple[Check, Finding]]:
        """Every finding with its check; equally bad ones in order."""
        return sorted(self.found(), key=lambda pair: -BADNESS[pair[1].level])

    def as_data(self) -> Mapping[str, Any]:
        """The document."""
        return {
            "v": FORM,
            "edged": __version__,
            "config": {"path": str(self.setup.path), "state": self.setup.state},
            "user": self.user,
            "counts": self.counts(),
            "exit_code": self.exit_code,
            "checks": [
                {
                    "id": outcome.check.id,
                    "group": outcome.check.group,
                    "title": outcome.check.title,
                    "level": worst(outcome.findings),
                    "took_ms": round(outcome.took_ms, 1),
                }
                for outcome in self.outcomes
            ],
            "findings": [
                {
                    "id": finding.id,
                    "check": check.id,
                    "group": check.group,
                    "level": finding.level,
                    "what": finding.what,
                    "where": finding.where,
                    "advice": finding.advice,
                    "cure": list(finding.cure),
                    "data": dict(finding.data),
                }
                for check, finding in self.worst_first()
            ],
        }


def _badness(level: Level) -> int:
    return BADNESS[level]
