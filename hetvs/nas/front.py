"""Pareto fronts of (cost, score): low cost and high score."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")
Point = tuple[float, float]


def front(items: Sequence[T], point: Callable[[T], Point]) -> list[T]:
    """Return the items that no cheaper or equal one reaches in score, cheapest first; of equal points the first.

    >>> front([(2, 0.5), (1, 0.4), (3, 0.45), (2, 0.5)], lambda item: item)
    [(1, 0.4), (2, 0.5)]
    """
    best: list[T] = []
    for item in sorted(items, key=lambda item: (point(item)[0], -point(item)[1])):
        if not best or point(item)[1] > point(best[-1])[1]:
            best.append(item)
    return best


def hypervolume(points: Sequence[Point], most: float) -> float:
    """Return the share of the box (0..`most`) x (0..1) that the points dominate; those beyond `most` add nothing.

    Zitzler and Thiele, IEEE Trans. Evol. Comput. 3(4), 1999, in two dimensions: a staircase.

    >>> hypervolume([(1.0, 0.5), (2.0, 1.0)], most=4.0)
    0.625
    """
    steps = front([(cost, score) for cost, score in points if cost < most], lambda item: item)
    ends = ([cost for cost, _ in steps] + [most])[1:] if steps else []
    return sum((end - cost) * score for (cost, score), end in zip(steps, ends, strict=True)) / most


def spaced(items: Sequence[T], count: int) -> list[T]:
    """Return `count` items of a front, its ends and evenly placed ones between; all of it when it has no more.

    One item is the last: the best score.

    >>> spaced("abcdefg", 3), spaced("ab", 3), spaced("abc", 1)
    (['a', 'd', 'g'], ['a', 'b'], ['c'])
    """
    if len(items) <= count:
        return list(items)
    if count == 1:
        return [items[-1]]
    return [items[round(number * (len(items) - 1) / (count - 1))] for number in range(count)]
