"""Keeps who holds which badge in a service of Open edX: a receiver, for `manage.py consume_events`."""

import os
import sqlite3
from uuid import UUID, uuid5

from django.conf import settings
from django.dispatch import receiver
from openedx_events.learning.signals import BADGE_AWARDED, BADGE_REVOKED

OURS = "openedx/badge-streams/tracker"
KEEP = """INSERT INTO badges VALUES (?, ?, ?, ?) ON CONFLICT (badge) DO UPDATE
  SET rank = excluded.rank WHERE excluded.rank > rank"""

db = sqlite3.connect(settings.HOLDERS)
db.executescript("""CREATE TABLE IF NOT EXISTS badges (badge PRIMARY KEY, rank, learner, template);
  CREATE VIEW IF NOT EXISTS holders AS SELECT learner, template FROM badges WHERE rank % 2 = 0""")


@receiver([BADGE_AWARDED, BADGE_REVOKED])
def keep(signal, badge, metadata, **_):
    if metadata.source != OURS:
        return
    kind = "awarded" if signal is BADGE_AWARDED else "revoked"
    # The consumer does not pass on the header with the generation, but the id is computed from it.
    said = (n for n in range(1, 100_000) if uuid5(UUID(badge.uuid), f"{kind}:{n}") == metadata.id)
    rank = 2 * next(said) + (kind == "revoked")
    try:
        with db:
            db.execute(KEEP, (badge.uuid, rank, badge.user.id, badge.template.uuid))
    except sqlite3.Error:
        os._exit(1)  # The consumer would log an error of ours and pass the event.
