"""Who was sent, who was answered, what arrived: the accounts of one site.

*Lost*: an answered shot without its picture and result, or a gap where gaps are allowed, at
the consumer after recovery and replay.  *Duplicated*: two ids or two contents for one shot.
"""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from dataclasses import dataclass, field


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@dataclass
class Shot:
    """One shot of the load.

    Attributes:
        number: of its picture.
        kind: that was injected when it was answered, or sent.
        places: every (session, seq) that an answer named.
        pictures: SHA-256 of every picture that an answer brought.
        camera: configured name.
        outcome: "" while it is not answered, else the verdict and its reason.
    """

    number: int
    camera: str
    kind: str = ""
    places: set = field(default_factory=set)
    pictures: set = field(default_factory=set)
    outcome: str = ""

    @property
    def queued(self):
        return bool(self.places)


@dataclass
class Tally:
    """What the accounts say; lists name shot ids and what is wrong with them."""

    answered: int = 0
    refused: int = 0
    results: int = 0
    gaps: int = 0
    repeated: int = 0
    lost: list = field(default_factory=list)
    duplicated: list = field(default_factory=list)
    problems: list = field(default_factory=list)


class Ledger:
    """Safe for the threads of a load."""

    def __init__(self):
        self._lock = threading.Lock()
        self.shots = {}
        self.problems = []
        self._kind = ""
        self._booked, self._strays = Counter(), set()

    def begin(self, kind):
        """Shots that are answered from now on are this kind's."""
        with self._lock:
            self._kind = kind

    def sent(self, shot, number, camera):
        """A shot is about to leave; call it once a shot, resends are the same shot."""
        with self._lock:
            self.shots[shot] = Shot(number, camera, self._kind)

    def took(self, shot, answer):
        """An answer came."""
        verdict = answer.verdict
        with self._lock:
            entry = self.shots[shot]
            entry.kind = self._kind
            entry.outcome = f"{verdict.verdict.value}: {verdict.reason.value}"
            if verdict.verdict == "queued":
                entry.places.add((verdict.session, verdict.seq))
            if answer.picture is not None:
                entry.pictures.add(digest(answer.picture))

    def complain(self, what):
        with self._lock:
            self.problems.append(what)

    def last(self):
        """(session, camera) -> highest sequence number that an answer named."""
        found = {}
        with self._lock:
            for entry in self.shots.values():
                for session, seq in entry.places:
                    key = (session, entry.camera)
                    found[key] = max(seq, found.get(key, 0))
        return found

    def tally(self, consumer, kind):
        """Hold what was answered under a kind against what arrived.

        What belongs to no shot (gaps, repetitions, problems) is booked once, at the next call.
        """
        with self._lock, consumer._changed:
            found = Tally(problems=self.problems)
            self.problems = []
            by_id = {}
            for key, doc in consumer.results.items():
                by_id.setdefault(doc["id"], []).append((key, doc["image"]["sha256"]))
            for shot, entry in self.shots.items():
                if entry.kind != kind.name:
                    continue
                found.results += len(by_id.get(shot, ()))
                if entry.queued:
                    _settle(found, consumer, kind, (shot, entry, by_id.get(shot, [])))
                elif entry.outcome:  # else nobody was promised anything when the load stopped
                    found.refused += 1
                    if not kind.may_refuse:
                        found.problems.append(f"{shot}: {entry.outcome}")
            self._settle_rest(found, consumer, kind, by_id.keys() - self.shots.keys())
        self._one_place_each(found, kind)
        return found

    def _settle_rest(self, found, consumer, kind, strays):
        """What the consumer has seen since it was booked last."""
        gaps = sum(b - a + 1 for known in consumer.gaps.values() for a, b, _ in known)
        found.gaps = self._since("gaps", gaps)
        repeated = sum(consumer.deliveries.values()) - len(consumer.results)
        found.repeated = self._since("repeated", repeated)
        for stray in sorted(strays - self._strays):
            found.duplicated.append(f"{stray}: a result that nobody sent a shot for")
        self._strays |= strays
        fresh = self._since("problems", len(consumer.problems))
        late = "its picture did not come before it"
        for problem in consumer.problems[len(consumer.problems) - fresh :]:
            if not (kind.forgets and late in problem):
                found.problems.append(problem)

    def _since(self, name, total):
        """What was added to a total since the last call."""
        more, self._booked[name] = total - self._booked[name], total
        return more

    def _one_place_each(self, found, kind):
        taken = Counter(
            (session, entry.camera, seq)
            for entry in self.shots.values()
            for session, seq in entry.places
            if entry.kind == kind.name
        )
        found.duplicated += [f"{place}: given to two shots" for place, n in taken.items() if n > 1]


def _settle(found, consumer, kind, one):
    """Hold one answered shot against what came under its id."""
    shot, entry, came = one
    found.answered += 1
    places = {(key[0], key[2]) for key, _ in came} | entry.places
    contents = {sha for _, sha in came} | consumer.contents().get(shot, set()) | entry.pictures
    if len(places) > 1:
        found.duplicated.append(f"{shot}: {len(places)} places")
    if len(contents) > 1:
        found.duplicated.append(f"{shot}: {len(contents)} contents")
    if any(sha in consumer.pictures for _, sha in came):
        return
    gaps = {
        reason
        for session, seq in entry.places
        for first, last, reason in consumer.gaps.get((session, entry.camera), ())
        if first <= seq <= last
    }
    if not (gaps and kind.may_gap):
        what = f"a gap ({', '.join(sorted(gaps))})" if gaps else "nothing"
        found.lost.append(f"{shot}: {what} came for it, answered under {kind.name}")
