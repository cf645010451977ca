"""The gauges of what waits for the issuers follow the catalog."""

from streams import metrics
from streams.relay.backlog import UNKNOWN, Backlog, Where
from streams.relay.keys import KeyRef
from streams.relay.terms import OrganizationTerms, TemplateTerms
from streams.sandbox.accredible import AccredibleSimulator
from streams.sandbox.credly import Fault
from tests.relay.simulated import ACCREDIBLE
from tests.relay.world import (
    BASE,
    ORGANIZATION,
    OTHER_ORGANIZATION,
    TEMPLATE,
    World,
    event,
    in_world,
    recipient,
)

HERE = ("credly", ORGANIZATION)


def gauge(name: str, where: Where = HERE) -> float | None:
    issuer, organization = where
    labels = {"issuer": issuer, "organization": organization}
    return metrics.REGISTRY.get_sample_value(f"badges_issuer_{name}", labels)


@in_world()
async def test_what_only_a_person_can_help_is_shown_by_its_reason(here: World) -> None:
    def stuck() -> dict[str, float | None]:
        labels = {"issuer": "credly", "organization": ORGANIZATION}
        return {
            why: metrics.REGISTRY.get_sample_value("badges_issuer_stuck", {**labels, "why": why})
            for why in ("refused", "lacking")
        }

    backlog = Backlog(here.organizations, {0: here.reconciler})
    backlog.count(0.0)
    assert stuck() == {"refused": 0, "lacking": 0}
    here.credly.schedule([Fault("error", call="issue", status=422, last=1)])
    here.say(event("awarded", 1), *(event("awarded", n, who=recipient(n, email="")) for n in (2, 3)))
    await here.until(lambda: sum(here.reconciler.census().stuck.values()) == 3)
    backlog.count(0.0)
    assert stuck() == {"refused": 1, "lacking": 2}
    assert gauge("pending") == 0
    here.organizations.take([], {})
    backlog.count(0.0)
    assert stuck() == {"refused": None, "lacking": None}


@in_world(simulated=ACCREDIBLE)
async def test_what_is_made_and_not_published_is_counted_until_it_is(here: World) -> None:
    def withheld() -> float | None:
        Backlog(here.organizations, {0: here.reconciler}).count(0.0)
        return gauge("withheld", ("accredible", ORGANIZATION))

    assert isinstance(here.simulator, AccredibleSimulator)
    assert withheld() == 0
    here.simulator.credits[ORGANIZATION] = 0
    here.say(*(event("awarded", n) for n in range(1, 20)))
    await here.until(lambda: here.reconciler.census().parked == {TEMPLATE: 19})
    made = len(here.simulator.badges)
    assert 0 < made < 19
    assert withheld() == made

    here.restart()
    await here.until(lambda: here.reconciler.census().parked == {TEMPLATE: 19})
    made = len(here.simulator.badges)
    assert withheld() == made

    here.simulator.credits[ORGANIZATION] = 100
    await here.settled()
    assert withheld() == 0


@in_world()
async def test_an_organization_that_left_the_catalog_is_not_shown_as_paused_for_ever(here: World) -> None:
    # given
    backlog = Backlog(here.organizations, {0: here.reconciler})
    here.credly.schedule([Fault("error", call="issue", status=401)])
    here.say(event("awarded"))
    await here.until(lambda: gauge("paused") == 1)
    backlog.count(0.0)
    assert (gauge("pending"), gauge("pending", UNKNOWN)) == (1, None)
    # when
    here.organizations.take([OrganizationTerms(OTHER_ORGANIZATION, "credly", BASE, KeyRef(env="KEY"))], {})
    backlog.count(0.0)
    # then
    assert (gauge("paused"), gauge("pending"), gauge("oldest_pending_seconds")) == (None, None, None)
    assert gauge("pending", UNKNOWN) == 1
    # and when it is back
    terms = {TEMPLATE: TemplateTerms(TEMPLATE, TEMPLATE, ORGANIZATION)}
    here.organizations.take([OrganizationTerms(ORGANIZATION, "credly", BASE, KeyRef(env="KEY"))], terms)
    backlog.count(0.0)
    assert (gauge("pending"), gauge("pending", UNKNOWN)) == (1, None)
