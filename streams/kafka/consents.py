"""A learner's consents, in a topic of their own: of each badge that everybody may see who has its link.

The key is the badge's id; no value: she has taken it back, or was forgotten (decision 0093).
"""

from dataclasses import dataclass
from uuid import UUID

import orjson

VERSION = 1


@dataclass(frozen=True, slots=True)
class Consent:
    """Whose badge of which template may be seen under `link`, and when she said so (µs since 1970)."""

    learner: int
    template: str
    link: str
    at: int


def line(consent: Consent) -> bytes:
    """The record's value."""
    return orjson.dumps(
        {
            "v": VERSION,
            "learner": consent.learner,
            "template": consent.template,
            "link": consent.link,
            "at": consent.at,
        }
    )


def consent_of(raw: bytes) -> Consent:
    """The reverse; raises `ValueError` where it is none that this program knows."""
    try:
        value = orjson.loads(raw)
        learner, template, version = int(value["learner"]), str(UUID(value["template"])), value["v"]
        consent = Consent(learner, template, str(value["link"]), int(value["at"]))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"no consent: {type(error).__name__}") from None
    if version != VERSION:
        raise ValueError(f"a consent of version {version}")
    return consent
