"""What a progress that has reached its bound can do without (decision 0054)."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace

from streams.badges.counting import State, newer_half
from streams.badges.packing import ids_in, joined
from streams.badges.progress import Judgement, Progress, evolve

FEW = 16
"""Matches of a count that are never forgotten for lack of space."""


def pruned(
    progress: Progress, known: Mapping[str, Collection[str]], fits: Callable[[Progress], bool]
) -> Progress:
    """The progress with what is needed least left out, until it fits; it may not fit even then.

    First goes what is kept for requirements that the catalog does not have (`known`: by template, their ids);
    then which activities fulfilled the requirements of badges that are held, but for the first and the last;
    then of the longest counts their older half, again and again.
    """
    progress = _changed(progress, _unknown(progress, known))
    if fits(progress):
        return progress
    progress = _changed(progress, _reasons(progress))
    if fits(progress):
        return progress
    while shorter := list(_older_halves(progress)):
        progress = _changed(progress, shorter)
        if fits(progress):
            break
    return progress


_Change = tuple[str, str, State | None]


def _changed(progress: Progress, changes: Iterable[_Change]) -> Progress:
    states: dict[str, dict[str, State | None]] = defaultdict(dict)
    for template, requirement, state in changes:
        states[template][requirement] = state
    return evolve(progress, Judgement(None, b"", progress.user, progress.catalog, states, {}, ()))


def _unknown(progress: Progress, known: Mapping[str, Collection[str]]) -> Iterator[_Change]:
    for template, requirement, _ in progress.states:
        if requirement not in known.get(template, ()):
            yield template, requirement, None


def _reasons(progress: Progress) -> Iterator[_Change]:
    for template, requirement, state in progress.states:
        badge = progress.badge(template)
        ids = ids_in(state.counted)
        if badge is not None and badge.held and len(ids) > 2:
            yield template, requirement, replace(state, counted=joined([ids[0], ids[-1]]))


def _older_halves(progress: Progress) -> Iterator[_Change]:
    counts = [found for found in progress.states if len(found[2].times) > FEW]
    longest = max((len(state.times) for *_, state in counts), default=0)
    for template, requirement, state in counts:
        if len(state.times) == longest:
            yield template, requirement, newer_half(state)
