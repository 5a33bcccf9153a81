"""A check of a running engine sets the state for everybody, and clears it by itself."""

from __future__ import annotations

from booth import Booth, until
from photos import astronaut


def test_a_silent_camera_degrades_until_it_sends_again(tmp_path):
    """At the broker: state, reason and what to do; the limit came with a reload."""
    with Booth(tmp_path) as booth:
        text = booth.config.read_text()
        booth.config.write_text(
            text.replace("period_s = 1.0", "period_s = 1.0\ncamera_silent_s = 6")
        )
        assert booth.ask("reload").status == "ok"
        booth.send(astronaut(), camera="booth")
        heard = booth.consumer
        until(lambda: heard.status["reason"] == "camera-silent", 30, "the silence")
        assert heard.status["state"] == "degraded"
        until(lambda: "camera-silent" in heard.health.get("remedies", {}), 10, "the remedy")
        assert heard.health["cameras"]["booth"]["last_frame_age_s"] > 6
        assert len(heard.health["engine_digest"]) == 12
        booth.send(astronaut(), camera="booth")
        until(lambda: heard.status["state"] == "online", 10, "all well again")
