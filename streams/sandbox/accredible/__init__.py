"""An Accredible for tests and demonstrations, as unkind as its documentation.

No idempotency, no revocation, dates only; a second credential for an address is refused by the group's
setting, also where the first has expired; what cannot be paid for is made and not published.

    python -m streams.sandbox.accredible --port 8071 --account NAME=KEY --group NAME/9549
"""

from streams.sandbox.accredible.books import Credential, Group
from streams.sandbox.accredible.service import AccredibleSimulator, Habits

__all__ = ["AccredibleSimulator", "Credential", "Group", "Habits"]
