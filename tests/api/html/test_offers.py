"""What everybody is offered is made once for a catalog, in each language that it has."""

import pytest

from streams.api import answers
from streams.api.html.learner import _path, not_begun
from streams.api.html.offers import MOST, Offers
from streams.catalog import CatalogDocument, load_catalog
from tests.api.world import APPRENTICE, CATALOG, MASTER, judged, passed


@pytest.fixture
def document() -> CatalogDocument:
    return load_catalog(CATALOG.read_bytes())


def test_readers_whose_languages_the_catalog_does_not_have_share_theirs(document: CatalogDocument) -> None:
    offers, active = Offers(), document.compiled.active

    made = offers.of(document, active, "en", ["en"])

    assert set(made) == set(document.templates)
    assert "Pass Streams 201" in made[MASTER]
    assert offers.of(document, active, "en", ["de-at", "fr", "en", "EN"]) is made


def test_each_language_and_page_has_its_own(document: CatalogDocument) -> None:
    offers, active = Offers(), document.compiled.active

    spanish = offers.of(document, active, "es", ["es-419", "en"])[MASTER]
    mixed = offers.of(document, active, "en", ["es", "en"])[MASTER]

    assert "Aprueba Streams 201" in spanish
    assert "Qué se necesita" in spanish
    assert "Aprueba Streams 201" in mixed
    assert "What it takes" in mixed


def test_another_catalog_has_others(document: CatalogDocument) -> None:
    offers = Offers()
    offers.of(document, document.compiled.active, "en", ["en"])
    text = CATALOG.read_text().replace("name: Stream Master", "name: River Master")
    other = load_catalog(text.encode())

    assert "River Master" in offers.of(other, other.compiled.active, "en", ["en"])[MASTER]


def test_a_reader_of_many_languages_fills_no_memory(document: CatalogDocument) -> None:
    offers = Offers()

    for region in range(2 * MOST):
        offers.of(document, document.compiled.active, "en", [f"es-{region:03}", "en"])

    assert len(offers._made) == MOST


def test_what_is_not_begun_is_the_same_for_a_learner_who_has_begun_another(document: CatalogDocument) -> None:
    learner = judged([passed(42, "streams", 1)])[42]
    compiled = document.compiled.active[document.compiled.turns[APPRENTICE]]

    known = answers.progress(document, compiled, learner, 0, ["en"])

    assert not_begun(document, compiled, ["en"]) == _path(document, known)
