"""Behaviour of ages when the wall clock is wrong."""

import pytest
from outbox_kit import Clock, put

from edged.transport.outbox import Outbox, OutboxLimits

_YEAR_S = 365 * 86_400.0


def open_box(folder, clock, *, synced=False):
    return Outbox.open(
        folder,
        clock=clock.wall,
        steady=clock.steady,
        clock_synced=lambda: synced,
        limits=OutboxLimits(retention_s=100, unsent_max_age_s=100),
    )


def test_a_clock_that_is_set_ages_no_row(tmp_path):
    """A box that boots in 1970 and learns the time keeps its rows and their true age."""
    clock = Clock(wall_s=1000.0)
    box = open_box(tmp_path / "o", clock)
    shot_id = put(box)
    clock.pass_s(50)
    clock.set_by_s(56 * _YEAR_S)
    box.enforce()
    assert box.stats().depth == 1
    assert box.lookup(shot_id, shot_id.encode()) is not None
    assert 50 <= box.stats().oldest_unsent_s < 52
    clock.pass_s(51)
    assert box.enforce() == 1
    box.close()


@pytest.mark.parametrize("by_s", [-_YEAR_S, _YEAR_S])
def test_a_row_made_just_after_a_jump_keeps_its_age_too(tmp_path, by_s):
    """Between the jump and the next look at the clock shots go on coming."""
    clock = Clock()
    box = open_box(tmp_path / "o", clock)
    clock.set_by_s(by_s)
    put(box)
    assert box.enforce() == 0
    assert box.stats().oldest_unsent_s < 2
    clock.pass_s(101)
    assert box.enforce() == 1
    box.close()


def test_a_clock_set_back_lets_rows_expire_all_the_same(tmp_path):
    """A wrong time in the future does not keep a picture for ever."""
    clock = Clock()
    box = open_box(tmp_path / "o", clock)
    put(box)
    clock.set_by_s(-_YEAR_S)
    box.enforce()
    clock.pass_s(101)
    assert box.enforce() == 1
    box.close()


def test_rows_of_an_earlier_run_without_a_clock_begin_their_age_anew(tmp_path):
    """Made in 1970, found in 2025: their age is unknown, so they are not thrown away."""
    clock = Clock(wall_s=1000.0)
    box = open_box(tmp_path / "o", clock)
    put(box)
    box.close()
    clock = Clock()
    box = open_box(tmp_path / "o", clock)
    assert box.enforce() == 0
    clock.pass_s(101)
    assert box.enforce() == 1
    box.close()


def test_rows_from_the_future_begin_their_age_anew_once_the_clock_is_good(tmp_path):
    """A run with a clock years ahead leaves nothing that never expires."""
    ahead = Clock(wall_s=1_760_000_000.0 + 10 * _YEAR_S)
    box = open_box(tmp_path / "o", ahead)
    put(box)
    box.close()
    clock = Clock()
    box = open_box(tmp_path / "o", clock, synced=True)
    assert box.enforce() == 0
    clock.pass_s(101)
    assert box.enforce() == 1
    box.close()


@pytest.mark.parametrize("synced", [False, True])
@pytest.mark.parametrize("years", [10, -10])
def test_a_clock_that_jumps_ten_years_and_back_expires_nothing(tmp_path, years, synced):
    """Rows of this run and of the one before keep their true age; numbers go on."""
    clock = Clock()
    box = open_box(tmp_path / "o", clock, synced=synced)
    shots = [put(box)]
    box.close()
    clock.pass_s(20)
    box = open_box(tmp_path / "o", clock, synced=synced)
    shots.append(put(box))
    for jump in (years, -years, years):
        clock.set_by_s(jump * _YEAR_S)
        assert box.enforce() == 0
        clock.pass_s(10)
        assert box.enforce() == 0
    assert 45 < box.stats().oldest_unsent_s < 55
    shots.append(put(box))
    assert [box.lookup(shot, shot.encode()).verdict.seq for shot in shots] == [1, 2, 3]
    clock.pass_s(60)
    assert box.enforce() == 1  # the first, which is over 100 s old by now
    clock.pass_s(20)
    assert box.enforce() == 1
    box.close()


@pytest.mark.parametrize("years", [10, -10])
def test_a_box_that_comes_up_ten_years_off_expires_nothing(tmp_path, years):
    """Its clock's battery is empty; once the network sets it, the true times stand again."""
    clock = Clock()
    box = open_box(tmp_path / "o", clock, synced=True)
    shot = put(box)
    clock.pass_s(30)
    box.close()
    clock.set_by_s(years * _YEAR_S)
    good = []
    box = Outbox.open(
        tmp_path / "o",
        clock=clock.wall,
        steady=clock.steady,
        clock_synced=lambda: bool(good),
        limits=OutboxLimits(retention_s=100, unsent_max_age_s=100),
    )
    put(box)
    clock.pass_s(10)
    assert box.enforce() == 0
    assert 35 < box.stats().oldest_unsent_s < 45
    clock.set_by_s(-years * _YEAR_S + 20)  # it was off for 20 s
    good.append(1)
    assert box.enforce() == 0
    assert 55 < box.stats().oldest_unsent_s < 65
    assert box.lookup(shot, shot.encode()).picture is not None
    clock.pass_s(45)
    assert box.enforce() == 1
    clock.pass_s(50)
    assert box.enforce() == 1
    box.close()


def test_days_in_a_cupboard_count_when_the_clock_went_on(tmp_path):
    """Retention is a promise to people, also on a box that no network ever tells the time."""
    clock = Clock()
    box = open_box(tmp_path / "o", clock)
    put(box)
    box.close()
    clock.pass_s(3 * 86_400)
    box = open_box(tmp_path / "o", clock)
    assert box.enforce() == 1
    box.close()
