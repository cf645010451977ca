"""What a form on our pages must show before it changes anything: that our own page sent it, for this caller.

A page with a form has the header of `SAYS_FROM`: by `no-referrer` a browser would not say who sends.
"""

import hmac
from hashlib import sha256
from urllib.parse import parse_qsl

from fastapi import HTTPException, Request
from starlette.requests import ClientDisconnect

from streams.api.tokens import token_of

MOST_BYTES = 4 * 1024
"""Of a form: a few ids."""
MOST_FIELDS = 10
SAYS_FROM = {"Referrer-Policy": "same-origin"}


def proof(request: Request) -> str:
    """What a form shows that was made for this caller: nobody else knows the token that it is made of.

    Every worker makes the same of it, and none for longer than the token is believed.
    """
    token = token_of(request.headers.get("authorization"), request.cookies) or ""
    return hmac.new(token.encode("utf-8", "surrogateescape"), b"badge-streams form", sha256).hexdigest()


def is_proven(request: Request, shown: str) -> bool:
    """Whether this is the proof of who asks; not where the LMS has given her another token meanwhile."""
    return hmac.compare_digest(shown.encode(), proof(request).encode())


async def fields(request: Request) -> dict[str, str]:
    """A form's fields. Raises 403 where another site's page sends it, 400 or 413 where it is none."""
    scheme, _, host = request.headers.get("origin", "").partition("://")
    # Every browser says from where a form comes.
    if scheme not in ("http", "https") or host != request.headers.get("host"):
        raise HTTPException(403)
    if request.headers.get("content-type", "").partition(";")[0] != "application/x-www-form-urlencoded":
        raise HTTPException(400)
    body = bytearray()
    try:
        async for part in request.stream():
            body += part
            if len(body) > MOST_BYTES:
                raise HTTPException(413)
    except ClientDisconnect:
        raise HTTPException(400) from None
    try:
        found = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict")
    except ValueError:
        raise HTTPException(400) from None
    return dict(found)
