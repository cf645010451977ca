"""From values to HTML in one of the languages; what is not written by us is escaped."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from pathlib import Path

from babel import Locale
from babel.dates import format_date
from babel.numbers import format_decimal, format_percent
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from streams.api.html.languages import NAMES, translations

STATIC = Path(__file__).parent / "static"


@cache
def style() -> tuple[str, bytes]:
    """The style sheet: its name, which changes with it, and its text. Paragon's part is made at build."""
    text = b"\n".join((STATIC / name).read_bytes() for name in ("paragon.css", "badges.css", "console.css"))
    return f"{sha256(text).hexdigest()[:16]}.css", text


def rendered(template: str, language: str, values: Mapping[str, object]) -> str:
    """A page; `values` are what its template names, besides what every page knows."""
    direction = "rtl" if Locale(language).text_direction == "rtl" else "ltr"
    page = _environment(language).get_template(template)
    return page.render({"language": language, "direction": direction, "names": NAMES} | dict(values))


def part(name: str, language: str, of: object) -> Markup:
    """A piece of a page, of `parts.html`; it knows nothing but what it is of."""
    made: Markup = getattr(_environment(language).get_template("parts.html").module, name)(of)
    return made


@cache
def _environment(language: str) -> Environment:
    environment = Environment(
        loader=PackageLoader("streams.api.html"),
        autoescape=True,
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.install_gettext_translations(translations(language), newstyle=True)  # type: ignore[attr-defined]  # the extension's

    def day(moment: str) -> str:
        return format_date(datetime.fromisoformat(moment), "long", locale=language)

    def percent(value: int) -> str:
        return format_percent(value / 100, locale=language)

    def number(value: int) -> str:
        return format_decimal(value, locale=language)

    environment.filters |= {"day": day, "percent": percent, "number": number, "moment": _moment}
    return environment


def _moment(at: datetime | str) -> str:
    """A time to the second, as logs and commands write it."""
    time = datetime.fromisoformat(at) if isinstance(at, str) else at
    return time.astimezone(UTC).isoformat(" ", "seconds").removesuffix("+00:00")
