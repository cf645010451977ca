"""Signatures of Standard Webhooks (https://www.standardwebhooks.com), version 1."""

import hmac
from base64 import b64decode, b64encode
from binascii import Error
from collections.abc import Iterator, Mapping
from datetime import datetime

PREFIX = "whsec_"


def no_secrets(text: str) -> str:
    """Why a text is no list of secrets; empty if it is one. It is not quoted."""
    if not text.startswith(PREFIX):
        return f"its secret does not begin with {PREFIX}"
    try:
        empty = not all(_secrets(text))
    except (Error, ValueError):
        empty = True
    return f"its secret is not {PREFIX} and base64, or several of these with blanks between" if empty else ""


def signed(secrets: str, id: str, body: bytes, now: datetime) -> Mapping[str, str]:
    """The headers of a message that is sent at `now`, signed with each of the secrets: either is good
    while a receiver changes from one to the next."""
    seconds = str(int(now.timestamp()))
    content = b".".join((id.encode(), seconds.encode(), body))
    signatures = (b64encode(hmac.digest(secret, content, "sha256")).decode() for secret in _secrets(secrets))
    return {
        "webhook-id": id,
        "webhook-timestamp": seconds,
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }


def _secrets(text: str) -> Iterator[bytes]:
    for secret in text.split():
        if not secret.startswith(PREFIX):
            raise ValueError(PREFIX)
        yield b64decode(secret.removeprefix(PREFIX), validate=True)
