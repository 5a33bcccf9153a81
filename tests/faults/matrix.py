"""Runs kinds of faults on sites under load and settles the accounts.

One site lives through all injections of a kind.  Between two injections the flow must go on:
a shot is answered and another one arrives.
"""

from __future__ import annotations

import contextlib
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from faults.kinds import Kind
from faults.load import Load
from faults.site import Site

FLOWS_WITHIN_S = 90.0
SETTLES_WITHIN_S = 60.0


@dataclass
class Row:
    """What became of one kind.

    Attributes:
        kind: its name.
        seed: with which its moments can be had again.
        injected: times.
        judged: pictures by place: broker, view, reply.
        escapes: (place, how) of each input face that was seen in one of them.
        problems: what else went against a promise: no recovery, a shot never answered.
        offered, shown, shots: the load that was reached: stream frames that went in, stream
            pictures that came out, shots that were answered, until the last injection's end.
        under_load_s: in which that was, outages included.
        living_s: of it, for how long the engine took frames.
    """

    kind: str
    seed: int = 0
    injected: int = 0
    answered: int = 0
    refused: int = 0
    results: int = 0
    gaps: int = 0
    repeated: int = 0
    replays: int = 0
    lost: list = field(default_factory=list)
    duplicated: list = field(default_factory=list)
    escapes: list = field(default_factory=list)
    problems: list = field(default_factory=list)
    judged: Counter = field(default_factory=Counter)
    offered: int = 0
    shown: int = 0
    shots: int = 0
    under_load_s: float = 0.0
    living_s: float = 0.0
    took_s: float = 0.0

    @property
    def good(self):
        """Nothing lost, doubled or let out, and it always came back."""
        return not (self.lost or self.duplicated or self.escapes or self.problems)


@dataclass
class Matrix:
    """Everything that one run does.

    Args:
        judge: a :class:`faults.faces_out.FacesOut`.
        seed: of all moments and pictures.
        progress: called with a row whenever something of it changed.
    """

    judge: object
    seed: int
    progress: Callable[[Row], None] = lambda _row: None
    rows: list[Row] = field(default_factory=list)

    def run(self, kinds: Sequence[Kind], times: int) -> list[Row]:
        """Inject each kind `times` times its weight; rows are there also after a Ctrl-C."""
        for kind in kinds:
            row = Row(kind.name, self.seed)
            self.rows.append(row)
            self._run_kind(kind, times * kind.weight, row)
        return self.rows

    def _run_kind(self, kind, times, row):
        began = time.monotonic()
        self.judge.begin(kind.name)
        try:
            with tempfile.TemporaryDirectory(prefix="edged-faults-") as folder:
                self._on_site(Path(folder), kind, times, row)
        except AssertionError as error:
            row.problems.append(f"{type(error).__name__}: {str(error)[-2000:]}")
        finally:
            row.judged, row.escapes = self.judge.settle()
            row.took_s = time.monotonic() - began
            self.progress(row)

    def _on_site(self, folder, kind, times, row):
        look = self.judge.look
        with Site(folder, kind, look=look) as site:
            try:
                load = Load(site, look, seed=self.seed)
                with load:
                    self._inject_all(site, load, kind, times, row)
                self._settle(site, row)
            finally:
                self._book(site, kind, row)

    def _inject_all(self, site, load, kind, times, row):
        _flows(site, load)
        for turn in range(times):
            chance = random.Random(f"{self.seed}/{kind.name}/{turn}")
            time.sleep(chance.uniform(0, 0.4))  # any moment of a shot's way
            kind.inject(site, chance)
            row.injected += 1
            _flows(site, load)
            row.offered, row.shown, row.shots = load.offered, load.shown, site.ledger.answered
            row.under_load_s, row.living_s = time.monotonic() - load.began, load.living_s
            row.answered, row.results = site.ledger.answered, site.delivered()
            self.progress(row)

    def _settle(self, site, row):
        """Recovery and replay, as a consumer does them."""
        site.booth.wait_engine()
        _one_arrives(site)
        row.replays = site.consumer.recover(site.ledger.last(), timeout_s=SETTLES_WITHIN_S)
        site.until(lambda: site.consumer.status.get("state") == "online", 30, "online again")

    def _book(self, site, kind, row):
        tally = site.ledger.tally(site.consumer, kind)
        for name in ("answered", "refused", "results", "gaps", "repeated", "lost", "duplicated"):
            setattr(row, name, getattr(tally, name))
        row.problems += tally.problems
        if "Traceback" in site.booth.log_text():
            row.problems.append("a traceback is in the device's log")


def _flows(site, load):
    """Wait until shots are answered and arrive again."""
    there, answered = site.delivered(), site.ledger.answered
    site.until(
        lambda: site.ledger.answered > answered and site.delivered() > there,
        FLOWS_WITHIN_S, f"the flow goes on ({len(load.under_way)} shots under way)",
    )  # fmt: skip


def _one_arrives(site):
    """Send shots until one arrives: a hole at the end would not show.

    A broker that has forgotten everything takes results before the consumer has subscribed
    again.
    """
    import uuid

    from faults.pictures import jpeg, picture

    from edged.transport.client import FrameClient

    deadline = time.monotonic() + SETTLES_WITHIN_S
    number = 60_000
    while time.monotonic() < deadline:
        number += 1
        shot = str(uuid.uuid4())
        site.ledger.sent(shot, number, "shots")
        with FrameClient(site.endpoint, timeout_s=30) as client:
            answer = client.send_shot(jpeg(picture(number)), camera="shots", shot=shot)
        site.ledger.took(shot, answer)
        with contextlib.suppress(AssertionError):
            site.consumer.wait(lambda s=shot: site.consumer.find(s), 3)
            return
    raise AssertionError("nothing arrives after the last injection")
