"""The content check: published rules on stand-ins, two of three votes."""

from __future__ import annotations

import numpy as np
import pytest
from fakes.odd_session import OddSession
from graph_kit import running

from edged.bench.standins import liveness as standins
from edged.errors import EngineError
from edged.recipe import load_recipe
from edged.stages.content import RULES, ContentCheck, ContentNet, fitted

RED = np.zeros((90, 90, 3), np.uint8) + np.array([0, 0, 255], np.uint8)
DARK = np.zeros((90, 90, 3), np.uint8)


@pytest.mark.parametrize("name", standins.CONTENT)
def test_each_contract_votes_by_its_own_rule(name):
    """RGB, own mean and size, own threshold; boxes' places are not taken for scores."""
    recipe = load_recipe(name)
    with running(standins.content(name), name) as session:
        net = ContentNet(session, recipe.family, recipe.contract.size_px)
        assert net(RED)
        assert not net(DARK)


@pytest.mark.parametrize(
    ("family", "values", "score"),
    [
        ("nsfw_boxes", np.pad(np.full((1, 1, 5), 0.21), ((0, 0), (6, 2), (0, 0))), 0.21),
        ("nsfw_pair", np.array([[1.5, 1.0]]), 0.5),
        ("nsfw_grades", np.array([[1.0, 2.0, 8.0, 9.0]]), 14.0),
    ],
)
def test_the_scores_are_the_published_ones(family, values, score):
    """FaceFusion's content_analyser.py, by hand."""
    assert RULES[family][0](values) == pytest.approx(score)


def votes(*answers):
    return ContentCheck(tuple(lambda _, answer=answer: answer for answer in answers))


@pytest.mark.parametrize(
    ("answers", "refused"),
    [
        ((True, True, False), True), ((True, False, True), True), ((False, True, True), True),
        ((True, False, False), False), ((False, False, False), False), ((True,), True),
        ((False,), False), ((True, False), False), ((True, True), True),
    ],
)  # fmt: skip
def test_more_than_half_decide(answers, refused):
    """Two of three; both of two; one alone."""
    assert votes(*answers)(RED) is refused


def test_a_vote_that_is_decided_asks_nobody_else():
    """The third network costs nothing after two noes."""

    def never(_):
        raise AssertionError("asked")

    assert ContentCheck((lambda _: False, lambda _: False, never))(RED) is False


@pytest.mark.parametrize("family", RULES)
@pytest.mark.parametrize("values", [np.zeros((1, 3)), np.full((1, 2), np.nan), np.zeros((2, 4))])
def test_an_answer_of_another_form_is_an_error_and_no_pass(family, values):
    """What could not be checked does not leave."""
    with pytest.raises(EngineError, match="odd gave"):
        ContentNet(OddSession(values), family, 64)(RED)


@pytest.mark.parametrize("shape", [(100, 50), (50, 100), (7, 640), (640, 640), (1, 1)])
def test_the_whole_picture_is_in_the_middle(shape):
    """Fitted, padded evenly with black, nothing cut off."""
    out = fitted(np.full((*shape, 3), 200, np.uint8), 64)
    ys, xs = np.nonzero(out[..., 0])
    assert out.shape == (64, 64, 3)
    assert max(np.ptp(ys), np.ptp(xs)) == 63
    assert abs((63 - ys.max()) - ys.min()) <= 1
    assert abs((63 - xs.max()) - xs.min()) <= 1
