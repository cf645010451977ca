"""A credential is put into a picture so that others find it there, and into nothing but a picture."""

import json
from typing import Any

import pytest
from openbadgeslib.ob3 import OB3LdpVerifier, OB3Verifier
from png import Reader

from streams.issuers.open_badges.baking import (
    NoPictureError,
    bake_png,
    bake_svg,
    check,
    png_in_svg,
    text_of,
)
from tests.issuers.open_badges.a_badge import ISSUER, Issuing
from tests.issuers.open_badges.pictures import chunk, png, svg
from tests.issuers.open_badges.test_verified_by_others import download

PICTURES = [
    svg(),
    svg(before='<?xml version="1.0" encoding="UTF-8"?>\n<!-- drawn --> '),
    svg('<defs><linearGradient id="a"/></defs><path fill="url(#a)" d=""/>\n', ' viewBox="0 0 9 9"\n '),
    svg(
        before='<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" '
        '"http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd">'
    ),
    svg('<?xpacket begin="a"?><metadata/>'),
    svg("\N{SNOWMAN} <![CDATA[]]>"),
    svg("<!-- one --><style>.a { fill: red }</style>"),
    svg('<image href="data:image/png;base64,AAAA"/>'),
    b'<s:svg xmlns:s="http://www.w3.org/2000/svg"><s:g/></s:svg>',
    png_in_svg(png()),
]


def of_png(picture: bytes) -> dict[str, Any]:
    """The credential in a PNG, as another author's library finds it."""
    found: dict[str, Any] = json.loads(OB3Verifier.extract_token_from_png(picture))
    return found


def of_svg(picture: bytes) -> dict[str, Any]:
    """Likewise of an SVG."""
    found: dict[str, Any] = json.loads(OB3Verifier.extract_token_from_svg(picture))
    return found


def test_others_find_the_credential_in_a_png_and_verify_it() -> None:
    issuing = Issuing()
    document = issuing.issued()

    found = of_png(bake_png(png(), text_of(document)))

    assert found == document
    OB3LdpVerifier.for_issuer_did(ISSUER).verify(found, check_status=True, download=download(issuing))


@pytest.mark.parametrize("picture", PICTURES)
def test_others_find_the_credential_in_an_svg_and_verify_it(picture: bytes) -> None:
    issuing = Issuing()
    document = issuing.issued()

    found = of_svg(bake_svg(picture, text_of(document)))

    assert found == document
    OB3LdpVerifier.for_issuer_did(ISSUER).verify(found, check_status=True, download=download(issuing))


def test_a_png_has_the_credential_in_one_chunk_that_is_not_compressed() -> None:
    before = png(chunk(b"iTXt", b"openbadgecredential\0\0\0\0\0{}"), chunk(b"tEXt", b"GPS\0here"))

    chunks = list(Reader(bytes=bake_png(before, "{1}")).chunks())

    assert [kind for kind, _ in chunks] == [b"IHDR", b"iTXt", b"IDAT", b"IEND"]
    assert bytes(chunks[1][1]) == b"openbadgecredential\0\0\0\0\0{1}"


def test_what_follows_a_png_is_left_out() -> None:
    assert b"<script>" not in bake_png(png(end=b"<script>"), "{}")


@pytest.mark.parametrize("said", ["]]><script/>", "\ud7ff\ufffe\u0000", "</openbadges:credential>&amp;"])
def test_no_text_of_a_credential_ends_its_place_in_an_svg(said: str) -> None:
    assert of_svg(bake_svg(svg(), text_of({"name": said}))) == {"name": said}


@pytest.mark.parametrize(
    "picture",
    [
        b"",
        b"<html></html>",
        b"GIF89a",
        png()[:-3],
        png()[:40],
        png().replace(b"IDAT", b"IDAX"),
        png(width=100_000),
        chunk(b"IHDR"),
        png()[:8] + chunk(b"IEND"),
    ],
)
def test_what_is_no_picture_is_refused(picture: bytes) -> None:
    with pytest.raises(NoPictureError):
        check(picture)


@pytest.mark.parametrize(
    "picture",
    [
        svg("<script>alert(1)</script>"),
        svg("<SCRIPT>alert(1)</SCRIPT>"),
        svg('<g onclick="alert(1)"/>'),
        svg(attributes=' onload="alert(1)"'),
        svg("<foreignObject/>"),
        svg('<a href="javascript:alert(1)"/>'),
        svg('<a xmlns:x="http://www.w3.org/1999/xlink" x:href=" JavaScript:alert(1)"/>'),
        svg('<use href="https://example.org/a.svg#a"/>'),
        svg('<image href="data:image/svg+xml,&lt;svg/>"/>'),
        svg('<set attributeName="href" to="javascript:alert(1)"/>'),
        svg("<style>@import 'https://example.org/a.css'</style>"),
        svg("<style>a { fill: u\\72l(https://example.org/a) }</style>"),
        svg('<g style="fill: url( &quot;https://example.org/a&quot;)"/>'),
        svg('<g fill="url(https://example.org/a)"/>'),
        svg('<html:iframe xmlns:html="http://www.w3.org/1999/xhtml" src="https://example.org"/>'),
        svg(before="<!DOCTYPE svg [<!ENTITY a 'b'>]>"),
        svg('<h:meta xmlns:h="http://www.w3.org/1999/xhtml" http-equiv="refresh" content="0;url=//x"/>'),
        svg('<style>a { fill: image-set("https://example.org/a") }</style>'),
        svg(before='<?xml-stylesheet href="https://example.org/a.css"?>'),
        svg(before='<?xml version="1.0" encoding="ISO-8859-1"?>'),
        svg().decode().encode("utf-16"),
        svg('<b:credential xmlns:b="https://purl.imsglobal.org/ob/v3p0"/>'),
        b'<svg xmlns="http://www.w3.org/2000/svg"/>',
        b"<svg/>",
    ],
)
def test_an_svg_that_does_more_than_to_be_looked_at_is_refused(picture: bytes) -> None:
    with pytest.raises(NoPictureError):
        check(picture)
