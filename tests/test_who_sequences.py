"""Two minutes of people who cross, leave, come back, and a stranger: each keeps its character.

Seeds are new in every run and printed; `EDGED_WHO_SEED` repeats one.
"""

from __future__ import annotations

import os
import random

import pytest
from shots import say
from who_kit import HEAD, SAME, STRANGER, Count, Nearest, Story

from edged.pipeline.roles import Roles
from edged.scene import Scene
from edged.stages.hold import Held
from edged.stages.track import Tracks

NAMES = tuple(f"c{number}" for number in range(6))
NEXT = Scene(mode="disguise", identities=NAMES)
FILL = Scene(mode="disguise", identities=NAMES[:4], on_stranger="fill")


def seeds(count):
    named = os.environ.get("EDGED_WHO_SEED")
    # Processes that share a run (pytest-xdist) must agree on the names of tests.
    chance = random.Random(os.environ.get("PYTEST_XDIST_TESTRUNUID"))
    return [int(named)] if named else [chance.randrange(2**32) for _ in range(count)]


def ours(story, scene, enrolled=None):
    """What edged's tracks make of a story; and the share of faces that were embedded."""
    held, tracks, roles = Held(700), Tracks(enrolled), Roles()
    count = Count(stranger_may=scene.on_stranger == "next")
    faces_seen = embedded = 0
    for now_ms, shown in story:
        faces, looks = [s.face for s in shown], [s.glance for s in shown]
        held.update(faces, now_ms)
        due = tracks.plan(faces, looks, now_ms, held.window_ms)
        for number in due:
            faces[number].embedding = shown[number].vector
        joined = tracks.join(
            faces, looks, now_ms, window_ms=held.window_ms, same=SAME, remember_ms=30_000
        )
        cast = roles.cast(
            joined, [True] * len(faces), scene, reserved=frozenset(enrolled or ()),
            remembered=frozenset(t.track_id for t in tracks.all),
        )  # fmt: skip
        count([s.person for s in shown], cast)
        faces_seen += len(faces)
        embedded += len(due)
    return count, embedded / faces_seen


def theirs(story):
    """What the nearest reference makes of it, without and with a threshold.

    The visitors' first frames are the references.
    """
    rules = [(Nearest(least), Count(stranger_may=False)) for least in (-1.0, SAME)]
    met = set()
    for _now_ms, shown in story:
        new = [s for s in shown if s.person not in met and s.person != STRANGER]
        for s in new:
            met.add(s.person)
            for rule, _ in rules:
                rule([s.vector], enrol=True)
        for rule, count in rules:
            count([s.person for s in shown], rule([s.vector for s in shown], enrol=False))
    return [count for _, count in rules]


@pytest.mark.parametrize("seed", seeds(2))
def test_everybody_keeps_the_character_and_a_stranger_takes_none(seed):
    """Nobody changes, nobody shares, the stranger gets one of its own; hardly any fill."""
    say(f"\nseed {seed}\n{HEAD}")
    free, bounded = theirs(Story(seed))
    say(free.row("nearest reference, no threshold"))
    say(bounded.row("nearest reference, fixed threshold"))
    story = Story(seed)
    count, embedded = ours(story, NEXT)
    say(count.row("edged, on_stranger = next") + f"   embeds a face {embedded:.2f}")
    assert story.worst_crossing > 0.5
    assert (count.switches, count.stranger, count.shared) == (0, 0, 0)
    assert count.share > 0.95
    assert embedded < 0.5


@pytest.mark.parametrize("seed", seeds(1))
def test_nobody_but_the_enrolled_is_swapped(seed):
    """Each visitor keeps the own character from the first frame on; the stranger is filled."""
    story = Story(seed)
    wearers = dict(zip(NAMES, [p.vector for p in story.people[:4]], strict=False))
    count, embedded = ours(story, FILL, wearers)
    say(f"\nseed {seed}\n{HEAD}\n{count.row('edged, on_stranger = fill')}"
        f"   embeds a face {embedded:.2f}")  # fmt: skip
    assert (count.switches, count.stranger, count.shared) == (0, 0, 0)
    assert count.share > 0.95
