"""A Credly for tests and demonstrations: its endpoints, answers and duplicate rule, faults on demand.

    python -m streams.sandbox.credly --port 8070 --organization ID=KEY --template ORGANIZATION/TEMPLATE

`Credly` answers without any network; `Server` puts it behind HTTP.
"""

from streams.sandbox.credly.books import BadgeTemplate, IssuedBadge
from streams.sandbox.credly.calls import Endpoint, Entry, Reply
from streams.sandbox.credly.faults import Fault
from streams.sandbox.credly.server import Server
from streams.sandbox.credly.service import Credly

__all__ = ["BadgeTemplate", "Credly", "Endpoint", "Entry", "Fault", "IssuedBadge", "Reply", "Server"]
