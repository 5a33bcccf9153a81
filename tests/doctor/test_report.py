"""The result as data and as text."""

from __future__ import annotations

import io
import json

import pytest
from doctor_kit import setup
from rich.console import Console

from edged.doctor.finding import Check, Finding
from edged.doctor.report import Report
from edged.doctor.run import Outcome
from edged.doctor.show import show

LONG = "python -m pip uninstall -y " + " ".join(f"package-number-{i}" for i in range(9))


def check(name, group="machine"):
    return Check(name, group, f"the {name}", lambda _host, _setup: ())


def report(*levels, strict=False):
    outcomes = [
        Outcome(
            check(f"check-{i}"),
            (Finding(f"check-{i}.x", level, f"sentence {i}", "where", "advice [x]", (LONG,)),),
            1.0,
        )
        for i, level in enumerate(levels)
    ]
    return Report(outcomes, setup(), "edged", strict)


def printed(shown, width=80):
    text = io.StringIO()
    show(shown, Console(file=text, width=width, highlight=False))
    return text.getvalue()


@pytest.mark.parametrize(
    ("levels", "strict", "code"),
    [
        ((), False, 0),
        (("ok", "note"), True, 0),
        (("ok", "warn"), False, 0),
        (("ok", "warn"), True, 1),
        (("warn", "fail"), False, 71),
        (("fail",), True, 71),
    ],
)
def test_the_exit_code_tells_failures_from_warnings(levels, strict, code):
    """0, 1 for warnings that were asked to count, 71 for failures."""
    assert report(*levels, strict=strict).exit_code == code


def test_the_document_has_the_worst_first_and_all_checks():
    """Findings are sorted by level, checks stay in order, and everything is plain JSON."""
    data = json.loads(json.dumps(report("ok", "warn", "fail", "note").as_data()))
    assert [one["level"] for one in data["findings"]] == ["fail", "warn", "note", "ok"]
    assert [one["id"] for one in data["checks"]] == [f"check-{i}" for i in range(4)]
    assert data["counts"] == {"fail": 1, "warn": 1, "note": 1, "ok": 1}
    assert data["findings"][0] == {
        "id": "check-2.x", "check": "check-2", "group": "machine", "level": "fail",
        "what": "sentence 2", "where": "where", "advice": "advice [x]", "cure": [LONG], "data": {},
    }  # fmt: skip


def test_the_text_has_the_worst_first_and_what_is_fine_last():
    """A person reads the failure before the warning, and the facts after both."""
    text = printed(report("ok", "warn", "fail"))
    places = [text.index(word) for word in ("FAIL", "WARN", "FINE", "Exit code 71")]
    assert places == sorted(places)
    assert "1 failure, 1 warning, 1 fine" in text


def test_the_text_fits_80_columns_but_for_commands():
    """A command is never broken, so that it can be copied; all else is wrapped."""
    lines = printed(report("ok", "warn", "fail")).splitlines()
    assert any(line.strip() == f"$ {LONG}" for line in lines)
    assert all(len(line) <= 80 for line in lines if LONG not in line)
    assert [line for line in lines if line != line.rstrip()] == []


def test_brackets_of_a_finding_are_shown_as_they_are():
    """A sentence about [models] is no markup."""
    assert "advice [x]" in printed(report("warn"))


def test_nothing_but_text_is_printed_without_a_terminal():
    """A log gets no escape sequences."""
    assert "\x1b" not in printed(report("fail"))
