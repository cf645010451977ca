"""What an issuer's answer says, fit for a log line or a dead letter: one short line without personal data."""

import re
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator, Mapping
from html import unescape
from typing import Any

import orjson

from streams.logs import blanked

WORDS = 300
"""Characters of a quotation: enough for the validation messages of issuers, little enough for a log line."""
SCANNED = 8_192
"""Characters that are searched for secrets: an error page of megabytes must not hold up the event loop."""
TITLE_WITHIN = 2 * SCANNED
"""Bytes in which an HTML page's title is looked for: it stands in the head."""

DEEPEST = 4
"""How far errors are read that hold others: in an issuer's documentation two of them do."""
LONGEST_ID = 200
"""Ids are UUIDs, whole numbers or short codes; the table keeps no text of unknown size."""
SHORT = 8
"""Characters of what is hidden only as a whole word; keys are longer."""

_WHOLE = r"(?<![^\W\d_]){}(?![^\W\d_])"
_EMAIL = re.compile(
    r"[^\s\"'<>,;:()\[\]{}=|/?&\\]{1,128}(?:@|%40|\\u0040|&#64;)[^\s\"'<>,;:()\[\]{}=|/?&\\]*", re.I
)
_CREDENTIAL = re.compile(r"\b(basic|bearer|token)\b[\s:=]+[\w+/=.~-]{8,}", re.I)
_TITLE = re.compile(r"<title[^>]*>(.*?)</title", re.I | re.S)


def quoted(body: bytes, hidden: Iterable[str]) -> str:
    """What a body says, on one line, cut, without e-mail addresses, credentials and what is `hidden`."""
    return redacted("; ".join(_messages(document(body))) or _plain(body), hidden)


def redacted(text: str, hidden: Iterable[str]) -> str:
    """The text on one line, cut, without e-mail addresses, credentials and what is `hidden`."""
    if len(text) > SCANNED:
        # The last word may be half a secret.
        text = text[:SCANNED].rpartition(" ")[0]
    for secret in sorted(filter(None, hidden), key=len, reverse=True):
        # A name may be short, and be part of other words.
        whole = _WHOLE if len(secret) < SHORT else "{}"
        text = re.sub(whole.format(re.escape(secret)), "[hidden]", text, flags=re.I)
    text = _CREDENTIAL.sub(r"\1 [hidden]", _EMAIL.sub("[e-mail]", text))
    text = " ".join(visible(text).split())
    return text if len(text) <= WORDS else text[: WORDS - 1] + "…"


def visible(text: str) -> str:
    """`text` with blanks for control characters; empty if nothing in it can be seen."""
    text = blanked(text)
    return text if any(c.isprintable() and not c.isspace() for c in text) else ""


def document(body: bytes) -> Mapping[str, Any]:
    """The JSON object of a body; empty if it is anything else."""
    try:
        return mapping(orjson.loads(body.removeprefix(BOM_UTF8)))
    except orjson.JSONDecodeError:
        return {}


def mapping(value: object) -> Mapping[str, Any]:
    """The JSON object that a value is; empty if it is anything else."""
    return value if isinstance(value, dict) else {}


def text(value: object) -> str:
    """The text of a JSON string or whole number; empty for anything else."""
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""


def identifier(value: object) -> str:
    """The id that a value is; empty for anything else, and for a text that is too long for one."""
    id = text(value)
    return id if len(id) <= LONGEST_ID else ""


def number(value: object) -> int | None:
    """The whole number that a value is, or whose digits it is; None for anything else."""
    digits = text(value)
    # Eighteen digits are more than anything is counted by, and few enough to become a number quickly.
    return int(digits) if re.fullmatch(r"\d{1,18}", digits, re.ASCII) else None


def _messages(document: Mapping[str, Any]) -> Iterator[str]:
    """The messages where web services put them: at the top or under `data`."""
    if said := text(document.get("data")):
        yield said
    for place in (mapping(document.get("data")), document):
        for name in ("message", "error", "error_description"):
            if message := text(place.get(name)):
                yield message
        for name in ("errors", "details"):
            for item in _several(place.get(name)):
                yield from _error(item)


def _error(item: object, depth: int = 1) -> Iterator[str]:
    if isinstance(item, str):
        yield item
    elif isinstance(item, dict):
        if said := " ".join(text(value) for value in item.values() if text(value)):
            yield said
        for name, values in item.items():
            # Of each field what is wrong with it.
            for value in _several(values) if not text(values) else ():
                if said := text(value):
                    yield f"{name} {said}"
                elif depth < DEEPEST:
                    yield from _error(value, depth + 1)


def _several(values: object) -> Iterable[object]:
    return values if isinstance(values, list) else [values]


def _plain(body: bytes) -> str:
    page = body[:TITLE_WITHIN].decode("utf-8", "replace")
    if "<" not in page[:200]:
        return page.strip() or "no body"
    title = _TITLE.search(page)
    return f"an HTML page: {unescape(title[1]).strip()}" if title else "an HTML page"
