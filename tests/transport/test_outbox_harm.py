"""Whatever is done to the files of an outbox, each number that was given out is answered for.

A random life: shots, hand-outs, acknowledgements, a kill or a clean stop, then damage to one
of the files, several times over.  A consumer keeps what it gets.  *Lost*: an answered number
for which neither a result nor a gap came.  *Doubled*: a number with two results, or an id at
two numbers.
"""

from __future__ import annotations

import contextlib
import json
import random
import shutil
import uuid

import pytest
from outbox_kit import picture, result

from edged.errors import FrameError
from edged.transport.outbox import Outbox, OutboxLimits

ROUNDS = 8
HEADER_BYTES = 4096  # of the key file


def spoil(path, chance, times=1, begin=0):
    size = path.stat().st_size
    with path.open("r+b") as file:
        for _ in range(times if size > begin else 0):
            place = chance.randrange(begin, size)
            file.seek(place)
            count = min(chance.randrange(1, chance.choice((4, 64, 512))), size - place)
            file.write(chance.randbytes(count))


def cut(path, chance):
    with path.open("r+b") as file:
        file.truncate(chance.randrange(path.stat().st_size + 1))


def harm_database(folder, chance):
    spoil(folder / "outbox.db", chance, chance.randrange(1, 6))


def harm_database_cut(folder, chance):
    cut(folder / "outbox.db", chance)
    if chance.random() < 0.5:
        (folder / "outbox.db-wal").unlink(missing_ok=True)


def harm_log(folder, chance):
    log = folder / "outbox.db-wal"
    if not log.exists():
        return
    match chance.randrange(4):
        case 0:
            cut(log, chance)
        case 1:
            log.unlink()
        case _:
            spoil(log, chance, chance.randrange(1, 4))


def harm_keys(folder, chance):
    spoil(folder / "outbox.keys", chance, chance.randrange(1, 6), HEADER_BYTES)


def harm_key_file(folder, chance):
    keys = folder / "outbox.keys"
    match chance.randrange(3):
        case 0:
            with keys.open("r+b") as file:
                file.write(chance.randbytes(64))
        case 1:
            cut(keys, chance)
        case _:
            keys.unlink()


def harm_marks(folder, chance):
    if chance.random() < 0.5:
        cut(folder / "outbox.marks", chance)
    else:
        (folder / "outbox.marks").unlink()


HARM = {
    "database": harm_database,
    "database cut": harm_database_cut,
    "log": harm_log,
    "keys": harm_keys,
    "key file": harm_key_file,
    "marks": harm_marks,
}


class Consumer:
    """Keeps what was answered, what came, and what went against a promise."""

    def __init__(self):
        self.answered, self.results, self.places, self.gaps = set(), {}, {}, []
        self.problems = []

    def put(self, box, chance):
        image, camera = picture(chance.randrange(100, 20_000)), chance.choice(("a", "b"))
        doc = result(image, camera=camera)
        verdict = box.put(doc, image, shot_id=str(uuid.uuid4()), payload=image.jpeg)
        place = (verdict.session, camera, verdict.seq)
        if place in self.answered:
            self.problems.append(f"{place} was given out twice")
        self.answered.add(place)

    def take(self, box, limit=10_000):
        """Have rows handed out and acknowledge them."""
        while limit > 0 and (rows := box.pending(min(8, limit))):
            for number in rows:
                limit -= 1
                row = box.load(number)
                if row is not None:
                    self._keep(row)
                box.ack(number)

    def _keep(self, row):
        doc = json.loads(row.doc_json)
        if row.kind == "gap":
            self.gaps.append((doc["session"], doc["camera"], doc["from"], doc["to"]))
            return
        place = (doc["session"], doc["camera"], doc["seq"])
        if self.results.setdefault(place, (doc["id"], row.jpeg)) != (doc["id"], row.jpeg):
            self.problems.append(f"{place} came with two results")
        if self.places.setdefault(doc["id"], place) != place:
            self.problems.append(f"{doc['id']} came at two places")

    def lost(self):
        return [
            place for place in self.answered - self.results.keys()
            if not any((a, b) == place[:2] and c <= place[2] <= d for a, b, c, d in self.gaps)
        ]  # fmt: skip


def live(box, consumer, chance):
    """A few shots, some of them delivered."""
    for _ in range(chance.randrange(1, 15)):
        with contextlib.suppress(FrameError):  # damage is met while running, and begun anew
            consumer.put(box, chance)
            if chance.random() < 0.6:
                consumer.take(box, chance.randrange(1, 4))
        if chance.random() < 0.1:
            box._store.conn.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()


@pytest.mark.parametrize("harm", HARM)
def test_each_number_is_answered_for(tmp_path, harm):
    """Lost 0 and doubled 0 over random lives, and the next shot is taken."""
    limits = OutboxLimits(min_free_bytes=0)
    for seed in range(ROUNDS):
        chance, consumer = random.Random(f"{harm}/{seed}"), Consumer()
        folder = tmp_path / str(seed) / "0"
        for turn in range(chance.randrange(1, 4)):
            box = Outbox.open(folder, limits=limits)
            live(box, consumer, chance)
            clean = chance.random() < 0.25
            if clean:
                box.close()
            # What a kill leaves: files as they are, the log not carried into the database.
            folder = shutil.copytree(folder, folder.with_name(str(turn + 1)))
            box.close()
            HARM[harm](folder, chance)
        box = Outbox.open(folder, limits=limits)
        with contextlib.suppress(FrameError):
            consumer.take(box)
        consumer.take(box)
        consumer.put(box, chance)
        consumer.take(box)
        box.close()
        shutil.rmtree(tmp_path / str(seed))
        assert (consumer.lost(), consumer.problems) == ([], []), f"seed {seed}"
