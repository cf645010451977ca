"""What a rehearsal came to: totals by template, who just missed a badge, what another catalog changes."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from streams.badges import Progress
from streams.catalog import CatalogDocument
from streams.catalog.wording import load_worded
from streams.operate.nearly import Nearly
from streams.operate.simulate import Report, simulate
from streams.operate.standing import standing_of
from streams.operate.terminal import table

SHOWN = 5
"""Learners of a template that are named; how many more there are is said."""

Learners = Mapping[int, Progress]


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """What a catalog made of activities: the progress of each learner."""

    document: CatalogDocument
    learners: Learners
    nearly: Nearly | None = None

    def badge(self, learner: int, template: str) -> tuple[int, bool]:
        """How often the badge was awarded, and whether it is held."""
        progress = self.learners.get(learner)
        badge = None if progress is None else progress.badge(template)
        return (0, False) if badge is None else (badge.generation, badge.held)

    @property
    def names(self) -> dict[str, str]:
        """Of the templates, by their ids."""
        return {id: template.name for id, template in self.document.templates.items()}


@dataclass(frozen=True, slots=True)
class Difference:
    """A learner of whom two catalogs decide differently: whether the badge is held, and how often awarded."""

    template: str
    name: str
    learner: int
    held: bool
    held_against: bool
    awards: int
    awards_against: int

    def as_json(self) -> dict[str, Any]:
        """All of it."""
        return asdict(self)


def rehearse(
    catalog: bytes,
    lines: Iterable[bytes],
    report: Report,
    note: Report,
    show: Callable[[bytes], None] = lambda _: None,
    *,
    closely: bool = False,
) -> Rehearsed:
    """Judge activities; `show` hears of each decision, the others as those of `simulate`.

    If `closely`, it is also kept who fell short of a limit.
    """
    document = load_worded(catalog)
    learners: dict[int, Progress] = {}
    nearly = Nearly(document.compiled) if closely else None
    for decision in simulate(
        catalog, lines if nearly is None else _seen(lines, nearly), report, note, learners
    ):
        show(decision)
    return Rehearsed(document, learners, nearly)


def _seen(lines: Iterable[bytes], nearly: Nearly) -> Iterator[bytes]:
    for line in lines:
        nearly.see(line)
        yield line


def totals(rehearsed: Rehearsed) -> Iterator[str]:
    """A table of the templates, then who is closest to each badge and what they lack."""
    rows: list[tuple[str, ...]] = []
    closest: list[str] = []
    for id, name in rehearsed.names.items():
        awards = [rehearsed.badge(learner, id) for learner in rehearsed.learners]
        held, awarded = sum(held for _, held in awards), sum(generation for generation, _ in awards)
        rows.append((name, str(held), str(awarded), str(awarded - held)))
        closest += _closest(rehearsed, id, name)
    yield from table(("template", "held", "awarded", "revoked"), rows)
    yield from closest


def differences(one: Rehearsed, against: Rehearsed) -> Iterator[Difference]:
    """Each learner and template of which the two catalogs decide differently, by template."""
    for id, name in sorted((against.names | one.names).items()):
        for learner in sorted({*one.learners, *against.learners}):
            (awards, held), (before, held_before) = one.badge(learner, id), against.badge(learner, id)
            if (awards, held) != (before, held_before):
                yield Difference(id, name, learner, held, held_before, awards, before)


def compared(found: list[Difference]) -> Iterator[str]:
    """A table of what is gained and lost, by template."""
    rows = []
    for name in dict.fromkeys(one.name for one in found):
        own = [one for one in found if one.name == name]
        gained = [one.learner for one in own if one.held and not one.held_against]
        lost = [one.learner for one in own if one.held_against and not one.held]
        rows.append((name, _listed(gained), _listed(lost), str(len(own) - len(gained) - len(lost))))
    if rows:
        yield from table(
            ("template", "hold it by this catalog alone", "by the other alone", "otherwise"), rows
        )
    else:
        yield "both catalogs decide the same"


def _closest(rehearsed: Rehearsed, id: str, name: str) -> Iterator[str]:
    """Who has begun, or fell short of a limit, and lacks least, each with what is missing."""
    requirements = [requirement.id for requirement in rehearsed.document.templates[id].requirements]
    near = {r: rehearsed.nearly.learners(id, r) for r in requirements} if rehearsed.nearly else {}
    short = {learner for found in near.values() for learner in found}
    begun = []
    for learner in {*rehearsed.learners, *short}:
        notes = {r: found[learner] for r, found in near.items() if learner in found}
        progress = rehearsed.learners.get(learner, Progress.initial())
        words = {r: said for r, (_, said) in notes.items()}
        standing = standing_of(rehearsed.document, id, progress, words)
        if standing is None or rehearsed.badge(learner, id)[1] or not (standing.begun or notes):
            continue
        begun.append((standing.missing, sum(far for far, _ in notes.values()), learner, standing.lacks))
    just = sorted(one for one in begun if one[0] == min(begun)[0])
    if just:
        yield ""
        yield f"just missed {name}:"
    for _, _, learner, lacks in just[:SHOWN]:
        called = _called(rehearsed.learners.get(learner, Progress.initial()))
        yield f"  learner {learner}{called}: {'; '.join(lacks)}"
    if len(just) > SHOWN:
        yield f"  and {len(just) - SHOWN} more"


def _called(progress: Progress) -> str:
    return f" ({progress.user.username})" if progress.user and progress.user.username else ""


def _listed(learners: list[int]) -> str:
    shown = ", ".join(map(str, learners[:SHOWN]))
    return f"{len(learners)}: {shown}{', …' if len(learners) > SHOWN else ''}" if learners else "0"
