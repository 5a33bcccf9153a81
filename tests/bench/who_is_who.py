"""Figures of who is who over many seeds: `python tests/bench/who_is_who.py [SEEDS]`.

The same sequences as tests/test_who_sequences.py, summed.
"""

from __future__ import annotations

import secrets
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from shots import say
from test_who_sequences import FILL, NAMES, NEXT, ours, theirs
from who_kit import HEAD, Story

RULES = {
    "nearest reference, no threshold": lambda story: (theirs(story)[0], 1.0),
    "nearest reference, fixed threshold": lambda story: (theirs(story)[1], 1.0),
    "edged, on_stranger = next": lambda story: ours(story, NEXT),
    "edged, on_stranger = fill": lambda story: ours(
        story, FILL, dict(zip(NAMES, [p.vector for p in story.people[:4]], strict=False))
    ),
}


def main(count: int) -> None:
    """Sum the counts of every rule over the same seeds."""
    seeds = [secrets.randbelow(2**32) for _ in range(count)]
    say(f"{count} sequences of two minutes at 30 frames a second; seeds {seeds}\n{HEAD}")
    for name, rule in RULES.items():
        total, embeds = None, 0.0
        for seed in seeds:
            counted, embedded = rule(Story(seed))
            embeds += embedded / count
            if total is None:
                total = counted
                continue
            for key in ("switches", "stranger", "shared", "visitors", "visitors_swapped"):
                setattr(total, key, getattr(total, key) + getattr(counted, key))
        say(f"{total.row(name)}   embeds a face {embeds:.2f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
