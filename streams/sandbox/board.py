"""What the demo shows on the screen."""

from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from rich.console import Console, Group
from rich.markup import escape
from rich.table import Table

from streams.sandbox.audit import Announcement, Verdict
from streams.sandbox.credentials import Credentials, Held
from streams.sandbox.credly import CredlySimulator
from streams.sandbox.publisher import Placed

LAST_EVENTS = 12
"""With the counts above them they need a terminal of some 25 lines."""


@dataclass
class Board:
    """What has happened so far; `templates` are names by id, `total` is the number of records to emit."""

    templates: Mapping[str, str]
    credly: CredlySimulator
    credentials: Credentials = field(default_factory=Credentials)
    total: int = 0
    placed: list[Placed] = field(default_factory=list)
    dead_letters: int = 0
    awarded: Counter[str] = field(default_factory=Counter)
    revoked: Counter[str] = field(default_factory=Counter)
    learners: Counter[int] = field(default_factory=Counter)
    held: set[Held] = field(default_factory=set)
    last: deque[Announcement] = field(default_factory=lambda: deque(maxlen=LAST_EVENTS))

    def take(self, events: Iterable[Announcement]) -> None:
        """Count badge events and show them among the last ones."""
        for event in events:
            held = (event.template, event.learner)
            if event.kind == "awarded":
                self.awarded[event.template] += 1
                self.held.add(held)
            else:
                self.revoked[event.template] += 1
                self.held.discard(held)
            self.learners[event.learner] += 1
            self.last.append(event)

    @property
    def issued(self) -> set[Held]:
        """Who holds which badge according to the issuers."""
        at_credly = {(badge.template, int(badge.earner)) for badge in self.credly.held()}
        return at_credly | self.credentials.held

    @property
    def busiest(self) -> int:
        """The learner with the most badge events."""
        return max(self.learners, key=lambda learner: (self.learners[learner], -learner), default=1)

    def __rich__(self) -> Group:
        counts = Table("badge", "awarded", "revoked", "held", "at its issuer", min_width=60)
        held = Counter(template for template, _ in self.held)
        issued = Counter(template for template, _ in self.issued)
        for template, name in self.templates.items():
            numbers = (self.awarded[template], self.revoked[template], held[template], issued[template])
            counts.add_row(escape(name), *map(str, numbers))
        flow = (
            f"records emitted {len(self.placed):,} of {self.total:,} · "
            f"badges awarded {self.awarded.total():,}, revoked {self.revoked.total():,} · "
            f"calls at Credly {len(self.credly.journal):,} · "
            f"Open Badges {len(self.credentials.documents):,} · dead letters {self.dead_letters:,}"
        )
        return Group(counts, *(_line(event) for event in self.last), flow)


def report(console: Console, verdict: Verdict, board: Board) -> int:
    """Print the outcome and where it differs from the core's; returns the demo's exit code."""
    letters = (f"{count} {fault} ({reason})" for (fault, reason), count in verdict.dead_letters.items())
    console.rule("The outcome, compared with the core run over the same events")
    console.print(
        f"{board.total:,} records on the bus; {verdict.activities:,} of them concern a badge; "
        f"{verdict.learners:,} learners have progress\n"
        f"{verdict.awarded:,} awards and {verdict.revoked:,} revocations: "
        f"{len(board.held):,} badges are held, by the issuers' books {len(board.issued):,}\n"
        f"Open Badges: {len(board.credentials.documents):,} signed, the last one held is "
        f"{board.credentials.newest or 'none'}\n"
        f"dead letters: {', '.join(sorted(letters))}"
    )
    for name, places in _faults(verdict, board).items():
        if places:
            console.print(f"[red]{len(places)} {name}[/], such as {escape(places[0])}")
    expected = not any(_faults(verdict, board).values()) and verdict.awarded > 0 and verdict.revoked > 0
    console.print("[green]As expected.[/]" if expected else "[red]Not as expected.[/]")
    return 0 if expected else 1


def _faults(verdict: Verdict, board: Board) -> dict[str, list[str]]:
    missing, unwanted = board.held - board.issued, board.issued - board.held
    return {
        **{name: list(places) for name, places in verdict.faults.items()},
        "badges missing at their issuer": [
            f"{template} of {learner}" for template, learner in sorted(missing)
        ],
        "badges unwanted at their issuer": [
            f"{template} of {learner}" for template, learner in sorted(unwanted)
        ],
        "Open Badges with a wrong proof": board.credentials.forged(),
    }


def _line(event: Announcement) -> str:
    how = "[green]awarded[/]" if event.kind == "awarded" else "[red]revoked[/]"
    again = f", for the {event.generation}. time" if event.generation > 1 else ""
    return f"{how} {escape(f'{event.template_name} · {event.name} (learner {event.learner})')}{again}"
