"""Which form an address answers with."""

import pytest

from streams.api.negotiation import preferred

FORMS = {"application/vc": "json", "application/json": "json", "text/html": "html", "image/png": "png"}


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        (None, "json"),
        ("", "json"),
        ("*/*", "json"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "html"),
        ("*/*, text/html", "html"),
        ("text/html;q=0.5, application/json", "json"),
        ("Text/HTML ; q=0.9 , application/vc;q=0.1", "html"),
        ("text/html;q=0, */*", "json"),
        ("text/html;level=1;q=0.4, image/*;q=0.6", "png"),
        ("image/*", "png"),
        ("application/xml", "json"),
        ("text/html;q=many", "json"),
        (",;,", "json"),
    ],
)
def test_what_is_liked_best_is_given_and_else_the_usual(accept: str | None, form: str) -> None:
    assert preferred(accept, FORMS, "json") == form
