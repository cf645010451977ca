"""Open Badges 3.0 as an issuer of one's own: credentials are signed here, without any call.

The credential is a Verifiable Credential (W3C, Data Model 2.0), signed with `eddsa-rdfc-2022` and, where
asked, as a JWT; a Bitstring Status List says whether it was revoked. All of it is a function of the decision
and the key: the same decision gives the same bytes.
"""

HELD = "issued"
"""The state of a badge that its learner has."""


def is_of(organization: str, badge: str) -> bool:
    """Whether a badge's id is one that this organization has given; before a move it was another issuer's."""
    return badge.startswith(f"{organization}-")
