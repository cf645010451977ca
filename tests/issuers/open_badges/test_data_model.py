"""What is published is as Open Badges 3.0 has it, property by property."""

from typing import Any

import pytest

from streams.issuers.issuer import Evidence
from tests.issuers.open_badges.a_badge import LIST, TIME, URL, Issuing
from tests.issuers.open_badges.data_model import faults


def test_a_credential_has_what_it_must_and_nothing_else() -> None:
    issuing = Issuing(evidence=(Evidence("Pass Kafka 101", TIME),))

    badges = [issuing.issue("a"), issuing.issue("b", expires=TIME.replace(year=2099))]

    for badge in badges:
        assert faults("AchievementCredential", issuing.credential(badge)) == []


def test_the_contexts_are_those_of_the_specification_in_their_order() -> None:
    assert Issuing().issued()["@context"] == [
        "https://www.w3.org/ns/credentials/v2",
        "https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.3.json",
    ]


def test_a_status_list_is_a_credential_too() -> None:
    issuing = Issuing()
    issuing.revoke(issuing.issue())

    document = issuing.published[LIST.removeprefix(f"{URL}/badges/")]["document"]

    assert faults("StatusListCredential", document) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("id", None),
        ("type", ["VerifiableCredential"]),
        ("validFrom", "2026-03-01T12:00:00"),
        ("issuer.id", "badges.example.edu"),
        ("credentialSubject.achievement", None),
        ("credentialSubject.achievement.criteria", None),
        ("credentialSubject.achievement.description", ""),
        ("credentialSubject.achievement.tags", ["a"]),
        ("credentialSubject.identifier", {"type": "IdentityObject"}),
        ("credentialStatus.id", None),
        ("proof", []),
    ],
)
def test_what_is_missing_or_of_another_kind_is_a_fault(path: str, value: object) -> None:
    document: dict[str, Any] = dict(Issuing().issued())
    *above, last = path.split(".")
    within = document
    for name in above:
        within[name] = dict(within[name])
        within = within[name]
    if value is None:
        del within[last]
    else:
        within[last] = value

    assert len(faults("AchievementCredential", document)) >= 1
