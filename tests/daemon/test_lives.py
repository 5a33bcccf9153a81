"""An engine knows how those before it ended, and says when that is a crash loop."""

from __future__ import annotations

import pytest

from edged.daemon.lives import FILE, FORGIVE_S, Lives


def test_a_clean_stop_leaves_no_trace(tmp_path):
    """The next engine is a first one."""
    Lives(tmp_path).ended_well()
    assert (Lives(tmp_path).ends, list(tmp_path.glob(".*"))) == (0, [])


def test_ends_in_a_row_are_counted_with_the_last_reason(tmp_path):
    """One that could not say anything was killed."""
    Lives(tmp_path)
    second = Lives(tmp_path)
    assert (second.ends, second.reason, second.trouble) == (1, "killed", "")
    second.ends_with("stage-stuck")
    third = Lives(tmp_path)
    assert (third.ends, third.reason) == (2, "stage-stuck")


def test_three_in_a_row_are_a_crash_loop_until_one_has_run_for_a_while(tmp_path):
    """A minute forgives all of them."""
    for _ in range(3):
        Lives(tmp_path)
    fourth = Lives(tmp_path)
    assert fourth.trouble == "crash-loop"
    fourth.ran(FORGIVE_S - 1)
    assert fourth.trouble == "crash-loop"
    fourth.ran(FORGIVE_S)
    assert fourth.trouble == ""
    assert Lives(tmp_path).ends == 1


@pytest.mark.parametrize(
    "noted", [b"", b"\xff\x00", b'{"ends": -4}', b'{"ends": 1, "reason": "<b>"}', b"[" * 5000]
)
def test_a_spoiled_note_is_an_end_without_a_reason(tmp_path, noted):
    """Nothing of it gets into an event."""
    (tmp_path / FILE).write_bytes(noted)
    lives = Lives(tmp_path)
    assert (lives.ends, lives.reason) == (1, "killed")


def test_a_folder_that_cannot_be_written_stops_no_engine(tmp_path):
    """It only knows less."""
    (tmp_path / "run").write_text("")
    assert Lives(tmp_path / "run").ends >= 0
