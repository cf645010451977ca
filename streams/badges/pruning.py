"""What a progress that has reached its bound can do without (decision 0054)."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

from streams.badges.progress import Count, Counted, Fact, Fulfilled, Fulfilment, Progress, Reset, evolve

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
    progress = _folded(progress, _unknown(progress, known))
    if fits(progress):
        return progress
    progress = _folded(progress, _reasons(progress))
    if fits(progress):
        return progress
    while shorter := list(_older_halves(progress)):
        progress = _folded(progress, shorter)
        if fits(progress):
            break
    return progress


def _folded(progress: Progress, facts: Iterable[Fact]) -> Progress:
    for fact in facts:
        progress = evolve(progress, fact)
    return progress


def _unknown(progress: Progress, known: Mapping[str, Collection[str]]) -> Iterator[Fact]:
    for template, states in progress.requirements.items():
        for requirement in states:
            if requirement not in known.get(template, ()):
                yield Reset(template, requirement)


def _reasons(progress: Progress) -> Iterator[Fact]:
    for template, states in progress.requirements.items():
        badge = progress.badges.get(template)
        for requirement, state in states.items():
            if badge is not None and badge.held and isinstance(state, Fulfilment) and len(state.ids) > 2:
                yield Fulfilled(
                    template, requirement, Fulfilment(state.moment, (state.ids[0], state.ids[-1]))
                )


def _older_halves(progress: Progress) -> Iterator[Fact]:
    counts = [
        (template, requirement, state)
        for template, states in progress.requirements.items()
        for requirement, state in states.items()
        if isinstance(state, Count) and len(state.ids) > FEW
    ]
    longest = max((len(count.ids) for *_, count in counts), default=0)
    for template, requirement, count in counts:
        if len(count.ids) == longest:
            yield Counted(template, requirement, _newer_half(count))


def _newer_half(count: Count) -> Count:
    by_time = sorted(range(len(count.ids)), key=count.times.__getitem__)
    newer = sorted(by_time[len(by_time) // 2 :])
    return Count(
        count.distinct,
        tuple(count.ids[i] for i in newer),
        tuple(count.times[i] for i in newer),
        tuple(count.values[i] for i in newer) if count.values else (),
    )
