"""The command line. A command imports what it needs when it is called (decision 0107), and calls one function
elsewhere.
"""

import os

import click

from streams.cli import catalogs, designing, importing, keys, learners, letters, site, workers
from streams.cli.options import Commands


@click.group(cls=Commands)
@click.version_option(package_name="badge-streams")
def main() -> None:
    """Badges out of what learners do, as it happens on Open edX's event bus."""
    # pydantic has none, and to look for them in all that is installed takes a tenth of a command's start.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")


for _command in (
    designing.check,
    designing.events,
    designing.lms_settings,
    designing.schema,
    designing.simulate,
    designing.record,
    catalogs.catalog,
    catalogs.templates,
    keys.keys,
    site.topics,
    site.status,
    site.reconcile,
    workers.tracker,
    workers.relay,
    workers.bridge,
    workers.site,
    workers.api,
    workers.demo,
    learners.explain,
    learners.forget,
    learners.reissue,
    learners.catch_up,
    learners.award,
    learners.revoke,
    letters.dead_letters,
    importing.importing,
):
    main.add_command(_command)
