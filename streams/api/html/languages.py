"""The languages that pages speak: English, and those that have a folder in `locale/`."""

from collections.abc import Sequence
from functools import cache
from io import BytesIO
from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import NullTranslations, Translations

FOLDER = Path(__file__).parent / "locale"
ENGLISH = "en"
NAMES = {ENGLISH: "English", "es": "Español", "ar": "العربية"}
"""Each language as those who read it call it."""


def spoken(languages: Sequence[str]) -> str:
    """The first of these languages that pages speak, else English; a region is its language's."""
    found = (wanted.lower().partition("-")[0] for wanted in languages)
    return next((language for language in found if language in NAMES), ENGLISH)


@cache
def translations(language: str) -> NullTranslations:
    """What the pages' texts are in a language.

    A `.po` is compiled in memory: that takes milliseconds, and there is no made file that could be old.
    """
    if language == ENGLISH:
        return NullTranslations()
    compiled = BytesIO()
    with (FOLDER / language / "messages.po").open("rb") as file:
        write_mo(compiled, read_po(file, locale=language))
    compiled.seek(0)
    return Translations(compiled)
