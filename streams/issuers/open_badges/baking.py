"""Puts a credential into a PNG or an SVG, as Open Badges 3.0 has it in section 5.3: the picture is the badge.

A picture comes from elsewhere. What is none, or what an SVG has that does more than to be looked at, is
refused; pixels are not unpacked.
"""

import base64
import json
import re
import zlib
from collections.abc import Iterable, Mapping
from typing import Any, Final
from xml.parsers import expat

KEYWORD = b"openbadgecredential"
NAMESPACE = "https://purl.imsglobal.org/ob/v3p0"
SVG = "http://www.w3.org/2000/svg"
PAGES = "http://www.w3.org/1999/xhtml"
"""The namespace of HTML, which a picture needs nothing of."""
PNG_BEGIN = b"\x89PNG\r\n\x1a\n"
MOST_PIXELS = 4_096
"""Of a side. A few kB may unpack to gigabytes of pixels, in whoever's viewer that is."""
TEXTS = frozenset({b"tEXt", b"zTXt", b"iTXt", b"eXIf"})
"""Chunks that are left out: another badge may be in them, or where a photograph was made."""
LIVELY = frozenset(
    {"script", "handler", "listener", "foreignobject", "iframe", "embed", "object", "audio", "video"}
    | {"set", "animate", "animatetransform", "animatemotion", "discard"}
)
"""Elements that run, that hold pages, and that change what another one leads to."""
_INLINE = r"#|data:image/(?:png|jpeg|gif|webp)[;,]"
_LINK = re.compile(_INLINE)
_ELSEWHERE = re.compile(rf"@import|image-set\(|src\(|url\(\s*[\"']?(?!{_INLINE})", re.IGNORECASE)
_TAG = re.compile(rb"<[^\s/>]+")


class NoPictureError(ValueError):
    """Why something cannot be baked."""


def text_of(document: Mapping[str, Any]) -> str:
    """A credential as it is put into pictures: JSON of ASCII, in which nothing ends a CDATA section."""
    return json.dumps(document, separators=(",", ":")).replace("]]>", "]]\\u003e")


def bake_png(picture: bytes, text: str) -> bytes:
    """A PNG with a credential in it; raises `NoPictureError`."""
    header, *others = _chunks(picture)
    # After the keyword: not compressed, in no language, the keyword in no other.
    return _png([header, (b"iTXt", KEYWORD + b"\0\0\0\0\0" + text.encode()), *others])


def bake_svg(picture: bytes, text: str) -> bytes:
    """An SVG with a credential in it; raises `NoPictureError`."""
    looking = _Looking(picture)
    name, content = looking.name_ends, looking.content_begins
    declared = f' xmlns:openbadges="{NAMESPACE}"'
    baked = f"<openbadges:credential><![CDATA[{text}]]></openbadges:credential>"
    return b"".join(
        (picture[:name], declared.encode(), picture[name:content], baked.encode(), picture[content:])
    )


def png_in_svg(picture: bytes) -> bytes:
    """An SVG that shows a PNG; raises `NoPictureError`."""
    chunks = _chunks(picture)
    width, height = _size(chunks[0][1])
    size = f'width="{width}" height="{height}"'
    data = base64.b64encode(_png(chunks)).decode()
    image = f'<image {size} href="data:image/png;base64,{data}"/>'
    return f'<svg xmlns="{SVG}" {size} viewBox="0 0 {width} {height}">{image}</svg>'.encode()


def check(picture: bytes) -> None:
    """Raise `NoPictureError` where nothing can be baked into it."""
    if is_png(picture):
        _chunks(picture)
    else:
        _Looking(picture)


def is_png(picture: bytes) -> bool:
    """Whether it says so itself."""
    return picture.startswith(PNG_BEGIN)


Chunk = tuple[bytes, bytes]


def _chunks(picture: bytes) -> list[Chunk]:
    """The PNG's chunks, without texts; the first is the header."""
    if not is_png(picture):
        raise NoPictureError("it is no PNG")
    found: list[Chunk] = []
    at = len(PNG_BEGIN)
    while not found or found[-1][0] != b"IEND":
        length, kind = int.from_bytes(picture[at : at + 4]), picture[at + 4 : at + 8]
        data, end = picture[at + 8 : at + 8 + length], at + 12 + length
        if end > len(picture) or zlib.crc32(kind + data) != int.from_bytes(picture[end - 4 : end]):
            raise NoPictureError("it is a damaged PNG")
        if kind not in TEXTS:
            found.append((kind, data))
        at = end
    if found[0][0] != b"IHDR" or len(found[0][1]) != 13:
        raise NoPictureError("it is a PNG without a header")
    if max(_size(found[0][1])) > MOST_PIXELS:
        raise NoPictureError(f"it has more than {MOST_PIXELS} pixels a side")
    return found


