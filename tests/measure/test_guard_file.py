"""Bounds are put into a file beside whatever is there."""

from __future__ import annotations

import pytest

from edged.calibration import RecogniserBound, SwapperBound, load
from edged.errors import ConfigError, OperatorError
from edged.measure.guard_file import save_bounds

R = RecogniserBound(identity_max=0.4, measured_on='20 "people"\nand 5 %')
S = SwapperBound(coarse_max=0.5, untouched_max=0.1, measured_on="swaps")


def test_a_new_file_holds_the_entries(tmp_path):
    """Folders are made; what is read back is what was written, dots in ids included."""
    path = tmp_path / "calibration/guard.toml"
    save_bounds(path, {"w600k.v2": R}, {"inswapper_128": S})
    table = load(path)
    assert table.recognisers == {"w600k.v2": R}
    assert table.swappers == {"inswapper_128": S}


OLD = '''\
# our own words
[recognisers.w600k_mbf]  # the guard's
identity_max = 0.3
measured_on = """
[not a table]
"""
[swappers.other]
coarse_max = 0.2
untouched_max = 0.2
measured_on = "kept"
'''


def test_others_entries_and_comments_stay(tmp_path):
    """Only the entry of the same id gives way."""
    path = tmp_path / "guard.toml"
    path.write_text(OLD)
    path.chmod(0o640)
    save_bounds(path, {"x": R}, {})
    assert path.read_text().startswith(OLD)
    save_bounds(path, {"x": R}, {"other": S})
    table = load(path)
    assert table.swappers == {"other": S}
    assert table.recognisers["w600k_mbf"].identity_max == 0.3
    assert path.read_text().startswith("# our own words\n[recognisers.w600k_mbf]  # the guard's\n")
    assert path.stat().st_mode & 0o777 == 0o640
    assert [one.name for one in tmp_path.iterdir()] == ["guard.toml"]


def test_an_entry_whose_text_looks_like_a_table_gives_way_as_a_whole(tmp_path):
    """A line that begins with a bracket inside a string is no table."""
    path = tmp_path / "guard.toml"
    path.write_text(OLD)
    save_bounds(path, {"w600k_mbf": R}, {})
    assert load(path).recognisers == {"w600k_mbf": R}
    assert load(path).swappers["other"].coarse_max == 0.2


def test_inline_tables_are_written_anew(tmp_path):
    """A form that lines do not show is no reason to lose an entry or to write one twice."""
    path = tmp_path / "guard.toml"
    path.write_text('recognisers = { a = { identity_max = 0.2, measured_on = "x" } }\n')
    save_bounds(path, {"b": R}, {})
    assert sorted(load(path).recognisers) == ["a", "b"]


def test_a_damaged_file_is_not_written_over(tmp_path):
    """Whoever has entries there wants them mended, not lost."""
    path = tmp_path / "guard.toml"
    path.write_text("[recognisers")
    with pytest.raises(ConfigError, match=r"guard\.toml"):
        save_bounds(path, {"x": R}, {})
    assert path.read_text() == "[recognisers"


def test_a_folder_that_cannot_be_made_is_the_operators(tmp_path):
    """A file in the folder's place: said with what to do."""
    (tmp_path / "calibration").write_text("")
    with pytest.raises(OperatorError, match="--out"):
        save_bounds(tmp_path / "calibration/guard.toml", {"x": R}, {})
