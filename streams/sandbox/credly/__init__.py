"""A Credly for tests and demonstrations: its endpoints, answers and rules, faults and bad manners on demand.

    python -m streams.sandbox.credly --port 8070 --organization ID=KEY --template ORGANIZATION/TEMPLATE

`CredlySimulator` answers without any network; `Server` puts it behind HTTP.
"""

from streams.sandbox.credly.books import CredlyBadge, CredlyTemplate
from streams.sandbox.credly.manners import Manners
from streams.sandbox.credly.server import Server
from streams.sandbox.credly.service import CredlySimulator
from streams.sandbox.credly.tokens import Token
from streams.sandbox.issuers.calls import Endpoint, Entry, Reply
from streams.sandbox.issuers.faults import Fault

__all__ = [
    "CredlyBadge",
    "CredlySimulator",
    "CredlyTemplate",
    "Endpoint",
    "Entry",
    "Fault",
    "Manners",
    "Reply",
    "Server",
    "Token",
]
