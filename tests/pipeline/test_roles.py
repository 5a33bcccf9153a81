"""Who plays whom: identities that belong to one person, run out, are shared or kept."""

from __future__ import annotations

import msgspec
import numpy as np

from edged.faces import Face
from edged.pipeline.roles import Roles, cast_shot
from edged.scene import Scene
from edged.stages.track import Track

SCENE = Scene(mode="disguise", identities=("a", "b"))
E0, E1, E2 = np.eye(3, dtype=np.float32)


def scene(**changes):
    return msgspec.structs.replace(SCENE, **changes)


def track(number, worn="", *, known=True):
    return Track(number, worn=worn, known=known)


def cast(roles, tracks, rules=SCENE, *, selected=None, reserved=(), remembered=None):
    return roles.cast(
        tracks,
        selected or [True] * len(tracks),
        rules,
        reserved=frozenset(reserved),
        remembered=frozenset(remembered or [t.track_id for t in tracks]),
    )


def shot(vectors, rules=SCENE, *, wearers=None, selected=None, places=None):
    faces = [
        Face(np.array([x, 0, x + 9, 9], np.float32), 0.9, np.zeros((5, 2), np.float32),
             frozenset(), embedding=vector)
        for x, vector in zip(places or range(len(vectors)), vectors, strict=True)
    ]  # fmt: skip
    selected = selected or [True] * len(faces)
    return cast_shot(faces, selected, rules, wearers=wearers or {}, same=0.5)


def test_each_person_gets_the_next_identity_that_nobody_has():
    """In the order in which they came."""
    assert cast(Roles(), [track(2), track(1)]) == ["b", "a"]


def test_a_third_person_is_filled_where_there_are_two_identities():
    """Nobody shares unless the scene says so."""
    people = [track(1), track(2), track(3)]
    assert cast(Roles(), people) == ["a", "b", ""]
    assert cast(Roles(), people, scene(share_identities=True)) == ["a", "b", "a"]


def test_an_identity_is_kept_for_who_left_until_they_are_forgotten():
    """Then it is free, and whoever waited gets it."""
    roles = Roles()
    cast(roles, [track(1), track(2)])
    assert cast(roles, [track(2), track(3)], remembered=[1, 2, 3]) == ["b", ""]
    assert cast(roles, [track(2), track(3)], remembered=[2, 3]) == ["b", "a"]


def test_who_comes_back_plays_the_same():
    """Also beside newcomers."""
    roles = Roles()
    cast(roles, [track(1)])
    cast(roles, [track(2)], remembered=[1, 2])
    assert cast(roles, [track(2), track(1)]) == ["b", "a"]


def test_who_is_not_known_yet_plays_nobody_and_takes_nothing():
    """The identity stays free."""
    roles = Roles()
    assert cast(roles, [track(1, known=False)]) == [""]
    assert cast(roles, [track(1, known=False), track(2)]) == ["", "a"]


def test_who_is_not_selected_plays_nobody_and_takes_nothing():
    """Bystanders do not use identities up."""
    assert cast(Roles(), [track(1), track(2)], selected=[False, True]) == ["", "a"]


def test_an_identity_with_a_wearer_is_for_nobody_else():
    """And its wearer gets no other."""
    roles = Roles()
    assert cast(roles, [track(1), track(2)], reserved=["a"]) == ["b", ""]
    assert cast(Roles(), [track(5), track(1, "a")], reserved=["a"]) == ["b", "a"]


def test_strangers_are_filled_where_the_scene_says_so():
    """By either key."""
    for rules in (scene(on_stranger="fill"), scene(select="matched")):
        assert cast(Roles(), [track(1, "a"), track(2)], rules, reserved=["a"]) == ["a", ""]


def test_a_wearer_of_another_scene_s_identity_is_a_stranger_here():
    """The scene has other identities."""
    assert cast(Roles(), [track(1, "z")], reserved=["z"]) == ["a"]


def test_a_shot_goes_left_to_right():
    """Whatever order the search answers in; those who are too many are filled."""
    assert shot([E0, E1, E2], places=[50, 0, 99]) == ["b", "a", ""]
    shared = scene(share_identities=True)
    assert shot([E0, E1, E2], shared, places=[50, 0, 99]) == ["b", "a", "a"]


def test_a_shot_knows_the_wearers():
    """The one who is most like the photo, one to one, wherever they stand."""
    near = np.float32([0.8, 0.6, 0])
    wearers = {"b": E0}
    assert shot([near, E0, E2], wearers=wearers) == ["a", "b", ""]
    assert shot([near, E0, E2], scene(on_stranger="fill"), wearers=wearers) == ["", "b", ""]


def test_a_wearer_who_is_not_selected_or_cannot_be_told_is_nobody():
    """Not selected; and without a vector."""
    wearers = {"a": E0}
    assert shot([E0], wearers=wearers, selected=[False]) == [""]
    assert shot([None], scene(select="matched"), wearers=wearers) == [""]
