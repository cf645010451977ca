"""A catalog's file and its issuers: which templates differ, and what is written of that."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from streams.catalog import load_catalog
from streams.cli import main
from streams.errors import CatalogError, ConfigurationError, FatalError
from streams.issuers.outcomes import IssuerTemplate
from streams.operate.templates import Difference, compare, pull, texts_of_new, written
from streams.sandbox.accredible import AccredibleSimulator
from streams.sandbox.credly import CredlySimulator, Fault, Server
from streams.sandbox.issuers.server import IssuerServer
from streams.settings import Settings

ORGANIZATION = "5d4b0c9e-6a3e-4f0e-8d0a-0f2a7d0c1b11"
OTHER = "7f0b9c0d-1111-4f0e-8d0a-0f2a7d0c1b22"
HOOK = "0f9a4c1e-7d52-4f6e-9c0b-3b1f6a2d9e10"
ONE = "0b7a2c1e-2f53-4a63-9b8e-8f5a4f6f2d10"
TWO = "9b5a0e7e-0e5f-4d0e-9f0a-2f1c1b7d1a11"
NEW = "3c1d5a0f-7e0d-4b0e-a8f8-0d1a6f6f7a21"
FILE = f"""\
# Our badges.
version: 1
organizations:
  - {{id: {ORGANIZATION}, url: URL, api_key: {{env: CREDLY_KEY}}}}
templates:
  # The first one.
  - id: {ONE}
    organization: {ORGANIZATION}
    name: Kafka Aprentice # a slip
    requirements:
      - {{id: passed, event_type: org.openedx.learning.course.passing.status.updated.v1}}
  - {{id: {TWO}, organization: {ORGANIZATION}, name: "Two: it's", requirements: [
      {{id: passed, event_type: org.openedx.learning.course.passing.status.updated.v1}}]}}
# The end.
"""


def template(id: str, name: str, *, active: bool = True, **texts: str) -> IssuerTemplate:
    return IssuerTemplate(id, name, texts.get("description", ""), texts.get("image_url", ""), active)


def differences(*found: IssuerTemplate) -> list[Difference]:
    return list(compare(load_catalog(FILE.replace("url: URL, ", "")), ORGANIZATION, found))


def kinds(*found: IssuerTemplate) -> list[tuple[str, str]]:
    return [(difference.kind, difference.template) for difference in differences(*found)]


def test_what_both_say_alike_is_no_difference() -> None:
    assert differences(template(ONE, "Kafka Aprentice"), template(TWO.upper(), "Two: it's")) == []


def test_texts_states_and_what_only_one_has_differ() -> None:
    assert kinds(
        template(ONE, "Kafka Apprentice", description="For those who begin", image_url="https://x/y.png"),
        template(NEW, "New"),
        template(HOOK, "A draft", active=False),
    ) == [("name", ONE), ("description", ONE), ("image_url", ONE), ("missing", TWO), ("new", NEW)]
    assert kinds(template(ONE, "Kafka Aprentice", active=False), template(TWO, "Two: it's")) == [
        ("inactive", ONE)
    ]


def test_only_what_differs_is_written_and_the_rest_of_the_file_stays() -> None:
    text = FILE.replace("url: URL, ", "")
    found = differences(
        template(ONE, 'Kafka "Apprentice"', image_url="https://x/y.png"),
        template(TWO, "Zwei: größer", active=False),
        template(NEW, "New # one"),
    )

    after = written(text, found)

    templates = load_catalog(after).templates
    assert (templates[ONE].name, templates[ONE].image_url) == ('Kafka "Apprentice"', "https://x/y.png")
    assert (templates[TWO].name, templates[TWO].active) == ("Zwei: größer", False)
    assert (templates[NEW].name, templates[NEW].active) == ("New # one", False)
    comments = ("# Our badges.\n", "  # The first one.\n", " # a slip\n", "# The end.\n")
    assert all(comment in after for comment in comments)
    # A line changed, two keys and seven lines more.
    assert len(after.splitlines()) == len(text.splitlines()) + 1 + 6
    assert list(compare(load_catalog(after), ORGANIZATION, [template(NEW, "New # one")])) != []
    assert written(after, []) == after


def test_a_group_of_accredible_gets_an_id_of_its_own_which_is_always_the_same() -> None:
    text = f"""\
version: 1
organizations:
- {{id: {OTHER}, provider: accredible}}
templates:
- id: {ONE}
  external_id: 1
  organization: {OTHER}
  name: One
  requirements: [{{id: p, event_type: org.openedx.learning.course.passing.status.updated.v1}}]
