"""What a consent is on its topic, and what is none."""

from itertools import product

import orjson
import pytest

from streams.kafka.consents import Consent, consent_of, line

CONSENT = Consent(42, "0b7a2c1e-2f53-4a63-9b8e-8f5a4f6f2d10", "AAECAwQFBgcICQoLDA0ODw", 1_773_500_967_000_000)


def test_a_consent_is_read_as_it_was_written() -> None:
    assert consent_of(line(CONSENT)) == CONSENT


NONE_OF_IT: list[object] = [None, "x", [], {}]


def changed(**fields: object) -> bytes:
    return orjson.dumps(orjson.loads(line(CONSENT)) | fields)


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"null", b"{}"])
def test_what_is_none_is_refused(raw: bytes) -> None:
    with pytest.raises(ValueError, match="consent"):
        consent_of(raw)


@pytest.mark.parametrize(
    ("field", "value"),
    [("v", 2), ("template", 1), *product(("v", "learner", "template", "at"), NONE_OF_IT)],
)
def test_one_with_a_field_that_is_none_is_refused(field: str, value: object) -> None:
    with pytest.raises(ValueError, match="consent"):
        consent_of(changed(**{field: value}))
