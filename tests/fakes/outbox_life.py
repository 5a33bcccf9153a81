"""A process that lives an outbox's life: everything that is ever done to one, in any order.

    outbox_life.py FOLDER SEED STEPS

Says on standard output, a JSON object a line, what it is about to do and what was answered.
"""

from __future__ import annotations

import json
import random
import sys
import uuid
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]

from outbox_kit import Clock, picture, result  # noqa: E402

from edged.transport.outbox import Outbox, OutboxLimits, PurgeSelector  # noqa: E402
from edged.transport.outbox_digests import consent_digest  # noqa: E402
from edged.transport.outbox_schema import PENDING  # noqa: E402
from edged.transport.wire import answer  # noqa: E402
from edged.verdicts import Reason, Verdict  # noqa: E402

CAMERAS = ("booth", "door")
CONSENTS = tuple(f"c{number}" for number in range(8))
LIMITS = OutboxLimits(max_bytes=400_000, retention_s=90.0)
STEP_S = 2.0
_DOC_BYTES = 8192
"""More than a document has."""


def say(**words: object) -> None:
    """One line, out at once."""
    sys.stdout.write(json.dumps(words) + "\n")
    sys.stdout.flush()


class Life:
    """Does one thing after the other.

    Args:
        folder: of the outbox.
        chance: of everything.
    """

    def __init__(self, folder: Path, chance: random.Random) -> None:
        self.folder, self.chance, self.clock = folder, chance, Clock()
        self.shots: list[str] = []
        self.open()

    def open(self) -> None:
        """As a start does."""
        self.box = Outbox.open(
            self.folder, limits=LIMITS, clock=self.clock.wall, steady=self.clock.steady
        )

    def step(self) -> None:
        """Something."""
        self.clock.pass_s(STEP_S)
        deeds = (
            (self.put, 60), (self.again, 3), (self.remember, 4), (self.ack, 12), (self.aside, 1),
            (self.purge, 6), (self.enforce, 6), (self.tidy, 6), (self.requeue, 3), (self.reopen, 1),
        )  # fmt: skip
        deed = self.chance.choices([one for one, _ in deeds], [rate for _, rate in deeds])[0]
        deed()

    def put(self) -> None:
        """A result: a shot, or a frame of a stream."""
        shot = str(uuid.UUID(int=self.chance.getrandbits(128)))
        camera = self.chance.choice(CAMERAS)
        seed, size = self.chance.getrandbits(32), self.chance.choice((300, 3000, 40_000))
        consent = self.chance.choice(("", *CONSENTS))
        stream = self.chance.random() < 0.2
        image = picture(size, seed)
        store = self.box._store
        digest = consent_digest(store, consent).hex()
        takes = store.used_bytes + size + _DOC_BYTES > LIMITS.max_bytes
        say(do="put", takes=takes, digest=digest)
        verdict = self.box.put(
            result(image, camera, shot, (consent,) if consent else ()), image,
            shot_id=None if stream else shot, payload=None if stream else shot.encode(),
        )  # fmt: skip
        slot = store.one("SELECT slot FROM rows WHERE camera=? AND seq=?", (camera, verdict.seq))
        say(
            done="put",
            shot=shot,
            camera=camera,
            seq=verdict.seq,
            picture=[size, seed],
            consent=consent,
            digest=digest,
            stream=stream,
            key=store.vault.read(slot).hex(),
            **self.there(),
        )
        if not stream:
            self.shots.append(shot)

    def there(self) -> dict[str, object]:
        """Numbers of the results that are there now."""
        found = self.box._store.conn.execute("SELECT camera, seq FROM rows WHERE kind='result'")
        return {"there": [list(one) for one in found]}

    def again(self) -> None:
        """A shot that was answered comes once more."""
        if self.shots:
            shot = self.chance.choice(self.shots)
            assert self.box.lookup(shot, shot.encode()) is not None

    def remember(self) -> None:
        """A shot without a result."""
        shot = str(uuid.UUID(int=self.chance.getrandbits(128)))
        verdict = answer(Verdict.REFUSED, Reason.RATE_LIMITED, id=shot)
        self.box.remember(shot, shot.encode(), verdict)
        say(done="remember", shot=shot)

    def ack(self) -> None:
        """The broker has some."""
        say(do="ack")
        self.box.ack(*self.box.pending(self.chance.randrange(1, 6)))

    def aside(self) -> None:
        """The broker will never have one."""
        for row in self.box.pending(1):
            say(do="aside")
            self.box.set_aside(row, "too-large")

    def purge(self) -> None:
        """By consent, by shot, or all."""
        kind = self.chance.choices(("consent", "shot", "all"), (6, 6, 2))[0]
        words: dict[str, object] = {"all": True}
        if kind == "consent":
            words = {"consent": self.chance.choice(CONSENTS)}
        elif kind == "shot":
            words = {"shot": self.chance.choice(self.shots or [str(uuid.uuid4())])}
        say(do="purge", **words)
        self.box.purge(PurgeSelector.from_data(words))
        say(done="purge", **words, **self.there())

    def enforce(self) -> None:
        """Old rows go."""
        say(do="enforce", takes=True)
        self.box.enforce()
        say(done="enforce", **self.there())

    def tidy(self) -> None:
        """The log goes into the database."""
        self.box._store.unchecked_bytes += 1 << 20  # as if much were in it
        self.box.tidy()

    def requeue(self) -> None:
        """The broker has forgotten us."""
        self.box.requeue_all()
        found = self.box._store.conn.execute(
            "SELECT camera, seq FROM rows WHERE kind='result' AND state=?", (PENDING,)
        )
        say(done="requeue", waiting=[list(one) for one in found])

    def reopen(self) -> None:
        """A clean stop and a start."""
        self.box.close()
        self.open()


def main(folder: str, seed: str, steps: str) -> None:
    """Live, and end without saying goodbye."""
    life = Life(Path(folder), random.Random(int(seed)))
    for _ in range(int(steps)):
        life.step()
    say(done="life")


if __name__ == "__main__":
    main(*sys.argv[1:])
