"""The power goes: what was answered is on the disk, what was purged is not.

A process lives an outbox's life and everything that it does to the disk is recorded; at many
points of it an outbox is opened on what a disk may have left there (tests/disk/disk.py).
Seeds are new in every run and printed; `EDGED_POWER_SEED` repeats one.
"""

from __future__ import annotations

import json
import os
import secrets
import tempfile
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import msgspec
import pytest
from debian_parts import program
from disk.disk import recorder
from disk.power_kit import Play
from fakes.outbox_life import CAMERAS
from outbox_kit import Clock, picture, put
from shots import say

from edged.errors import FrameError, OperatorError
from edged.transport.outbox import Outbox, OutboxLimits
from edged.transport.outbox_schema import PENDING

STEPS = 150
CUTS = 60
LIFE = Path(__file__).parents[1] / "fakes" / "outbox_life.py"
KEPT = OutboxLimits(retention_s=1e9, unsent_max_age_s=1e9)
"""Nothing goes while it is looked at."""
OLD_KEYS = Random(1).randbytes(64)
"""Of a key file that was set aside before."""
Number = tuple[str, int]
"""Camera and sequence number."""


class Promises:
    """What was said until the power went.

    Attributes:
        results: every result that was ever answered, by its number, and what was said of it.
        there: numbers of those that nothing has taken.
        purged: those that a purge has taken.
        at_risk: those that something was about to take.
        waiting: those that a broker which forgot everything must get again.
        verdicts: shots that were answered without a result.
        emptied: a purge of everything was answered.
        withdrawn: digests of consents that a purge has taken and no result has named since.
    """

    def __init__(self) -> None:
        self.results: dict[Number, dict[str, Any]] = {}
        self.there: set[Number] = set()
        self.purged: set[Number] = set()
        self.at_risk: set[Number] = set()
        self.waiting: set[Number] = set()
        self.verdicts: set[str] = set()
        self.withdrawn: set[str] = set()
        self.emptied = False
        self._part = b""

    def hear(self, data: bytes) -> bool:
        """The next bytes of standard output; whether they answer a purge."""
        *lines, self._part = (self._part + data).split(b"\n")
        said = [json.loads(line) for line in lines]
        for words in said:
            self._begin(words) if "do" in words else self._end(words)
        return any(words.get("done") == "purge" for words in said)

    def _begin(self, words: dict[str, Any]) -> None:
        self.at_risk = set(self.there) if words.get("takes") else set()
        match words["do"]:
            case "put":
                self.withdrawn.discard(words["digest"])
            case "ack" | "aside":
                self.waiting = set()
            case "purge":
                # A shot whose result is gone already can be buried, a consent goes with its row.
                within = self.there if "consent" in words else self.results
                self.at_risk = {n for n in within if _meant(words, self.results[n])}
                if "all" in words:
                    self.verdicts.clear()

    def _end(self, words: dict[str, Any]) -> None:
        match words["done"]:
            case "put":
                self.results[words["camera"], words["seq"]] = words
            case "remember":
                self.verdicts.add(words["shot"])
            case "requeue":
                self.waiting = {(camera, seq) for camera, seq in words["waiting"]}
            case "purge":
                self.purged |= self.at_risk
                self.emptied |= words.get("all", False)
                if "shot" not in words:
                    self.withdrawn |= {self.results[number]["digest"] for number in self.at_risk}
        self.at_risk = set()
        if "there" in words:
            self.there = {(camera, seq) for camera, seq in words["there"]}


def _meant(purge: dict[str, Any], result: dict[str, Any]) -> bool:
    return (
        purge.get("all", False)
        or purge.get("shot") == result["shot"]
        or purge.get("consent") == result["consent"]
    )


class Cut(NamedTuple):
    """A moment at which the power went, and what is left."""

    outbox: Path
    promises: Promises
    where: str


def cuts(folder: Path, library: Path, seed: int, *, lying: bool = False) -> Iterator[Cut]:
    """Points of a life, each gone when the next one is asked for."""
    root = folder / "root"
    (root / "outbox").mkdir(mode=0o700, parents=True)
    (root / "outbox" / "outbox.keys.damaged-1").write_bytes(OLD_KEYS)
    argv = [str(LIFE), str(root / "outbox"), str(seed), str(STEPS)]
    play, promises, chance = (
        Play(library, folder, root, argv, lying=lying),
        Promises(),
        Random(seed),
    )
    points = set(chance.sample(range(len(play.ops)), CUTS))
    for number, said in play:
        purged = promises.hear(said)
        if number in points or purged:  # the moment in which most was promised
            with tempfile.TemporaryDirectory(dir=folder) as left:
                play.disk.cut(chance, Path(left))
                yield Cut(Path(left) / "outbox", promises, f"seed {seed}, record {number}")


