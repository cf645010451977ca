"""Watches when the organizations' keys expire."""

import asyncio
import logging
from datetime import datetime, timedelta

from streams import metrics
from streams.clock import Clock
from streams.issuers import outcomes
from streams.issuers.issuer import drive
from streams.relay.organizations import Organization, Organizations

log = logging.getLogger(__name__)

LOOK_SECONDS = 3_600.0
"""A key lasts for months: an hour more or less does not matter, and a call an hour costs nothing."""
PATIENCE_SECONDS = 60.0
"""Longer than one call may last. An organization whose calls are held back is asked an hour later."""
ALARM = timedelta(days=14)
"""When it is logged, too, as the alert BadgeIssuerKeyExpiring fires: time enough to rotate a key."""


async def watch(organizations: Organizations, clock: Clock) -> None:
    """Ask each organization's issuer once an hour."""
    while True:
        await asyncio.gather(*(ask(organization, clock) for organization in organizations))
        await clock.sleep(LOOK_SECONDS)


async def ask(organization: Organization, clock: Clock) -> None:
    """Ask when the key expires, and set the gauge; it stays as it is while there is no answer."""
    steps = organization.issuer.key_expiry(organization.id, organization.key)
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            outcome = await drive(steps, organization.ask)
    except TimeoutError:
        return
    match outcome:
        case outcomes.KeyExpiry(None) | outcomes.Unsupported():
            metrics.ISSUER_KEY_EXPIRY.remove(*organization.labels)
        case outcomes.KeyExpiry(datetime() as at):
            metrics.ISSUER_KEY_EXPIRY.labels(*organization.labels).set(at.timestamp())
            if at - clock.wall() < ALARM:
                log.error("organization %s: its key expires at %s", organization.id, at)
