"""Runs kinds of faults on sites under load and settles the accounts.

Kinds with the same needs follow each other on one site, each with accounts of its own.
Between two injections the flow must go on: a shot is answered and another one arrives.
"""

from __future__ import annotations

import contextlib
import random
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from faults.kinds import Kind, grouped
from faults.load import Load
from faults.settling import flows, settle
from faults.site import Site


@dataclass
class Row:
    """What became of one kind.

    Attributes:
        kind: its name.
        seed: with which its moments can be had again.
        injected: times.
        judged: pictures by place: broker, view, reply.
        held: what was held against input faces, see :meth:`faults.faces_out.FacesOut.settle`.
        escapes: (places, how) of each input face that was seen in one of them.
        problems: what else went against a promise: no recovery, a shot never answered.
        offered, shown, shots: the load that was reached: stream frames that went in, stream
            pictures that came out, shots that were answered, until the last injection's end.
        under_load_s: in which that was, outages included.
        living_s: of it, for how long the engine took frames.
        inject_s, flow_s: medians: of the harm, and until shots arrive again.
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
    held: Counter = field(default_factory=Counter)
    offered: int = 0
    shown: int = 0
    shots: int = 0
    under_load_s: float = 0.0
    living_s: float = 0.0
    inject_s: float = 0.0
    flow_s: float = 0.0
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

    Attributes:
        rows: a row a kind, in the order of the run.
        interrupted: a Ctrl-C came; the kind that ran was settled then.
    """

    judge: object
    seed: int
    progress: Callable[[Row], None] = lambda _row: None
    rows: list[Row] = field(default_factory=list)
    interrupted: bool = False

    def run(self, kinds: Sequence[Kind], times: int) -> list[Row]:
        """Inject each kind so many times."""
        for group in grouped(kinds):
            waiting = list(group)
            while waiting and not self.interrupted:
                self._on_one_site(waiting, times)
        return self.rows

    def _on_one_site(self, waiting, times):
        """Run kinds from the front of a list until it is empty or one has spoilt the site."""
        with tempfile.TemporaryDirectory(prefix="edged-faults-") as folder:
            row, opened = self._new_row(waiting[0]), time.monotonic()
            try:
                with Site(Path(folder), waiting[0], look=self.judge.look) as site:
                    while True:
                        self._run_kind(site, waiting.pop(0), times, row, opened)
                        if not (waiting and row.good) or self.interrupted:
                            return
                        row, opened = self._new_row(waiting[0]), time.monotonic()
            except (AssertionError, OSError) as error:  # the site does not come up, or down
                row.problems.append(_said(error))
                waiting[:1] = []
            except KeyboardInterrupt:
                self.interrupted = True

    def _new_row(self, kind):
        self.rows.append(Row(kind.name, self.seed))
        return self.rows[-1]

    def _run_kind(self, site, kind, times, row, opened):
        self.judge.begin(kind.name)
        site.ledger.begin(kind.name)
        logged = len(site.booth.log_text())
        try:
            with Load(site, self.judge.look, seed=self.seed) as load:
                self._inject_all(site, load, kind, times, row)
        except AssertionError as error:
            row.problems.append(_said(error))
        try:
            row.replays = settle(site)
        except (AssertionError, OSError) as error:
            row.problems.append(_said(error))
        finally:
            _book(site, kind, row)
            if "Traceback" in site.booth.log_text()[logged:]:
                row.problems.append("a traceback is in the device's log")
            with contextlib.suppress(KeyboardInterrupt):
                row.judged, row.escapes, row.held = self.judge.settle()
            row.took_s = time.monotonic() - opened
            self.progress(row)

    def _inject_all(self, site, load, kind, times, row):
        harm_s, flow_s = [], []
        try:
            flows(site, load)
            for turn in range(times):
                chance = random.Random(f"{self.seed}/{kind.name}/{turn}")
                time.sleep(chance.uniform(0, 0.4))  # any moment of a shot's way
                began = time.monotonic()
                kind.inject(site, chance)
                harmed = time.monotonic()
                row.injected += 1
                flows(site, load)
                harm_s.append(harmed - began)
                flow_s.append(time.monotonic() - harmed)
                self._watch(site, load, row)
        except KeyboardInterrupt:
            self.interrupted = True
            site.mend()
        except AssertionError as error:
            row.problems.append(f"{kind.name} {row.injected + 1}: {_said(error)}")
            site.mend()
        if harm_s:
            row.inject_s, row.flow_s = statistics.median(harm_s), statistics.median(flow_s)

    def _watch(self, site, load, row):
        row.offered, row.shown, row.shots = load.offered, load.shown, load.answered
        row.under_load_s, row.living_s = time.monotonic() - load.began, load.living_s
        row.answered, row.results = load.answered, site.delivered()
        self.progress(row)


def _said(error):
    return f"{type(error).__name__}: {str(error)[-2000:]}"


def _book(site, kind, row):
    row.answered = row.results = 0  # until now they were the load's
    for part in (kind, *kind.members):
        tally = site.ledger.tally(site.consumer, part)
        for name in ("answered", "refused", "results", "gaps", "repeated", "lost", "duplicated"):
            setattr(row, name, getattr(row, name) + getattr(tally, name))
        row.problems += tally.problems
