"""Where a learner logs in whom nobody recognizes: at the LMS, which sends her back."""

import re
from collections.abc import Sequence

from starlette.datastructures import URL


def login_page(issuers: Sequence[str]) -> str:
    """The login page of the LMS whose tokens these are; empty where its name does not show where it is.

    Open edX names the issuer by the LMS's address and `/oauth2`.
    """
    found = (re.fullmatch(r"(https?://[^/?#]+)/oauth2/?", issuer) for issuer in issuers)
    return next((f"{match[1]}/login" for match in found if match), "")


def leading_back(login: str, page: URL) -> str:
    """The login page that leads back to a page of ours; empty where there is none.

    Who is logged in is led back at once, with new cookies: a token holds for an hour, a session for weeks.
    At the LMS's host the page goes by its path: the proxy may not say which scheme it was asked by.
    """
    here = URL(login).hostname in (None, page.hostname)
    back = page.path if here else f"{page.scheme}://{page.netloc}{page.path}"
    return str(URL(login).include_query_params(next=back)) if login else ""
