"""Why a learner holds a badge, or not yet, and where it is: read from the changelogs of both workers."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from streams.badges import (
    IMPORTED,
    Badge,
    BadgeRequirement,
    Catalog,
    Compiled,
    Note,
    Progress,
    State,
    badge_id,
    ids_in,
    is_held,
    latest,
    moment,
    stamp,
    standing,
    text_of,
    texts,
)
from streams.catalog import CatalogDocument
from streams.errors import ConfigurationError
from streams.logs import blanked
from streams.operate.catalog import published
from streams.operate.counted import counted
from streams.operate.meter import NO_METER, Meter
from streams.operate.site import Site, site
from streams.operate.standing import called, ids_of, standing_of, values_of
from streams.operate.whereabouts import Issuances, issuances
from streams.settings import Settings
from streams.tracker.rows import unpack

NOT_BEGUN = 20
"""Templates of which a learner has nothing that are listed: a screen of them."""


@dataclass(frozen=True, slots=True)
class Known:
    """What there is to explain: of one learner, by the catalog in force, whose name is `revision`.

    `names_by_rules` are the names of catalogs by the hashes of their rules; `said` are activities in words,
    by their ids; `forgotten` is when the learner was, in microseconds since 1970.
    """

    learner: int
    document: CatalogDocument
    revision: str
    names_by_rules: Mapping[str, str]
    progress: Progress | None
    forgotten: int | None
    issued: Issuances
    said: Mapping[str, str] = field(default_factory=dict)


async def explain(
    settings: Settings, learner: int, template: str | None, *, brief: bool = False, meter: Meter = NO_METER
) -> list[str]:
    """Lines about each badge that the learner holds, held or has begun, and in short about the others.

    Of one template only if given. If `brief`, activities are named by their ids alone.

    Raises `ConfigurationError` for a template that neither the catalog nor the learner's progress has.
    """
    async with site(settings) as here:
        catalogs = await here.catalog()
        document = catalogs.document
        progress, forgotten = await read_progress(here, learner)
        names = names_by_rules(await published(here), catalogs.compiled.revision, catalogs.revision)
        # Without a progress, the relay's table may still have a badge, of which template nobody knows.
        decided = progress.badges if progress else document.templates
        issued = await issuances(here, [str(badge_id(id, learner)) for id in decided])
        template = template.lower() if template else None
        ids = _ids(progress, template) if progress and not brief else frozenset()
        said = await counted(here, learner, ids, meter)
    known = Known(learner, document, catalogs.revision, names, progress, forgotten, issued, said)
    return told(known, template, stamp(datetime.now(UTC)))


def told(known: Known, template: str | None, now: int) -> list[str]:
    """The lines of `explain`, as of `now`."""
    document, progress = known.document, known.progress
    lines = [f"learner {known.learner}, by catalog {known.revision}"]
    if known.forgotten is not None:
        lines.append(f"forgotten {_at(known.forgotten)}: what was before says nothing")
    if progress is None:
        lines += ["no relevant activity has been seen", *_left(known.issued, document)]
        progress = Progress.initial()
    touched = {*progress.templates, *_waiting_for_badges(document, progress)}
    if template is not None:
        if template not in touched and template not in document.templates:
            raise ConfigurationError(f"--template: {template} is in no catalog and no progress")
        touched = {template}
    for id in sorted(touched):
        lines += _template(known, progress, id, now)
    if template is None:
        lines += _not_begun(document, progress, touched)
    return list(map(blanked, lines))


def names_by_rules(published: Sequence[tuple[str, str]], in_force: str, revision: str) -> Mapping[str, str]:
    """The names of catalogs by the hashes of their rules, of those that were published, oldest first.

    `in_force` is the hash of the rules of the catalog in force, `revision` its name. Of several with the same
    rules it is the first: nobody wrote down which of them was in force.
    """
    return {in_force: revision} | {rules: name for name, rules in reversed(published)}


async def read_progress(here: Site, learner: int) -> tuple[Progress | None, int | None]:
    """A learner's progress as it was last committed, None where there is none; when they were forgotten."""
    raw = await here.value(here.topics.progress.name, b"%d" % learner)
    if raw is None:
        return None, None
    progress, forgotten = unpack(raw)
    return (None if progress == Progress.initial() else progress), forgotten


def _left(issued: Issuances, document: CatalogDocument) -> Iterator[str]:
    """The badges that the relay's table has of a learner of whom the tracker knows nothing."""
    for badge, issuance in issued.rows.items():
        yield f"badge {badge} of template {issuance.template}: {issued.where(badge, document)}"


def _waiting_for_badges(document: CatalogDocument, progress: Progress) -> Iterator[str]:
    """Templates that the learner has come closer to by nothing but a badge."""
    for compiled in document.compiled.active:
        if any(progress.badge(required) for required in compiled.badges.values()):
            yield compiled.id


