"""When is a site well again?  Waits for the flow, and recovers what a consumer misses."""

from __future__ import annotations

import contextlib
import time
import uuid

from faults.kinds import FLOWS_WITHIN_S
from faults.pictures import jpeg, picture

from edged.errors import LinkError
from edged.transport.client import FrameClient

SETTLES_WITHIN_S = 60.0


def flows(site, load):
    """Wait until a shot is answered and a result arrives, both from now on.

    Raises:
        AssertionError: not in time.
    """
    there, answered = site.delivered(), load.answered
    site.until(
        lambda: load.answered > answered and site.delivered() > there,
        FLOWS_WITHIN_S, f"the flow goes on ({len(load.under_way)} shots under way)",
    )  # fmt: skip


def settle(site):
    """Recovery and replay, as a consumer does them; how many replays were asked for.

    Raises:
        AssertionError: something is still missing after it.
    """
    site.booth.wait_engine(SETTLES_WITHIN_S)
    _one_arrives(site)
    asked = site.consumer.recover(site.ledger.last(), timeout_s=SETTLES_WITHIN_S)
    site.until(lambda: _well(site.consumer.status), 30, "online again")
    return asked


def _well(status):
    """Whether the device says so; after a crash loop it stays degraded for a minute."""
    return status.get("state") == "online" or status.get("reason") == "crash-loop"


def _one_arrives(site):
    """Send shots until one arrives: a hole at the end would not show.

    A broker that has forgotten everything takes results before the consumer has subscribed
    again.
    """
    deadline, number = time.monotonic() + SETTLES_WITHIN_S, 60_000
    while time.monotonic() < deadline:
        number += 1
        shot = str(uuid.uuid4())
        site.ledger.sent(shot, number, "shots")
        with contextlib.suppress(LinkError), FrameClient(site.endpoint, timeout_s=30) as client:
            site.took(shot, client.send_shot(jpeg(picture(number)), camera="shots", shot=shot))
            with contextlib.suppress(AssertionError):
                site.consumer.wait(lambda s=shot: site.consumer.find(s), 3)
                return
    raise AssertionError("nothing arrives after the last injection")