def check(cut: Cut) -> None:
    """Open what is left and hold it against what was said.

    Raises:
        AssertionError: a promise is broken.
    """
    promises, where = cut.promises, cut.where
    gone = {number for number in promises.results if number not in promises.there}
    raw = b"".join(path.read_bytes() for path in cut.outbox.iterdir())
    assert not (promises.emptied and OLD_KEYS in raw), f"{where}: old keys are still there"
    for number in gone:
        key = bytes.fromhex(promises.results[number]["key"])
        assert key not in raw, f"{where}: the key of {number} is still there"
    for digest in promises.withdrawn:
        assert bytes.fromhex(digest) not in raw, f"{where}: a purged consent is still named"
    events: list[str] = []
    clock = Clock()
    clock.pass_s(STEPS * 10)
    box = Outbox.open(
        cut.outbox, limits=KEPT, clock=clock.wall, steady=clock.steady,
        on_event=lambda name, reason, _data: events.append(f"{name} {reason}"),
    )  # fmt: skip
    try:
        assert not [one for one in events if "damaged" in one], f"{where}: {events}"
        _check_rows(box, cut)
        for number in promises.results:
            _check_verdict(box, number, cut)
        for shot in promises.verdicts:
            known = box.lookup(shot, shot.encode())
            assert known is not None, f"{where}: a refusal is lost"
            assert known.verdict.reason == "rate-limited", where
        for camera in CAMERAS:
            before = max((seq for name, seq in promises.results if name == camera), default=0)
            shot = put(box, camera)
            known = box.lookup(shot, shot.encode())
            assert known is not None, where
            assert known.verdict.seq > before, f"{where}: a number is given twice"
    finally:
        box.close()


def _check_rows(box: Outbox, cut: Cut) -> None:
    """Every number is a whole result, a gap, or was taken."""
    promises, where = cut.promises, cut.where
    found: dict[Number, bytes] = {}
    told: set[Number] = set()
    for (row,) in box._store.conn.execute("SELECT row FROM rows").fetchall():
        loaded = box.load(row)
        assert loaded is not None, f"{where}: row {row} cannot be read"
        doc = msgspec.json.decode(loaded.doc_json)
        if loaded.kind == "gap":
            assert doc["reason"] != "damaged", f"{where}: {doc}"
            told |= {(doc["camera"], seq) for seq in range(doc["from"], doc["to"] + 1)}
        else:
            found[doc["camera"], doc["seq"]] = loaded.jpeg or b""
    states = {
        (camera, seq): state
        for camera, seq, state in box._store.conn.execute(
            "SELECT camera, seq, state FROM rows WHERE kind='result'"
        )
    }
    for number in promises.there - promises.at_risk:
        size, seed = promises.results[number]["picture"]
        assert number in found, f"{where}: {number} was answered and is lost"
        assert found[number] == picture(size, seed).jpeg, f"{where}: {number} is another picture"
        if number in promises.waiting:
            assert states[number] == PENDING, f"{where}: {number} is never published again"
    taken = set(promises.results) - promises.there
    assert not taken & set(found), f"{where}: what was taken is there again"
    for camera, last in box._store.conn.execute("SELECT camera, last FROM counters"):
        every = {(camera, seq) for seq in range(1, last + 1)}
        hole = every - told - set(found) - taken - promises.at_risk
        assert not hole, f"{where}: nobody is told of {hole}"


def _check_verdict(box: Outbox, number: Number, cut: Cut) -> None:
    """A shot that is sent again gets the answer that it had, or "purged" for good."""
    result = cut.promises.results[number]
    if result["stream"]:
        return
    shot = result["shot"]
    known = box.lookup(shot, shot.encode())
    assert known is not None, f"{cut.where}: {number} was answered and is forgotten"
    purged = known.verdict.reason == "purged"
    if number in cut.promises.purged:
        assert purged, f"{cut.where}: {number} was purged and is remembered"
    elif number not in cut.promises.at_risk:
        assert not purged, f"{cut.where}: {number} is purged and nobody asked"
    assert purged or known.verdict.seq == number[1], f"{cut.where}: {number} has another number"


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return recorder(program("gcc"), tmp_path_factory.mktemp("library"))


def seed_of_run() -> int:
    seed = int(os.environ.get("EDGED_POWER_SEED") or secrets.randbelow(2**32))
    say(f"\nseed {seed}")
    return seed


def test_a_power_cut_takes_nothing_that_was_answered(tmp_path: Path, library: Path) -> None:
    """Whatever part of the unsynced writes is there, all promises are kept."""
    for cut in cuts(tmp_path, library, seed_of_run()):
        check(cut)


def kept(cut: Cut) -> bool:
    try:
        check(cut)
    except (AssertionError, FrameError, OperatorError):
        return False
    return True


def test_a_disk_that_lies_is_found_out(tmp_path: Path, library: Path) -> None:
    """On a disk whose syncs keep nothing the same look finds promises broken."""
    broken = sum(not kept(cut) for cut in cuts(tmp_path, library, seed_of_run(), lying=True))
    assert broken > CUTS / 4