def _template(known: Known, progress: Progress, id: str, now: int) -> Iterator[str]:
    document, learner = known.document, known.learner
    declared = document.templates.get(id)
    turn = document.compiled.turns.get(id)
    compiled = None if turn is None else document.compiled.active[turn]
    state = "not in the catalog" if declared is None else "inactive" if compiled is None else ""
    catalog = document.compiled
    standing_now = "" if compiled is None else _standing(catalog, compiled, progress, now)
    yield ""
    yield f"{declared.name if declared else 'template'} ({id}): {state or standing_now}"
    if badge := progress.badge(id):
        expired = badge.held and not is_held(catalog, id, badge, now)
        yield from _badge(badge, id, learner, known.names_by_rules, "expired" if expired else "held")
        decision = latest(badge, id, learner)
        yield f"  issuer: {known.issued.where(str(decision.badge), document, str(decision.id))}"
    if compiled is not None:
        yield from _requirements(document, compiled, progress, now, known.said)
        yield from _missing(document, progress, id)


def _standing(catalog: Catalog, compiled: Compiled, progress: Progress, now: int) -> str:
    return "{} of {} groups".format(*standing(catalog, compiled, progress, now))


def _badge(
    badge: Badge, template: str, learner: int, names_by_rules: Mapping[str, str], held: str
) -> Iterator[str]:
    def under(rules: str) -> str:
        if rules == IMPORTED:
            return "by the rules of the service that it was imported from"
        name = names_by_rules.get(rules)
        return f"under the rules of catalog {name}" if name else f"under rules {rules}"

    reasons = [f"{id} more" if isinstance(id, int) else text_of(id) for id in ids_in(badge.because)]
    by = reasons[-1] if badge.activity is None else text_of(badge.activity)
    yield f"  badge {badge_id(template, learner)}: {held if badge.held else 'revoked'}"
    yield (
        f"  awarded {_at(badge.awarded)}, generation {badge.generation}, "
        f"by {'import' if badge.imported else 'order' if badge.ordered else 'activity'} {by}"
    )
    yield from _ordered(badge.note)
    yield f"    because of {', '.join(reasons)}"
    yield f"    {under(badge.catalog)}"
    if badge.revoked is not None and badge.revoked_by is not None:
        order = "order " if badge.revoked_ordered else ""
        order = "import " if badge.revoked_catalog == IMPORTED else order
        yield f"  revoked {_at(badge.revoked)} because of {order}{text_of(badge.revoked_by)}"
        yield from _ordered(badge.revoked_note)
        yield f"    {under(badge.revoked_catalog)}"


def _ordered(note: Note | None) -> Iterator[str]:
    if note is not None:
        by, why = note
        yield f"    ordered{' by ' * bool(by)}{by}{': ' * bool(why)}{why}"


def _ids(progress: Progress, template: str | None) -> frozenset[str]:
    """The activities that count for what is begun, of one template if given."""
    templates = progress.templates if template is None else [template]
    return frozenset(
        id
        for name in templates
        for requirement in progress.templates.get(name, ({}, None))[0]
        for id in ids_of(progress, name, requirement)
    )


def _missing(document: CatalogDocument, progress: Progress, id: str) -> Iterator[str]:
    standing_now = standing_of(document, id, progress)
    if standing_now is not None and standing_now.lacks:
        yield f"  still missing: {'; '.join(standing_now.lacks)}"


def _not_begun(document: CatalogDocument, progress: Progress, touched: Collection[str]) -> Iterator[str]:
    """The active templates that nothing counts for yet, with what they ask."""
    others = [compiled.id for compiled in document.compiled.active if compiled.id not in touched]
    if others:
        yield ""
    for id in others[:NOT_BEGUN]:
        standing_now = standing_of(document, id, progress)
        if standing_now is not None:
            yield f"not begun: {document.templates[id].name} ({id}): {'; '.join(standing_now.lacks)}"
    if len(others) > NOT_BEGUN:
        yield f"and {len(others) - NOT_BEGUN} more that are not begun: --template ID says what one asks"


def _requirements(
    document: CatalogDocument,
    compiled: Compiled,
    progress: Progress,
    now: int,
    said: Mapping[str, str],
) -> Iterator[str]:
    declared = document.templates[compiled.id]
    for requirement in compiled.template.requirements:
        name = called(declared, requirement.id)
        group = f" (group {requirement.group})" if requirement.group else ""
        if isinstance(requirement, BadgeRequirement):
            badge = progress.badge(requirement.template)
            held = "held" if is_held(document.compiled, requirement.template, badge, now) else "not held"
            yield f"  requirement {name}{group}: badge of {requirement.template} {held}"
        else:
            state = progress.requirement(compiled.id, requirement.id)
            yield f"  requirement {name}{group}: {_state(state, requirement.count)}"
            for id in ids_of(progress, compiled.id, requirement.id):
                if id in said:
                    yield f"    {id}: {said[id]}"


def _state(state: State | None, wanted: int) -> str:
    if state is None:
        return f"0 of {wanted}"
    if state.moment is not None:
        return f"fulfilled {_at(state.moment)} by {', '.join(texts(state.counted))}"
    there = len({key for _, id, key in state.matches if id})
    values = values_of(state)
    return f"{there} of {wanted}{', so far ' + ', '.join(values) if values else ''}"


def _at(stamp: int) -> str:
    return moment(stamp).isoformat()
