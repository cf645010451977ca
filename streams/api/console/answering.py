"""The console's pages as answers: who may see them, by what policy, and what a form must show."""

import hmac
from hashlib import sha256

from fastapi import Request, Response

from streams.api.html import addresses
from streams.api.html.addresses import Page
from streams.api.html.languages import ENGLISH
from streams.api.tokens import token_of

CONSOLE = "/console/"
POLICY = (
    "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    # With `no-referrer` a browser would not say from which page a form was sent.
    "Referrer-Policy": "same-origin",
}


class ConsolePage(Page):
    """A page of the console."""

    home, fault = CONSOLE, "console/fault.html"


def proof(request: Request) -> str:
    """What a form shows that was made for this caller: nobody else knows the token that it is made of.

    Every worker makes the same of it, and none for longer than the token is believed.
    """
    token = token_of(request.headers.get("authorization"), request.cookies) or ""
    return hmac.new(token.encode("utf-8", "surrogateescape"), b"badge-streams console", sha256).hexdigest()


class Answering:
    """Makes the pages; with `writes` forms are on them."""

    def __init__(self, *, writes: bool) -> None:
        self.writes = writes

    def page(self, request: Request, template: str, values: dict[str, object], status: int = 200) -> Response:
        """A page, in English: operators' commands and documents are (decision 0090)."""
        known = {"here": request.url.path, "proof": proof(request) if self.writes else ""}
        return addresses.page(f"console/{template}", ENGLISH, known | values, status, HEADERS)
