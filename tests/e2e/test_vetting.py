"""Live faces and content through the whole daemon, by the real anti-spoof pair.

What is held up here is a made-up print of a photo (:mod:`edged.bench.reprints`), no real
attack: the tests hold that the answer of the networks reaches sender, result and event.
"""

from __future__ import annotations

import shutil

import pytest
from booth import Booth
from photos import astronaut

from edged.bench.reprints import sheet
from edged.bench.standins import liveness
from edged.recipe import load_recipe

PAIR = ("minifasnet_v2", "minifasnet_v1se")
MORE = """
liveness = ["minifasnet_v2", "minifasnet_v1se"]
content = ["nsfw_1", "nsfw_2", "nsfw_3"]
[scenes.gate]
mode = "portrait"
template = "builtin:poster"
liveness = "require"
surplus_faces = "largest"
[scenes.told]
mode = "portrait"
template = "builtin:poster"
liveness = "warn"
surplus_faces = "largest"
"""


@pytest.fixture(scope="module")
def booth(tmp_path_factory, test_models):
    """The real pair, and content networks that vote yes for red pictures."""
    folder = tmp_path_factory.mktemp("booth")
    device = Booth(folder, models=test_models, extra=MORE)
    for model_id in PAIR:
        name = load_recipe(model_id).file
        shutil.copy(test_models / name, folder / "models" / name)
    for name in liveness.CONTENT:
        data = liveness.content(name).SerializeToString()
        (folder / "models" / f"{name}.onnx").write_bytes(data)
    with device:
        yield device


def test_a_visitor_gets_the_portrait_and_the_score(booth):
    """A photo stands for a visitor: the result says what the networks said."""
    answer = booth.send(astronaut(), camera="booth", scene="gate", consent=["a"], want="image")
    assert answer.verdict.verdict == "queued"
    doc, _ = booth.published(answer)
    (face,) = doc["faces"]
    assert face["live"] is True
    assert face["liveness"] > 0.5
    assert doc["latency_ms"]["liveness"] > 0


def test_a_print_gets_no_portrait(booth):
    """Refused with the reason, nothing on the broker."""
    answer = booth.send(sheet(astronaut()), camera="booth", scene="gate", consent=["b"])
    assert (answer.verdict.verdict, answer.verdict.reason) == ("refused", "not-live")
    assert "picture of one" in answer.verdict.text
    assert booth.consumer.find(answer.verdict.id) is None


def test_a_warning_lets_it_pass_and_says_so(booth):
    """To the sender and on the broker."""
    answer = booth.send(sheet(astronaut()), camera="booth", scene="told", consent=["c"])
    assert answer.verdict.verdict == "queued"
    assert answer.verdict.numbers["not_live"] == 1
    (face,) = booth.published(answer)[0]["faces"]
    assert face["live"] is False


def test_unfit_content_is_refused(booth):
    """By two of three votes, before anything else is done."""
    red = astronaut()
    red[..., 2] = 255
    answer = booth.send(red, camera="booth", scene="gate", consent=["d"])
    assert (answer.verdict.verdict, answer.verdict.reason) == ("refused", "content")
