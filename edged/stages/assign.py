"""One-to-one assignment of the greatest total score: the Hungarian method on small tables.

Knows numbers only.
"""

from __future__ import annotations

import numpy as np

from edged.faces import Tensor

FORBIDDEN = -np.inf
"""Score of a pair that must not be."""

_NEVER = 1e6
"""Its cost; scores are far smaller."""


def assign(scores: Tensor) -> list[int]:
    """Give every row a column of its own, or none, so that the sum of scores is greatest.

    Shortest augmenting paths with dual variables (R. Jonker, A. Volgenant: "A Shortest
    Augmenting Path Algorithm for Dense and Sparse Linear Assignment Problems", Computing 38,
    1987), without their initial reduction, which small tables do not need.

    Args:
        scores: (n, m) floats; `FORBIDDEN` where a pair must not be.  A row stays alone
            rather than take a score below 0.

    Returns:
        For each row its column, or -1.
    """
    rows, columns = scores.shape
    if not rows:
        return []
    best = scores.argmax(axis=1) if columns else np.zeros(rows, int)
    alone = [int(c) if columns and scores[r, c] >= 0 else -1 for r, c in enumerate(best)]
    wanted = [column for column in alone if column >= 0]
    if len(set(wanted)) == len(wanted):  # everybody can have the best: nothing is better
        return alone
    # Each row may also take a column that is nobody's, for nothing.
    costs = np.zeros((rows, columns + rows))
    costs[:, :columns] = np.where(np.isfinite(scores), -scores, _NEVER)
    taken_by = np.full(columns + rows, -1)
    row_dual, column_dual = np.zeros(rows), np.zeros(columns + rows)
    for row in range(rows):
        _augment(costs, row, taken_by, (row_dual, column_dual))
    found = [-1] * rows
    for column in range(columns):
        if taken_by[column] >= 0:
            found[taken_by[column]] = column
    return found


def _augment(costs: Tensor, start: int, taken_by: Tensor, duals: tuple[Tensor, Tensor]) -> None:
    """Find the cheapest path from a row to a free column and move the pairs along it."""
    row_dual, column_dual = duals
    count = costs.shape[1]
    distance = np.full(count, np.inf)
    before = np.full(count, start)
    done = np.zeros(count, bool)
    row, reached = start, 0.0
    while True:
        through = reached + costs[row] - row_dual[row] - column_dual
        nearer = ~done & (through < distance)
        distance[nearer] = through[nearer]
        before[nearer] = row
        column = int(np.where(done, np.inf, distance).argmin())
        reached = float(distance[column])
        done[column] = True
        if taken_by[column] < 0:
            break
        row = int(taken_by[column])
    change = np.where(done, reached - distance, 0.0)
    column_dual -= change
    row_dual[start] += reached
    held = done & (taken_by >= 0)
    row_dual[taken_by[held]] += change[held]
    while True:
        row = int(before[column])
        previous = np.flatnonzero(taken_by == row)
        taken_by[column] = row
        if row == start:
            return
        column = int(previous[0])
