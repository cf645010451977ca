"""Having a learner's badges said again, with what is known of the learner now (decision 0040)."""

from collections.abc import Mapping

from streams.badges import Badge, Progress, badge_id
from streams.errors import ConfigurationError
from streams.kafka.client import partition_of
from streams.kafka.orders import reissue as headers
from streams.operate.explain import read_progress
from streams.operate.ordering import order, worked_off
from streams.operate.site import Site, site
from streams.settings import Settings


async def reissue(settings: Settings, learner: int, template: str | None, within: float) -> list[str]:
    """Have the tracker say again what it decided last of a learner's badges; of one template only if given.

    Raises `ConfigurationError` where nothing was decided, `FatalError` where the tracker has not followed
    `within` so many seconds: the order is written, and it will follow.
    """
    async with site(settings) as here:
        progress, _ = await read_progress(here, learner)
        badges = _decided(progress or Progress.initial(), template and template.lower())
        if not badges:
            about = f" of template {template}" if template else ""
            raise ConfigurationError(f"nothing was decided about a badge{about} for learner {learner}")
        known = (await here.catalog()).document.templates
        await _ordered(here, learner, template and template.lower(), within)
    lines = [_line(badge, id, learner, said=id in known) for id, badge in badges.items()]
    return [*lines, f"what becomes of it: badge-streams explain --learner {learner}"]


def _decided(progress: Progress, template: str | None) -> Mapping[str, Badge]:
    return {id: badge for id, badge in sorted(progress.badges.items()) if template in (None, id)}


def _line(badge: Badge, template: str, learner: int, *, said: bool) -> str:
    kind = "awarded" if badge.held else "revoked"
    about = f"badge {badge_id(template, learner)} of template {template}"
    if said:
        return f"{about}: said again, {kind}, generation {badge.generation}"
    return f"{about}: not said again, the catalog does not have the template; publish it, with active: false"


async def _ordered(here: Site, learner: int, template: str | None, within: float) -> None:
    activities, key = here.topics.activities.name, b"%d" % learner
    partition = partition_of(key, len(await here.existing(activities)))
    await worked_off(
        here,
        here.settings.app_id,
        await order(here, activities, key, [partition], headers(template)),
        within,
    )
