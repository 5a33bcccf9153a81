"""Stages give what they gave when their golden files were made.

A file is made anew only when a change is meant: `python tests/golden/test_golden.py NAME...`
(all without names), then look at it, and say in the commit why it changed.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.append(str(Path(__file__).resolve().parents[1]))  # for the command; pytest has it

from golden import cases, networks  # noqa: F401 - each fills CASES
from golden.case import CASES, FOLDER

ALL_BYTES_MAX = 900_000


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_stage_gives_what_it_gave(case):
    """Within the tolerance that the case states, in the largest and in the mean difference."""
    made, stored = case.make().astype(np.float64), case.stored().astype(np.float64)
    assert made.shape == stored.shape
    off = np.abs(made - stored)
    assert off.max() <= case.most
    assert off.mean() <= case.mean


def test_every_file_has_its_case_and_they_are_small():
    """Nothing is left over, and nobody's photo slips in among them."""
    files = {path.name: path.stat().st_size for path in FOLDER.iterdir() if path.is_file()}
    golden = {name for name in files if not name.endswith(".py")}
    assert golden == {case.path.name for case in CASES}
    assert sum(files.values()) < ALL_BYTES_MAX


def test_making_them_again_gives_the_same_bytes(tmp_path):
    """Twice on one machine: no clock, no seed of the day, no name of a folder is in them."""
    for case in CASES:
        first = case.store(tmp_path).read_bytes()
        assert case.store(tmp_path).read_bytes() == first


def test_a_wrong_stage_is_noticed():
    """Half a pixel's shift of a crop is beyond every tolerance of pictures."""
    (case,) = (one for one in CASES if one.name == "crop_arcface_112")
    made = case.make().astype(np.float64)
    shifted = (made[:, 1:] + made[:, :-1]) / 2
    off = np.abs(shifted - case.stored()[:, 1:])
    assert off.max() > case.most
    assert off.mean() > case.mean


if __name__ == "__main__":
    wanted = sys.argv[1:] or [case.name for case in CASES]
    for each in CASES:
        if each.name in wanted:
            sys.stdout.write(f"{each.store(FOLDER).name}\n")
