"""Whose badge it is: what shows that a badge at an issuer is this site's, and who holds what was adopted.

Several sites may share an organization, and people issue badges by hand: the relay touches only what an
answer shows to be its own (decision 0036).
"""

from dataclasses import dataclass
from typing import Literal

from streams.issuers.issuer import Wanted

Adopted = Literal["keep", "manage"]


@dataclass(frozen=True, slots=True)
class Ownership:
    """By what the site knows its badges. `prefix` begins its earner ids; without one other sites may have
    the same ids. `adopted` says what may be done with badges that the relay did not issue."""

    prefix: str = ""
    adopted: Adopted = "keep"

    @property
    def keeps(self) -> bool:
        """True if adopted badges are neither revoked nor deleted."""
        return self.adopted == "keep"

    def earner(self, learner: int) -> str:
        """The id by which issuers know a learner of this site."""
        return f"{self.prefix}{learner}"

    def earners(self, learner: int) -> tuple[str, ...]:
        """Every id under which the site may have issued to the learner: before its prefix the bare one."""
        return tuple(dict.fromkeys((self.earner(learner), str(learner))))

    def learner(self, earner: str) -> str | None:
        """The learner of an earner id as far as this site can say; None if it is another site's."""
        learner = earner.removeprefix(self.prefix)
        return learner if not learner or learner.isdecimal() else None

    def wanted(
        self, own: str, template: str, learner: int, addresses: tuple[str, ...] = (), badge: str = ""
    ) -> Wanted:
        """Our badge `own`, the learner's of a template, by the issuer's ids, as an issuer is asked for it."""
        return Wanted(template, self.earners(learner), bool(self.prefix), addresses, badge, own)


BARE = Ownership()
"""What shows a badge to a site that sets nothing."""


class Claims:
    """Which badge of ours holds each adopted badge of an issuer, as far as this worker's partitions know."""

    def __init__(self) -> None:
        self._holders: dict[tuple[str, str], tuple[bytes, object]] = {}

    def take(self, template: str, held: str, badge: bytes, owner: object) -> bool:
        """Have `badge` hold the issuer's badge `held` of a template; false if another does."""
        holder, _ = self._holders.get((template, held), (badge, None))
        if holder == badge:
            self._holders[template, held] = (badge, owner)
        return holder == badge

    def release(self, owner: object) -> None:
        """Know no more of what this owner's badges hold: their partition may be another worker's."""
        self._holders = {held: taken for held, taken in self._holders.items() if taken[1] is not owner}
