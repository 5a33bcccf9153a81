"""Nested phases of a build become one name and one share."""

import pytest

from edged.runtime.trt.progress import Phases, make_monitor


@pytest.fixture
def told():
    """What was told, in order."""
    return []


@pytest.fixture
def phases(told):
    """Phases that tell the list."""
    return Phases(lambda name, share: told.append((name, round(share, 3))))


def test_a_single_phase_goes_from_nothing_to_all(phases, told):
    """Steps are counted from 0, and the end is whole even when steps were left out."""
    phases.start("tactics", None, 4)
    phases.step("tactics", 0)
    phases.step("tactics", 1)
    phases.finish("tactics")
    assert told == [("tactics", 0.0), ("tactics", 0.25), ("tactics", 0.5), ("tactics", 1.0)]


def test_inner_phases_move_the_outer_share(phases, told):
    """The name stays the outermost one; inner steps are shares of its current step."""
    phases.start("build", None, 2)
    phases.start("compile", "build", 4)
    phases.step("compile", 1)
    phases.finish("compile")
    phases.step("build", 0)
    assert told == [
        ("build", 0.0), ("build", 0.0), ("build", 0.25), ("build", 0.5), ("build", 0.5),
    ]  # fmt: skip


def test_the_share_never_falls_within_a_phase(phases, told):
    """A bar that goes back is read as an error."""
    phases.start("build", None, 3)
    for step in range(3):
        phases.start("inner", "build", 2)
        phases.step("inner", 0)
        phases.step("inner", 1)
        phases.finish("inner")
        phases.step("build", step)
    shares = [share for _, share in told]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_what_the_listener_raises_stops_the_build_and_is_kept():
    """Nothing may unwind through the library's C++; it is asked to stop instead."""

    def stop(_name, share):
        if share > 0:
            raise KeyboardInterrupt

    phases = Phases(stop)
    phases.start("build", None, 2)
    assert phases.step("build", 0) is False
    assert isinstance(phases.raised, KeyboardInterrupt)


def test_a_phase_that_was_never_begun_is_passed_over(phases, told):
    """A library that finishes what it did not start harms nobody."""
    phases.finish("nothing")
    assert phases.step("nothing", 0) is True
    assert told == []


def test_a_monitor_is_of_the_librarys_class_and_passes_on(phases, told):
    """The three methods have the library's argument names."""

    class Base:
        """Stands for the library's class."""

    monitor = make_monitor(Base, phases)
    assert isinstance(monitor, Base)
    monitor.phase_start(phase_name="a", parent_phase=None, num_steps=1)
    assert monitor.step_complete(phase_name="a", step=0) is True
    monitor.phase_finish(phase_name="a")
    assert told[-1] == ("a", 1.0)
