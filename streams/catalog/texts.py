"""Texts that learners read: one for all, or one for each language."""

import re
from collections.abc import Mapping, Sequence

Texts = Mapping[str, str]
"""By language tag (`de`, `pt-br`); the only one, under no tag, where a text is for all."""

LANGUAGE = r"[a-zA-Z]{2,3}(-[a-zA-Z0-9]{2,8})*"
"""A language, and maybe a script or a region, as Open edX and browsers write it."""


def parse_texts(value: object) -> dict[str, str]:
    """The texts of a catalog's value; raises `ValueError`, which says what is wrong."""
    given = {"": value} if isinstance(value, str) else value
    if not isinstance(given, dict) or not given:
        raise ValueError("must be a text, or a text for each language, like {en: …, de: …}")
    for language, text in given.items():
        if not isinstance(text, str) or not text.strip():
            raise ValueError(f"{language + ': ' if language else ''}must be a text that is not empty")
        if given is value and not re.fullmatch(LANGUAGE, language):
            raise ValueError(f"{language}: is no language, like en, de or pt-br")
    return given


def in_language(texts: Texts, languages: Sequence[str] = ("en",)) -> str:
    """The text in the first of the languages that there is, else in English, else the first one.

    A region yields to its language (`de-at` to `de`), and a language to one of its regions.
    """
    by_tag = {language.lower(): text for language, text in texts.items()}
    for wanted in (*languages, "en"):
        language = wanted.lower().partition("-")[0]
        regions = (tag for tag in by_tag if tag.partition("-")[0] == language)
        for tag in (wanted.lower(), language, *regions):
            if tag in by_tag:
                return by_tag[tag]
    return next(iter(texts.values()))
