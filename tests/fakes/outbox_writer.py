"""A process that fills an outbox until it is killed, saying what was answered."""

from __future__ import annotations

import random
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]

from outbox_kit import put  # noqa: E402

from edged.transport.outbox import Outbox, PurgeSelector  # noqa: E402


def main(folder: str, seed: str) -> None:
    """Put, acknowledge and now and then purge, for ever."""
    say = sys.stdout.write
    rng = random.Random(int(seed))
    box = Outbox.open(Path(folder))
    ids: list[str] = []
    while True:
        shot_id = put(box, size_bytes=rng.choice((2000, 60_000)))
        ids.append(shot_id)
        say(f"put {shot_id}\n")
        sys.stdout.flush()
        if rng.random() < 0.3:
            box.ack(*box.pending(3))
        if rng.random() < 0.2:
            victim = ids.pop(rng.randrange(len(ids)))
            say(f"purging {victim}\n")
            sys.stdout.flush()
            box.purge(PurgeSelector(shot=victim))


if __name__ == "__main__":
    main(*sys.argv[1:])
