"""The console's pages as answers: where who may not see them is led, and by what policy."""

from fastapi import Request, Response

from streams.api.forms import SAYS_FROM, proof
from streams.api.html import addresses
from streams.api.html.addresses import Page
from streams.api.html.languages import ENGLISH

CONSOLE = "/console/"
POLICY = (
    "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
HEADERS = {"Content-Security-Policy": POLICY} | SAYS_FROM


class ConsolePage(Page):
    """A page of the console."""

    home, fault = CONSOLE, "console/fault.html"


class Answering:
    """Makes the pages; with `writes` forms are on them."""

    def __init__(self, *, writes: bool) -> None:
        self.writes = writes

    def page(self, request: Request, template: str, values: dict[str, object], status: int = 200) -> Response:
        """A page, in English: operators' commands and documents are (decision 0090)."""
        known = {"here": request.url.path, "proof": proof(request) if self.writes else ""}
        return addresses.page(f"console/{template}", ENGLISH, known | values, status, HEADERS)
