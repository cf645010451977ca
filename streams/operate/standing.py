"""How far a learner is with a template, in words: what of each requirement is there, and what is missing."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from streams.badges import AnyRequirement, BadgeRequirement, Compiled, Progress, State, shown, text_of, texts
from streams.catalog import CatalogDocument, TemplateDeclaration
from streams.catalog.texts import in_language

NO_NOTES: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class Step:
    """How far one requirement is: what is `there` of what is `wanted`, and the values that were counted."""

    fulfilled: bool
    there: int
    wanted: int
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a template is: how many matches are `missing` at least, and in words what `lacks`.

    `begun` if anything counts for it.
    """

    begun: bool
    missing: int
    lacks: tuple[str, ...]


def called(template: TemplateDeclaration, requirement: str) -> str:
    """What a requirement is called: what learners read of it, else its id."""
    declared = next(one for one in template.requirements if one.id == requirement)
    return requirement if declared.text is None else f"{requirement} ({in_language(declared.text)})"


def standing_of(
    document: CatalogDocument,
    template: str,
    progress: Progress,
    notes: Mapping[str, str] = NO_NOTES,
    named: Callable[[TemplateDeclaration, str], str] = called,
) -> Standing | None:
    """The learner's standing with a template; None if it is not active.

    `notes` say more of some requirements, by their ids; `named` is what one is called.
    """
    turn = document.compiled.turns.get(template)
    if turn is None:
        return None
    compiled, declared = document.compiled.active[turn], document.templates[template]
    steps = {r.id: step_of(document, compiled, r, progress) for r in compiled.template.requirements}
    missing = 0
    lacks: list[str] = []
    for group in compiled.groups:
        open_steps = sorted(
            (max(1, step.wanted - step.there), r.id)
            for r in group.requirements
            if not (step := steps[r.id]).fulfilled
        )
        wanted = group.at_least - (len(group.requirements) - len(open_steps))
        if wanted > 0:
            missing += sum(left for left, _ in open_steps[:wanted])
            said = [_missing(named(declared, id), steps[id], notes.get(id, "")) for _, id in open_steps]
            lacks.append("; ".join(said) if len(said) == wanted else f"{wanted} of: {' | '.join(said)}")
    begun = any(step.there for step in steps.values())
    return Standing(begun, missing, tuple(lacks))


def step_of(
    document: CatalogDocument, compiled: Compiled, requirement: AnyRequirement, progress: Progress
) -> Step:
    """How far one requirement is."""
    if isinstance(requirement, BadgeRequirement):
        badge = progress.badge(requirement.template)
        held = badge is not None and badge.held
        return Step(held, int(held), 1)
    state = progress.requirement(compiled.id, requirement.id)
    if state is None:
        return Step(False, 0, requirement.count)
    if state.moment is not None:
        return Step(True, requirement.count, requirement.count)
    keys = dict.fromkeys(key for _, id, key in state.matches if id)
    return Step(False, len(keys), requirement.count, values_of(state))


def values_of(state: State) -> tuple[str, ...]:
    """The values that were counted, those that are kept as they were."""
    if state.distinct is None:
        return ()
    keys = dict.fromkeys(key for _, id, key in state.matches if id)
    return tuple(value for key in keys if (value := shown(key)) is not None)


def ids_of(progress: Progress, template: str, requirement: str) -> tuple[str, ...]:
    """The activities that count for a requirement."""
    state = progress.requirement(template, requirement)
    if state is None:
        return ()
    if state.moment is not None:
        return texts(state.counted)
    return tuple(text_of(id) for _, id, _ in state.matches if id)


def _missing(name: str, step: Step, note: str) -> str:
    noted = f": {note}" if note else ""
    if step.wanted == 1:
        return name + noted
    seen = f", so far {', '.join(step.values)}" if step.values else ""
    enough = ", but not within its window" if step.there >= step.wanted else ""
    return f"{name}: {step.there} of {step.wanted}{enough}{seen}{noted}"
