"""A camera that has sent has stopped, for longer than `health.camera_silent_s`.

Off by default: between two visitors a booth's camera sends nothing for hours.
"""

from __future__ import annotations

from edged.daemon.checks.check import Check, Seen


def look(seen: Seen, _lit: bool) -> str:
    """Any of the cameras that sent since the start and are in the configuration still."""
    limit_s = seen.config.health.camera_silent_s
    silent = limit_s > 0 and any(
        camera.last_frame_age_s > limit_s
        for name, camera in seen.doc.cameras.items()
        if name in seen.config.cameras
    )
    return "camera-silent" if silent else ""


CHECK = Check("cameras", ("camera-silent",), look, clears_after_s=0.0)
