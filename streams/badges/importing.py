"""What another service knew of a learner: own state wins, and nothing is decided (decision 0027)."""

from collections.abc import Iterator

from streams.badges.counting import State
from streams.badges.model import Brought, Import
from streams.badges.packing import joined, pack_id
from streams.badges.progress import IMPORTED, Badge, Judgement, Progress, fingerprint
from streams.badges.times import stamp


def taken_along(progress: Progress, order: Import) -> Judgement | None:
    """What follows from an import; None where it was followed already, or brings nothing that is not known.

    Of each requirement and each badge what is known here stays. Whether a template is complete is judged at
    the learner's next activity, as after a change of the catalog.
    """
    recognized = fingerprint(order.id)
    if progress.remembers(recognized):
        return None
    states: dict[str, dict[str, State | None]] = {}
    badges: dict[str, Badge] = {}
    for template, brought in order.templates.items():
        for requirement, state in _states(order, brought):
            if progress.requirement(template, requirement) is None:
                states.setdefault(template, {})[requirement] = state
        if brought.awarded is not None and progress.badge(template) is None:
            badges[template] = _badge(order, stamp(brought.awarded), brought)
    if not states and not badges:
        return None
    return Judgement(None, recognized, progress.user or order.user, "", states, badges, ())


def _states(order: Import, brought: Brought) -> Iterator[tuple[str, State]]:
    """Each requirement with what was known of it: when it was fulfilled nobody wrote down."""
    at = stamp(brought.awarded if brought.awarded and brought.held else order.time)
    for requirement in brought.fulfilled:
        yield requirement, State(at, at, joined([pack_id(order.id)]))
    if brought.revoked is not None:
        for requirement in brought.reset:
            yield requirement, State(floor=stamp(brought.revoked))


def _badge(order: Import, awarded: int, brought: Brought) -> Badge:
    id = pack_id(order.id)
    if brought.revoked is None:
        return Badge(1, awarded, joined([id]), catalog=IMPORTED)
    return Badge(
        1,
        awarded,
        joined([id]),
        catalog=IMPORTED,
        revoked=stamp(brought.revoked),
        revoked_by=id,
        revoked_catalog=IMPORTED,
        # As after an order: only what concerns the template brings it back.
        revoked_ordered=True,
    )
