"""A call of Credly's service, and how it refuses one."""

import re
from collections.abc import Mapping
from urllib.parse import parse_qs, urlsplit

from streams.sandbox.issuers.calls import Endpoint, Incoming, RefusalError

_ISSUER = re.compile(r"/v1/organizations/([^/]+)(?:/(.*))?")


def incoming(method: str, target: str, headers: Mapping[str, str], body: bytes) -> Incoming:
    """The call in an HTTP request; `target` is a path, with a query or without."""
    url = urlsplit(target)
    match = _ISSUER.fullmatch(url.path)
    organization, rest = (match[1], match[2] or "") if match else ("", "")
    parts = tuple(rest.split("/"))
    endpoint = _endpoint(method, parts)
    return Incoming(
        method, url.path, organization, endpoint, parts, parse_qs(url.query), headers, body, target
    )


def _endpoint(method: str, rest: tuple[str, ...]) -> Endpoint:
    match method, rest:
        case "POST", ("badges",):
            return "issue"
        case "PUT", ("badges", _, "revoke"):
            return "revoke"
        case "POST", ("badges", _, "replace"):
            return "replace"
        case "DELETE", ("badges", _):
            return "erase"
        case "GET", ("badges", *_):
            return "look_up"
        case "GET", ("badge_templates", *_):
            return "template"
        case "GET", ("events", *_):
            return "feed"
        case _, ("authorization_tokens", *_):
            return "tokens"
    return "other"


def unprocessable(message: str, **metadata: str) -> RefusalError:
    """A refusal of what a call wants, in Credly's form."""
    return RefusalError(422, {"data": {"message": message}, "metadata": metadata})
