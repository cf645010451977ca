"""What is read of the credentials service's database: these columns by their names, and nothing else.

No key of an issuer and no hash of a password is among them.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Table:
    """A table, and the model of which `dumpdata` makes its rows.

    `key` is the column that a dump calls `pk`. `optional`: not every release has it. Of a table that others
    share only rows with a row in one of those in `parts_of` are wanted.
    """

    name: str
    model: str
    columns: tuple[str, ...]
    key: str = "id"
    optional: bool = False
    parts_of: tuple[str, ...] = ()


NULLABLE = frozenset(
    (
        "name",
        "description",
        "icon",
        "state",
        "blend",
        "template_id",
        "requirement_id",
        "external_id",
        "external_uuid",
        "full_name",
        "lms_user_id",
    )
)
"""Columns that may be empty."""


def is_number(column: str) -> bool:
    """Whether a column holds whole numbers or booleans; the others hold texts."""
    return column == "id" or column.endswith(("_id", "is_active"))


TEMPLATES = Table(
    "badges_badgetemplate",
    "badges.badgetemplate",
    ("id", "uuid", "name", "description", "icon", "state", "is_active", "site_id"),
)
RESETS = Table(
    "badges_badgepenalty_requirements",
    "badges.badgepenalty",
    ("badgepenalty_id", "badgerequirement_id"),
)
"""In a dump a list in the penalty, `requirements`."""
OF_A_CATALOG = (
    Table("django_site", "sites.site", ("id", "domain")),
    Table("badges_credlyorganization", "badges.credlyorganization", ("id", "uuid", "name")),
    TEMPLATES,
    Table(
        "badges_credlybadgetemplate",
        "badges.credlybadgetemplate",
        ("badgetemplate_ptr_id", "organization_id"),
        "badgetemplate_ptr_id",
    ),
    Table("badges_accredibleapiconfig", "badges.accredibleapiconfig", ("id", "name"), optional=True),
    Table(
        "badges_accrediblegroup",
        "badges.accrediblegroup",
        ("badgetemplate_ptr_id", "api_config_id"),
        "badgetemplate_ptr_id",
        optional=True,  # since Teak
    ),
    Table(
        "badges_badgerequirement",
        "badges.badgerequirement",
        ("id", "template_id", "event_type", "description", "blend"),
    ),
    Table("badges_datarule", "badges.datarule", ("id", "requirement_id", "data_path", "operator", "value")),
    Table("badges_badgepenalty", "badges.badgepenalty", ("id", "template_id", "event_type")),
    RESETS,
    Table(
        "badges_penaltydatarule",
        "badges.penaltydatarule",
        ("id", "penalty_id", "data_path", "operator", "value"),
    ),
)

USERS = Table(
    "core_user",
    "core.user",
    ("username", "email", "full_name", "first_name", "last_name", "lms_user_id"),
)
CREDENTIALS = Table(
    "credentials_usercredential",
    "credentials.usercredential",
    ("id", "created", "modified", "username", "status", "uuid", "credential_id"),
    # Certificates of programs are there, too: far more than badges.
    parts_of=("badges_credlybadge", "badges_accrediblebadge"),
)
ISSUED = Table(
    "badges_credlybadge",
    "badges.credlybadge",
    ("usercredential_ptr_id", "state", "external_uuid"),
    "usercredential_ptr_id",
)
OF_LEARNERS = (
    TEMPLATES,
    Table("badges_badgeprogress", "badges.badgeprogress", ("id", "username", "template_id")),
    Table("badges_fulfillment", "badges.fulfillment", ("id", "progress_id", "requirement_id")),
    ISSUED,
    Table(
        "badges_accrediblebadge",
        "badges.accrediblebadge",
        ("usercredential_ptr_id", "state", "external_id"),
        "usercredential_ptr_id",
        optional=True,  # since Teak
    ),
    CREDENTIALS,
    USERS,
)
