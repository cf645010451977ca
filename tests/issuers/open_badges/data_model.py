"""What Open Badges 3.0 has documents to be, by the tables of its appendix on data models: as JSON Schemas.

1EdTech publishes schemas that are made of the same tables, but in no package. Here are the tables of the
classes that our documents have. A row is a property, its type, and how often it is there; `=` names what its
value must be or have, `*` that a single value may stand without an array (section 5.2 on compaction).
"""

from collections.abc import Iterator, Mapping
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker

TABLES = """
AchievementCredential
@context        Context             2..
id              URI                 1
type            IRI                 1..* =VerifiableCredential =OpenBadgeCredential
name            String              0..1
description     String              0..1
image           Image               0..1
awardedDate     DateTimeZ           0..1
credentialSubject AchievementSubject 1
issuer          Profile             1
validFrom       DateTimeZ           1
validUntil      DateTimeZ           0..1
evidence        Evidence            0..
proof           Proof               0..*
credentialStatus CredentialStatus   0..1

AchievementSubject
id              URI                 0..1
type            IRI                 1..* =AchievementSubject
achievement     Achievement         1
identifier      IdentityObject      0..

Achievement
id              URI                 1
type            IRI                 1..* =Achievement
criteria        Criteria            1
description     String              1
image           Image               0..1
name            String              1

Criteria
id              URI                 0..1
narrative       String              0..1

Evidence
id              URI                 0..1
type            IRI                 1..* =Evidence
narrative       String              0..1
name            String              0..1
description     String              0..1
genre           String              0..1
audience        String              0..1

IdentityObject
type            IRI                 1 =IdentityObject
hashed          Boolean             1
identityHash    IdentityHash        1
identityType    String              1 =emailAddress
salt            String              0..1

Image
id              URI                 1
type            IRI                 1 =Image
caption         String              0..1

Profile
id              URI                 1
type            IRI                 1..* =Profile
name            String              0..1
url             URI                 0..1
email           String              0..1

CredentialStatus
id              URI                 1
type            IRI                 1 =BitstringStatusListEntry
statusPurpose   String              1 =revocation
statusListIndex String              1
statusListCredential URI            1

Proof
type            IRI                 1 =DataIntegrityProof
created         DateTimeZ           0..1
cryptosuite     String              0..1 =eddsa-rdfc-2022
proofPurpose    String              0..1 =assertionMethod
proofValue      String              0..1
verificationMethod URI              0..1

StatusListCredential
@context        Context             1..
id              URI                 0..1
type            IRI                 1..* =VerifiableCredential =BitstringStatusListCredential
issuer          URI                 1
validFrom       DateTimeZ           1
credentialSubject StatusList        1
proof           Proof               0..*

StatusList
id              URI                 0..1
type            IRI                 1 =BitstringStatusList
statusPurpose   String              1 =revocation
encodedList     EncodedList         1
"""

_URI = {"type": "string", "format": "uri", "pattern": "^[a-z][a-z0-9+.-]*:"}
SIMPLE: Mapping[str, Mapping[str, Any]] = {
    "Boolean": {"type": "boolean"},
    "Context": _URI,
    "DateTimeZ": {"type": "string", "format": "date-time", "pattern": r"(Z|[+-]\d\d:\d\d)$"},
    "EncodedList": {"type": "string", "pattern": "^u[A-Za-z0-9_-]+$"},
    "IRI": {"type": "string", "minLength": 1},
    "IdentityHash": {"type": "string", "pattern": r"^sha256\$[0-9a-fA-F]{64}$"},
    "String": {"type": "string", "minLength": 1},
    "URI": _URI,
}


def faults(kind: str, document: Mapping[str, Any]) -> list[str]:
    """What a document is not as the class of this name is."""
    schema = {"$defs": dict(_classes()), "$ref": f"#/$defs/{kind}"}
    found = Draft202012Validator(schema, format_checker=FormatChecker()).iter_errors(dict(document))
    return sorted(f"{'.'.join(map(str, fault.absolute_path))}: {fault.message}" for fault in found)


def _classes() -> Iterator[tuple[str, dict[str, Any]]]:
    for table in TABLES.strip().split("\n\n"):
        name, *rows = table.splitlines()
        columns = [row.split() for row in rows]
        yield (
            name,
            {
                "type": "object",
                "properties": {row[0]: _property(*row[1:]) for row in columns},
                "required": [row[0] for row in columns if not row[2].startswith("0")],
                "additionalProperties": False,
            },
        )


def _property(kind: str, times: str, *values: str) -> dict[str, Any]:
    one = dict(SIMPLE[kind]) if kind in SIMPLE else {"$ref": f"#/$defs/{kind}"}
    wanted = [value.removeprefix("=") for value in values]
    if ".." not in times or times == "0..1":
        return one | ({"const": wanted[0]} if wanted else {})
    least = max(int(times[0]), 1)
    each = [{"contains": {"const": value}} for value in wanted]
    several = {"type": "array", "items": one, "minItems": least, "allOf": each}
    return {"anyOf": [several, one]} if times.endswith("*") and not wanted else several
