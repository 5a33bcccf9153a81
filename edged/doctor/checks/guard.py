"""Whether the guard has measured bounds for the configured models; without, nothing leaves.

Data: recogniser, swapper, files.
"""

from __future__ import annotations

from collections.abc import Iterator

from edged import calibration
from edged.doctor.finding import Check, Finding
from edged.doctor.host import Host
from edged.doctor.setup import Setup
from edged.errors import ConfigError


def look(_host: Host, setup: Setup) -> Iterator[Finding]:
    """Bounds are looked for where the engine looks."""
    models = setup.config.models
    files = calibration.guard_files(models.folder)
    data = {
        "recogniser": models.guard_recogniser,
        "swapper": models.swapper,
        "files": [str(path) for path in files],
    }
    own = files[-1]
    try:
        table = calibration.load(*files)
    except ConfigError as error:
        yield Finding("guard.unreadable", "fail", str(error), data=data)
        return
    missing = [
        f"[{kind}.{model_id}]"
        for kind, model_id, known in (
            ("recognisers", models.guard_recogniser, table.recognisers),
            ("swappers", models.swapper, table.swappers),
        )
        if model_id not in known
    ]
    if missing:
        yield Finding(
            "guard.not-calibrated",
            "fail",
            f"the guard has no measured bounds {' and '.join(missing)}: nothing will leave",
            str(own),
            advice="Measure them on a FOLDER of photos of 7 people or more: "
            f"{calibration.how_to_measure(setup.path)}",
            data=data,
        )
    else:
        yield Finding(
            "guard.calibrated",
            "ok",
            f"the guard has bounds for {models.guard_recogniser} with {models.swapper}",
            data=data,
        )


CHECK = Check("guard", "models", "measured bounds of the guard", look, configured=True)