"""
    found = list(compare(load_catalog(text), OTHER, [template("1", "One"), template("2", "Two")]))
    after = written(text, found)
    [_, added] = load_catalog(after).templates.values()
    assert (added.id_at_provider, added.name, added.active) == ("2", "Two", False)
    assert written(text, found) == after
    assert list(compare(load_catalog(after), OTHER, [template("1", "One"), template("2", "Two")])) == []


def test_a_template_without_a_name_is_called_by_its_id() -> None:
    text = written(FILE.replace("url: URL, ", ""), differences(template(NEW, "")))
    assert load_catalog(text).templates[NEW].name == NEW


@pytest.mark.parametrize(
    "was",
    ["X", "'X'", ">\n      a long\n      text", "|\n      a text\n      in lines", "", "null", "!!str X"],
)
def test_a_text_is_written_over_in_whatever_form_it_was(was: str) -> None:
    begin, _, end = FILE.replace("url: URL, ", "").partition("    requirements:")
    begin, end = f"{begin}    description:", f"\n    image_url: https://x/y.png\n    requirements:{end}"

    after = written(
        f"{begin} {was}".rstrip() + end, differences(template(ONE, "Kafka Aprentice", description="1\n2"))
    )

    assert after == f'{begin} "1\\n2"{end}'


def test_a_text_that_is_named_elsewhere_is_left_to_a_person() -> None:
    text = FILE.replace("url: URL, ", "").replace("name: Kafka", "description: &same Yes\n    name: Kafka")

    with pytest.raises(CatalogError, match=f"description of template {ONE}: written with an anchor"):
        written(text, differences(template(ONE, "Kafka Aprentice", description="No")))


def test_a_file_of_another_system_keeps_its_line_ends() -> None:
    text = FILE.replace("url: URL, ", "").replace("\n", "\r\n")

    after = written(text, differences(template(ONE, "Größer", description="New"), template(NEW, "New")))

    assert after.count("\n") == after.count("\r\n") == text.count("\n") + 7


def test_a_file_that_is_no_text_is_refused_in_one_line(tmp_path: Path) -> None:
    file = tmp_path / "catalog.yaml"
    file.write_bytes(FILE.encode("utf-16"))

    result = CliRunner().invoke(main, ["templates", "pull", str(file)])

    assert (result.exit_code, result.stderr) == (2, "catalog: not UTF-8: invalid start byte at byte 0\n")


def test_a_file_that_cannot_be_added_to_is_left_as_it_is() -> None:
    with pytest.raises(CatalogError):
        written("version: 1\ntemplates: []\n", [Difference("new", ORGANIZATION, NEW, "", "New")])


def test_what_is_new_is_taken_over_whole_at_once() -> None:
    text = FILE.replace("url: URL, ", "")
    found = (template(NEW, "New", description="For: all", image_url="https://x/y.png"), template(ONE, "One"))
    differences = list(compare(load_catalog(text), ORGANIZATION, found))

    after = written(written(text, differences), list(texts_of_new(differences, found)))

    left = compare(load_catalog(after), ORGANIZATION, found)
    assert [(one.kind, one.template) for one in left] == [("missing", TWO)]


async def test_every_page_of_every_issuer_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    # given
    monkeypatch.setenv("CREDLY_KEY", "key")
    monkeypatch.setenv("ACCREDIBLE_KEY", "key")
    monkeypatch.setenv("WEBHOOK_KEY", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")
    credly, accredible = CredlySimulator(), AccredibleSimulator()
    credly.add_organization(ORGANIZATION, "key")
    accredible.add_account("account", "key")
    for number in range(120):
        credly.add_template(ORGANIZATION, f"{number:08x}{NEW[8:]}", name=f"Template {number}")
        accredible.add_group("account", number + 1)
    async with Server(credly) as one, IssuerServer(accredible) as two:
        text = f"""\
version: 1
organizations:
  - {{id: {ORGANIZATION}, url: "{one.url}", api_key: {{env: CREDLY_KEY}}}}
  - {{id: {OTHER}, provider: accredible, url: "{two.url}", api_key: {{env: ACCREDIBLE_KEY}}}}
  - {{id: {HOOK}, provider: webhook, url: "{two.url}/hook", secret: {{env: WEBHOOK_KEY}}}}
"""
        settings = Settings(catalog=Path("nowhere"), issuer_rate=1e6)
        # when
        pulled = await pull(settings, text, [])
        # then
        assert len([found for found in pulled.differences if found.organization == ORGANIZATION]) == 120
        assert {found.template for found in pulled.differences if found.organization == OTHER} == {
            str(number + 1) for number in range(120)
        }
        assert pulled.unasked == [f"organization {HOOK}: it does not list templates"]
        # and when an issuer does not answer, or there is no such organization
        credly.schedule([Fault("error", status=400)])
        with pytest.raises(FatalError, match="no list of its templates: 400"):
            await pull(settings, text, [ORGANIZATION])
        with pytest.raises(ConfigurationError, match="has no organization x"):
            await pull(settings, text, ["x"])


async def test_a_command_calls_at_its_share_of_the_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDLY_KEY", "key")
    credly = CredlySimulator()
    credly.add_organization(ORGANIZATION, "key")
    for number in range(500):
        credly.add_template(ORGANIZATION, f"{number:08x}{NEW[8:]}")
    async with Server(credly) as server:
        key = "api_key: {env: CREDLY_KEY}"
        text = f'version: 1\norganizations:\n  - {{id: {ORGANIZATION}, url: "{server.url}", {key}}}\n'
        settings = Settings(catalog=Path("nowhere"), issuer_rate=100, issuer_command_share=0.25)
        await pull(settings, text, [])

    times = [entry.at for entry in credly.journal]
    assert len(times) == 10
    # Ten calls at 25 a second; the first may come as late as the pace makes good again.
    assert times[-1] - times[0] > 9 / 25 - 0.1
