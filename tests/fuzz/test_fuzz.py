"""Every parser that faces the outside holds its contract, and the harness sees one that does not.

A short run; `make fuzz` does the long one.  `EDGED_FUZZ_SEED` repeats a failure.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fuzz import families, watch
from fuzz.harness import Family, Parser, run
from fuzz.lines import Lines
from fuzz.mutate import CANARY
from fuzz.watch import quiet_stderr

SEED = int(os.environ.get("EDGED_FUZZ_SEED") or secrets.randbits(32))
SECONDS = 2.5
RUN = Path(__file__).with_name("run.py")


@pytest.mark.parametrize("name", families.NAMES)
def test_a_family_holds_its_contract(name):
    """Valid or refused as documented: no crash, no hang, no growth, nothing repeated."""
    family = families.make(name)
    try:
        with quiet_stderr():
            seen = run(family, inputs=20_000, seed=SEED, seconds=SECONDS)
    finally:
        family.close()
    found = "\n\n".join(f"{one.what}\n{one.detail}" for one in seen.findings)
    assert not seen.findings, f"EDGED_FUZZ_SEED={SEED}\n{found.replace('SEED', str(SEED))}"
    assert 0.02 < seen.accepted / seen.inputs < 0.98, "most of what is made is of one kind"


class Planted(Family):
    """A parser that is sound, but for what a test plants in it."""

    name = "planted"
    refusals = (ValueError,)
    block = 100

    def __init__(self, fault=lambda _item: None):
        self._fault = fault

    def make(self, rng):
        return rng.randrange(1000)

    def feed(self, item):
        if item == 7:
            self._fault(item)
        if item % 2:
            raise ValueError("odd")
        return True


def _what(fault, inputs=5000):
    return [one.what for one in run(Planted(fault), inputs=inputs, seed=1).findings]


def test_a_sound_parser_has_no_findings():
    """What is refused as documented is counted and no finding."""
    seen = run(Planted(), inputs=5000, seed=1)
    assert (seen.findings, seen.accepted + seen.refused) == ([], 5000)


def test_a_planted_crash_is_found():
    """An error that is not the documented one, and what to type to see it again."""
    (one,) = run(Planted(lambda item: {}[item]), inputs=5000, seed=1).findings
    assert one.what.startswith("KeyError in ")
    assert f"--from {one.at - one.at % 100} " in one.detail


def test_a_planted_subclass_of_the_documented_error_is_found():
    """UnicodeDecodeError is a ValueError that nobody meant to raise."""
    assert _what(lambda _item: b"\xff".decode())[0].startswith("UnicodeDecodeError in ")


def test_a_planted_hang_is_found(monkeypatch):
    """A parser that works for ever, also where it takes every Exception."""
    monkeypatch.setattr(watch, "HANG_S", 0.5)

    def hang(_item):
        while True:
            try:
                sum(range(1000))
            except Exception:  # noqa: BLE001 - as a parser would
                continue

    assert _what(hang, inputs=900)[0].startswith("a hang in ")


def test_a_planted_wait_is_found(monkeypatch):
    """A parser that waits for what never comes."""
    monkeypatch.setattr(watch, "STALL_S", 0.5)
    assert _what(lambda _item: time.sleep(60), inputs=900)[0].startswith("a hang in ")


def test_planted_growth_is_found():
    """A parser that keeps something of every input."""
    kept = []
    assert _what(lambda item: kept.append([str(item) + str(n) for n in range(900)]))[0].startswith(
        "growth: "
    )


def test_a_planted_echo_is_found():
    """An error that repeats its input, itself or in its cause."""

    def echo(_item):
        try:
            {}[CANARY]
        except KeyError as error:
            raise ValueError("bad") from error

    assert _what(echo)[0].startswith("an error repeats its input")


def test_lines_that_do_not_run_are_told():
    """Coverage counts what ran, and names what did not."""
    family = Planted()
    lines = Lines([Parser(sys.modules[__name__], only=("Planted.feed", "_what"))])
    with lines.traced():
        run(family, inputs=200, seed=1)
    assert 0 < lines.seen() < lines.total
    assert [line.partition(":")[0] for line in lines.missed()][:2] == [
        f"{__name__}.Planted.feed", f"{__name__}._what"
    ]  # fmt: skip


def test_the_command_prints_what_it_saw():
    """`--json` gives figures of each family; the same seed gives the same figures."""
    few = ["--inputs", "300", "--coverage-inputs", "300", "--seed", "5"]
    command = [sys.executable, RUN, "--family", "frames", "--json", *few]
    first, again = (
        json.loads(subprocess.run(command, check=True, capture_output=True).stdout)["families"][0]
        for _ in range(2)
    )
    assert first["inputs"] == 300
    assert first["coverage"] > 0.5
    assert {key: first[key] for key in ("accepted", "refused")} == {
        key: again[key] for key in ("accepted", "refused")
    }
