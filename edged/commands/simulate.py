"""`edged simulate`: a fleet that is not there, to try brokers, dashboards and alarms with."""

from __future__ import annotations

import json
import random
import time
from typing import Annotated, Any

import typer

from edged.commands.fleet_options import Broker, at_broker
from edged.commands.options import Json
from edged.errors import LinkError
from edged.fleet.words import counted

SIDE_PX = (320, 240)
_TICK_S = 0.02


@at_broker
def simulate(
    *,
    devices: Annotated[int, typer.Option(help="How many.", min=1, max=20_000)] = 20,
    health_s: Annotated[
        float, typer.Option(help="Seconds between two health documents of a device.", min=0.1)
    ] = 10.0,
    results_per_s: Annotated[
        float, typer.Option(help="Results with pictures, of all devices together.", min=0.0)
    ] = 5.0,
    seconds: Annotated[float, typer.Option(help="How long; 0 means until Ctrl-C.", min=0.0)] = 0.0,
    broker: Broker,
    as_json: Json = False,
) -> None:
    """Publish as so many devices would, to try a broker, a dashboard or an alarm.

    They have names of their own (berlin/sim-0000, ...), answer commands, and are gone from the
    broker when this ends. Take a broker for trying out: consumers cannot tell them from real ones
    but by the site and by `simulated` in `info`.

        edged simulate --devices 1000 --results-per-s 50
    """
    from edged.fleet.simulate import Simulator  # noqa: PLC0415
    from edged.fleet.simulate import devices as make  # noqa: PLC0415

    wanted = broker.access()
    fleet = make(devices)
    begun_s = time.monotonic()
    with Simulator(wanted, fleet, _picture(), SIDE_PX) as simulator:
        typer.echo(f"{counted(devices, 'device')} at {wanted}; Ctrl-C ends it", err=True)
        try:
            _run(simulator, devices, health_s, results_per_s, seconds)
        except KeyboardInterrupt:
            typer.echo("taking them away", err=True)
        simulator.settle()
        took_s = time.monotonic() - begun_s
        report = {"devices": devices, "seconds": round(took_s, 1), "sent": dict(simulator.sent),
                  "unacknowledged": simulator.waiting,
                  "refused": simulator.refused}  # fmt: skip
    if as_json:
        typer.echo(json.dumps(report))
    else:
        told = ", ".join(f"{count} {kind}" for kind, count in sorted(simulator.sent.items()))
        typer.echo(f"in {took_s:.0f} s: {told}; {report['unacknowledged']} not acknowledged")
    if simulator.refused:
        raise LinkError(
            f"{wanted}: the broker refused {simulator.refused} messages; access rules let a device "
            "write for itself alone: then simulate at a broker without them"
        )


def _run(
    simulator: Any, devices: int, health_s: float, results_per_s: float, seconds: float
) -> None:
    """Spread health evenly over its period and results over the devices, in real time."""
    begun_s = time.monotonic()
    health = results = 0
    while True:
        passed_s = time.monotonic() - begun_s
        if (seconds and passed_s >= seconds) or simulator.refused:
            return
        while health < passed_s * devices / health_s:
            simulator.health(health % devices)
            health += 1
        while results < passed_s * results_per_s:
            simulator.result(random.randrange(devices))  # noqa: S311 - no secret
            results += 1
        time.sleep(_TICK_S)


def _picture() -> bytes:
    """A drawn face, so that nobody's is shown."""
    import cv2  # noqa: PLC0415 - slow to load
    import numpy as np  # noqa: PLC0415

    image = np.full((SIDE_PX[1], SIDE_PX[0], 3), (120, 90, 60), np.uint8)
    cv2.ellipse(image, (160, 120), (60, 80), 0, 0, 360, (150, 180, 220), -1)
    for x in (135, 185):
        cv2.circle(image, (x, 105), 7, (60, 40, 30), -1)
    cv2.ellipse(image, (160, 150), (26, 12), 0, 0, 180, (60, 60, 150), 3)
    cv2.putText(image, "simulated", (98, 228), cv2.FONT_HERSHEY_SIMPLEX, 0.7, (255, 255, 255), 2)
    return bytes(cv2.imencode(".jpg", image)[1].tobytes())