def _size(header: bytes) -> tuple[int, int]:
    return int.from_bytes(header[:4]), int.from_bytes(header[4:8])


def _png(chunks: Iterable[Chunk]) -> bytes:
    parts = [PNG_BEGIN]
    for kind, data in chunks:
        parts += [len(data).to_bytes(4), kind, data, zlib.crc32(kind + data).to_bytes(4)]
    return b"".join(parts)


class _Looking:
    """Reads an SVG; raises `NoPictureError` where it is none, or more than a picture.

    A credential goes to two places of it: `name_ends` is within the outermost tag, `content_begins` after it.
    """

    def __init__(self, picture: bytes) -> None:
        self._parser = parser = expat.ParserCreate(namespace_separator=" ")
        self._places: Final[list[int]] = []
        self._open: Final[list[str]] = []
        self._style = ""
        parser.XmlDeclHandler = self._declares
        parser.StartDoctypeDeclHandler = self._is_of
        parser.ProcessingInstructionHandler = self._instructs
        parser.StartNamespaceDeclHandler = self._names
        parser.StartElementHandler = self._begins
        parser.EndElementHandler = self._ends
        parser.CharacterDataHandler = self._says
        parser.CommentHandler = self._follows
        parser.StartCdataSectionHandler = self._follows
        try:
            parser.Parse(picture.decode(), True)
        except (expat.ExpatError, UnicodeDecodeError):
            raise NoPictureError("it is no SVG") from None
        begins, self.content_begins = self._places
        tag = _TAG.match(picture, begins)
        if tag is None or picture[: self.content_begins].endswith(b"/>"):
            raise NoPictureError("it is an SVG with nothing in it")
        if _has_elsewhere(self._style):
            raise NoPictureError("it is an SVG whose style leads elsewhere")
        self.name_ends = tag.end()

    def _declares(self, _version: str, encoding: str | None, _alone: int) -> None:
        if encoding and encoding.lower() not in ("utf-8", "us-ascii"):
            raise NoPictureError("it is an SVG that is not in UTF-8")

    def _is_of(self, _name: str, _system: str | None, _public: str | None, declares: int) -> None:
        if declares:
            raise NoPictureError("it is an SVG with declarations of its own")

    def _instructs(self, target: str, _data: str) -> None:
        self._follows()
        if target == "xml-stylesheet":
            raise NoPictureError("it is an SVG whose style is elsewhere")

    def _names(self, prefix: str | None, uri: str) -> None:
        if prefix == "openbadges" or uri == NAMESPACE:
            raise NoPictureError("it is an SVG that is a badge already")

    def _begins(self, name: str, attributes: Mapping[str, str]) -> None:
        space, _, local = name.rpartition(" ")
        if not self._open and (space, local) != (SVG, "svg"):
            raise NoPictureError("it is XML, and no SVG")
        if space == PAGES or local.lower() in LIVELY or any(_is_lively(*one) for one in attributes.items()):
            raise NoPictureError(f"it is an SVG that does more than to be looked at: {local}")
        if len(self._places) < 2:
            self._places.append(self._parser.CurrentByteIndex)
        self._open.append(local)

    def _ends(self, _name: str) -> None:
        self._follows()
        self._open.pop()

    def _says(self, text: str) -> None:
        self._follows()
        if self._open[-1] == "style":
            self._style += text

    def _follows(self, *_: object) -> None:
        """What comes first after the outermost tag is where its content begins."""
        if len(self._places) == 1:
            self._places.append(self._parser.CurrentByteIndex)


def _is_lively(name: str, value: str) -> bool:
    local = name.rpartition(" ")[2].lower()
    if local in ("href", "src"):
        return not _LINK.match(value.strip())
    if local == "style":
        return _has_elsewhere(value)
    return local.startswith("on") or bool(_ELSEWHERE.search(value))


def _has_elsewhere(css: str) -> bool:
    # With a backslash CSS writes the same in other letters.
    return "\\" in css or bool(_ELSEWHERE.search(css))
