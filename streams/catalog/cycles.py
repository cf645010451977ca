"""The cycles of a graph: what requires itself, by whatever detour."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise


def cycles(graph: Mapping[str, Iterable[str]]) -> Iterator[tuple[str, ...]]:
    """Enough cycles that every edge lying on any cycle is in one; each is written a → b → a.

    `graph` has the nodes that can be reached from each node by one edge.
    """
    reported: set[tuple[str, str]] = set()
    endless = _without_ends(graph)
    for node, others in endless.items():
        for other in others:
            if (node, other) in reported:
                continue
            path = _shortest_path(endless, other, node)
            if path is not None:
                reported.update(pairwise((node, *path)))
                yield node, *path


def _without_ends(graph: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
    """The graph without nodes that cannot reach a cycle."""
    sorter = TopologicalSorter(graph)
    with suppress(CycleError):  # raised when all is prepared: what does not reach a cycle still gets ready
        sorter.prepare()
    ended: set[str] = set()
    while ready := sorter.get_ready():
        ended.update(ready)
        sorter.done(*ready)
    return {node: sorted(set(others) - ended) for node, others in graph.items() if node not in ended}


def _shortest_path(graph: Mapping[str, Iterable[str]], start: str, end: str) -> tuple[str, ...] | None:
    """A shortest path from one node to another, both included; None if there is none."""
    previous: dict[str, str] = {}
    queue = [start]
    seen = {start}
    for node in queue:
        if node == end:
            return tuple(reversed(list(_back(previous, node))))
        for other in graph[node]:
            if other not in seen:
                seen.add(other)
                previous[other] = node
                queue.append(other)
    return None


def _back(previous: Mapping[str, str], node: str | None) -> Iterator[str]:
    while node is not None:
        yield node
        node = previous.get(node)
