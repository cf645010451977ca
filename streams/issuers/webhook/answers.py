"""What a receiver's answers mean: any 2xx is yes, 410 is no, and everything else is tried again."""

from streams.issuers.http import Answer
from streams.issuers.outcomes import Deferred, Erased, Issued, Refused, Revoked
from streams.issuers.words import document, identifier

HELD = "issued"
_OF_ALL = frozenset({401, 403, 407, 408, 421, 425, 429})
"""Statuses below 500 that mean with a receiver what they mean everywhere."""


def issued(answer: Answer, own: str) -> Issued | Refused | Deferred | None:
    """Whether a badge is taken; its id is the receiver's `id`, or else our `own`."""
    if _taken(answer):
        return Issued(identifier(document(answer.body).get("id")) or own, HELD)
    return _not_taken(answer)


def revoked(answer: Answer) -> Revoked | Refused | Deferred | None:
    """Whether a revocation is taken."""
    return Revoked() if _taken(answer) else _not_taken(answer)


def erased(answer: Answer) -> Erased | Refused | Deferred | None:
    """Whether an order to forget is taken."""
    return Erased(wholly=True) if _taken(answer) else _not_taken(answer)


def _taken(answer: Answer) -> bool:
    return 200 <= answer.status < 300


def _not_taken(answer: Answer) -> Refused | Deferred | None:
    """A receiver that is being deployed, or does not believe a signature, may answer with any status."""
    if answer.status == 410:
        return Refused(f"{answer.why} (the receiver wants no more of this)")
    if 400 <= answer.status < 500 and answer.status not in _OF_ALL:
        return Deferred(answer.why, ambiguous=False)
    return None
