"""Running checks: none can stop, crash or outlast the rest."""

from __future__ import annotations

import threading

from doctor_kit import FakeHost, ids, setup

from edged.doctor.finding import Check, Finding, worst
from edged.doctor.run import AT_A_TIME, run_checks
from edged.doctor.setup import Setup


def check(name, look, **more):
    return Check(name, "machine", f"the {name}", look, **more)


def fine(_host, _setup):
    yield Finding("fine.ok", "ok", "all is well")


def test_outcomes_keep_the_order_of_the_checks(root):
    """However they end, they are told in the order of the list."""
    gate = threading.Event()

    def waits(_host, _setup):
        gate.wait(10)
        yield Finding("first.ok", "ok", "late")

    def opens(_host, _setup):
        gate.set()
        yield Finding("second.ok", "ok", "early")

    done = run_checks([check("first", waits), check("second", opens)], FakeHost(root), setup())
    assert [outcome.check.id for outcome in done] == ["first", "second"]
    assert [outcome.findings[0].what for outcome in done] == ["late", "early"]


def test_a_check_that_raises_is_a_finding_without_the_exceptions_text(root):
    """The kind of an exception is told, its text (which may hold anything) is not."""

    def breaks(_host, _setup):
        raise ValueError("a secret")
        yield

    broken, well = run_checks([check("bad", breaks), check("good", fine)], FakeHost(root), setup())
    assert ids(broken.findings) == {"bad.error": "warn"}
    assert "ValueError" in broken.findings[0].what
    assert "secret" not in repr(broken)
    assert ids(well.findings) == {"fine.ok": "ok"}


def test_a_check_that_hangs_is_given_up(root):
    """Its time over, it becomes a finding and the rest goes on, however many hang."""
    for_ever = threading.Event()

    def hangs(_host, _setup):
        for_ever.wait(60)
        yield Finding("hangs.ok", "ok", "too late")

    stuck = [check(f"stuck-{i}", hangs, timeout_s=0.05) for i in range(AT_A_TIME + 1)]
    *late, well = run_checks([*stuck, check("good", fine)], FakeHost(root), setup())
    for_ever.set()
    assert [ids(outcome.findings) for outcome in late] == [
        {f"stuck-{i}.timeout": "warn"} for i in range(AT_A_TIME + 1)
    ]
    assert ids(well.findings) == {"fine.ok": "ok"}


def test_checks_that_ask_an_invalid_configuration_are_left_out(root):
    """Defaults say nothing about a machine whose configuration cannot be read."""
    broken = Setup(setup().path, "invalid", setup().config, ("x: wrong",))
    first, second = run_checks(
        [check("asks", fine, configured=True), check("asks-not", fine)], FakeHost(root), broken
    )
    assert ids(first.findings) == {"asks.left-out": "note"}
    assert ids(second.findings) == {"fine.ok": "ok"}


def test_progress_is_told_until_all_have_ended(root):
    """The last word is that nothing runs and all are done."""
    told = []
    run_checks(
        [check("good", fine), check("other", fine)], FakeHost(root), setup(),
        lambda running, done: told.append((running, done)),
    )  # fmt: skip
    assert told[0] == (("good", "other"), 0)
    assert told[-1] == ((), 2)


def test_the_worst_level_counts():
    """A failure outweighs warnings; nothing at all is well."""
    levels = ("ok", "warn", "fail", "note")
    assert worst(Finding("x", level, "y") for level in levels) == "fail"
    assert worst([]) == "ok"
