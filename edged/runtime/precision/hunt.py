"""Searches the fewest nodes that must stay in FP32 besides those that ranges forbid.

Errors come from trials with per-op rounding; where they grow along the network tells what
to add first, and halving finds how much of it is enough.  Knows subjects and trials; knows
no files.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from edged.runtime.precision.derive import at_risk, between
from edged.runtime.precision.metrics import Bound, Error
from edged.runtime.precision.nodes import MAC_OPS
from edged.runtime.precision.subject import Subject
from edged.runtime.precision.trial import Bench, losses

_RESERVE_DB = 5.0
"""The search wants this much more than the bound, for crops that it does not see."""

_PARTS = (2, 4, 8)
"""Into how many stretches the network is cut, one after the other."""

_REPAIRS = 8
"""Times that a node whose rounded output is not finite is taken out."""


@dataclass(frozen=True)
class Budget:
    """What a search may cost.

    Attributes:
        trials: runs of a mixed graph over the search feeds, at most.
        fp16_macs_share_min: share of the multiply-adds that must stay in FP16.
        threads: of onnxruntime; 0 for as many as there are cores.
    """

    trials: int = 24
    fp16_macs_share_min: float = 0.8
    threads: int = 0


@dataclass(frozen=True)
class _Item:
    """Nodes that go into FP32 together: a chain without multiply-adds, or a convolution."""

    keys: frozenset[str]
    growth: float
    """How much the relative error grows there."""
    macs: int


@dataclass
class Hunt:
    """One search over sets of nodes."""

    subject: Subject
    bench: Bench
    bound: Bound
    budget: Budget
    done: Callable[[], None]
    reasons: dict[str, str] = field(default_factory=dict)
    _tried: dict[frozenset[str], Error] = field(default_factory=dict)

    def run(self) -> frozenset[str]:
        """Keys of the nodes that stay in FP32.

        The fewest found within the bound, else the best that was tried.
        """
        self.reasons = at_risk(self.subject)
        base = self._repaired(frozenset(self.reasons))
        if self._good(base):
            return base
        grown = self._grown(base)
        labels = self.subject.labels
        found = between(self.subject, [i for i, label in enumerate(labels) if label in grown])
        joined = grown | {labels[i] for i in found}
        return joined if self._good(joined) else grown

    def _grown(self, base: frozenset[str]) -> frozenset[str]:
        """The base and what must be added to it."""
        light, _ = self._items(base)
        everything = base | _union(light)
        if self._good(everything):
            return self._least(base, light)
        kept = self._convolutions(everything)
        if kept is None:
            return self._best()
        return base | kept if self._good(base | kept) else self._least(base | kept, light)

    def _convolutions(self, everything: frozenset[str]) -> frozenset[str] | None:
        """Convolutions and products that must be in FP32 besides all light nodes.

        First those in which the error grows; then, since an error that tips a decision far
        away does not show where it grew, stretches of the network, halved and halved again.
        """
        _, heavy = self._items(everything)
        allowed = self._affordable(everything, heavy)
        if allowed and self._good(everything | _union(allowed)):
            return self._least(everything, allowed) - everything
        row = [
            _Item(frozenset({label}), 0.0, self.subject.macs.get(label, 0))
            for i, label in enumerate(self.subject.labels)
            if self._counts(i) and label not in everything and self.subject.typing.half[i]
        ]
        for parts in _PARTS:
            for part in range(parts):
                stretch = row[part * len(row) // parts : (part + 1) * len(row) // parts]
                if len(self._affordable(everything, stretch)) < len(stretch):
                    continue
                if self._good(everything | _union(stretch)):
                    return self._halved(everything, stretch)
        return None

    def _halved(self, base: frozenset[str], stretch: Sequence[_Item]) -> frozenset[str]:
        """The shortest part of a good stretch that is good, too."""
        while len(stretch) > 1:
            middle = len(stretch) // 2
            halves = [stretch[middle:], stretch[:middle]]
            good = next((half for half in halves if self._good(base | _union(half))), None)
            if good is None:
                break
            stretch = good
        return _union(stretch)

    def _error(self, fp32: frozenset[str]) -> Error | None:
        """Error of a set; None when the trials are used up."""
        if fp32 not in self._tried:
            if len(self._tried) >= self.budget.trials:
                return None
            self._tried[fp32] = self.bench.error(self.subject.model, fp32)
            self.done()
        return self._tried[fp32]

    def _good(self, fp32: frozenset[str]) -> bool:
        error = self._error(fp32)
        return error is not None and self.bound.met_by(error, reserve_db=_RESERVE_DB)

    def _best(self) -> frozenset[str]:
        """The smallest tried set that is within the bound with little to spare, else the best."""

        def rank(fp32: frozenset[str]) -> tuple[bool, bool, bool, float]:
            error = self._tried[fp32]
            met = self.bound.met_by(error)
            spare = self.bound.met_by(error, reserve_db=1.0)
            picture = error.psnr_db if error.psnr_db is not None else 0.0
            figures = picture + (error.cosine or 0) - (error.score or 0) - (error.box_px or 0)
            return error.finite, met, spare, -len(fp32) if spare else figures

        return max(self._tried, key=rank)

    def _repaired(self, base: frozenset[str]) -> frozenset[str]:
        """The set and what makes the rounded network's numbers infinite beyond it."""
        for _ in range(_REPAIRS):
            error = self._error(base)
            if error is None or error.finite:
                break
            loss = self._losses(base)
            broken = next(
                (
                    i
                    for i, node in enumerate(self.subject.model.graph.node)
                    if self.subject.labels[i] not in base
                    and any(math.isinf(loss.get(name, 0.0)) for name in node.output)
                ),
                None,
            )
            if broken is None:
                break
            near = {broken}
            for name in self.subject.node(broken).output:
                near |= {j for j in self.subject.read.get(name, []) if not self.subject.heavy(j)}
            for j in near:
                self.reasons[self.subject.labels[j]] = "its rounded output was not finite"
            base |= {self.subject.labels[j] for j in near}
        return base

    def _losses(self, fp32: frozenset[str]) -> Mapping[str, float]:
        return losses(self.subject.model, fp32, self.bench.feeds[0], self.bench.threads)

    def _items(self, base: frozenset[str]) -> tuple[list[_Item], list[_Item]]:
        """What could be added, light and heavy, where the error grows most first."""
        subject = self.subject
        grows = self._growths(base)
        growth = {
            i: grows[i]
            for i, label in enumerate(subject.labels)
            if label not in base and subject.typing.half[i]
        }
        light: list[_Item] = []
        heavy: list[_Item] = []
        seen: set[int] = set()
        for i in growth:
            if i in seen:
                continue
            chain = {i} if self._counts(i) else self._chain(i, growth)
            seen |= chain
            item = _Item(
                frozenset(subject.labels[j] for j in chain),
                max(growth[j] for j in chain),
                sum(subject.macs.get(subject.labels[j], 0) for j in chain),
            )
            (heavy if any(subject.heavy(j) for j in chain) else light).append(item)
        light.sort(key=lambda item: -item.growth)
        heavy.sort(key=lambda item: -item.growth / item.macs)
        return light, heavy

    def _growths(self, base: frozenset[str]) -> list[float]:
        """How much the relative error grows in each node.

        A difference of large values shows what was lost where they were made, so a
        convolution answers for what reads it, too.
        """
        subject, loss = self.subject, self._losses(base)

        def worst(tensors: Iterable[str]) -> float:
            return max((loss.get(name, 0.0) for name in tensors), default=0.0)

        own = [worst(node.output) - worst(node.input) for node in subject.model.graph.node]
        return [
            max(own[j] for j in (i, *self._after(i))) if self._counts(i) else own[i]
            for i in range(len(own))
        ]

    def _after(self, i: int) -> set[int]:
        """Sums and differences that read a node's outputs."""
        near = {j for name in self.subject.node(i).output for j in self.subject.read.get(name, [])}
        return {j for j in near if self.subject.node(j).op_type in {"Add", "Sub"}}

    def _counts(self, i: int) -> bool:
        return self.subject.node(i).op_type in MAC_OPS

    def _chain(self, start: int, among: Mapping[int, float]) -> set[int]:
        """Nodes without multiply-adds that are joined to one another."""
        chain, waiting = {start}, [start]
        while waiting:
            node = self.subject.node(waiting.pop())
            near = {j for name in node.output for j in self.subject.read.get(name, [])}
            near |= {self.subject.made[name] for name in node.input if name in self.subject.made}
            fresh = {j for j in near - chain if j in among and not self._counts(j)}
            chain |= fresh
            waiting += fresh
        return chain

    def _affordable(self, base: frozenset[str], heavy: Sequence[_Item]) -> list[_Item]:
        """Convolutions that may go to FP32 before too few multiply-adds stay in FP16."""
        total = max(1, sum(self.subject.macs.values()))
        spent = sum(self.subject.macs.get(key, 0) for key in base) / total
        allowed = []
        for item in heavy:
            if 1 - spent - item.macs / total >= self.budget.fp16_macs_share_min:
                spent += item.macs / total
                allowed.append(item)
        return allowed

    def _least(self, base: frozenset[str], items: Sequence[_Item]) -> frozenset[str]:
        """The base and the fewest first items that are good, by halving; all are known to be."""
        low, high = 0, len(items)
        while high - low > 1:
            middle = (low + high) // 2
            if self._good(base | _union(items[:middle])):
                high = middle
            else:
                low = middle
        return base | _union(items[:high])


def _union(items: Sequence[_Item]) -> frozenset[str]:
    return frozenset().union(*(item.keys for item in items))
