"""`tutor ... do badges-catch-up` and `do badges-import`: what they run, and in which container."""

from __future__ import annotations

import shlex
import typing as t
from importlib import resources

import click

from .events import EVENTS
from .settings import CATALOG

Task = tuple[str, str]

IMPORTED = "/var/badge-streams/catalog.yaml"
"""Where the job's container keeps what `import catalog` prints: on the host, data/badgestreams."""
SOURCE = (
    "mysql://{{ CREDENTIALS_MYSQL_USERNAME }}@{{ MYSQL_HOST }}:{{ MYSQL_PORT }}"
    "/{{ CREDENTIALS_MYSQL_DATABASE }}"
)
ACCESS = "--password-file /etc/badge-streams/secrets/credentials-mysql-password"


@click.command(
    name="badges-catch-up", help="Have the LMS say again who passed COURSES, or holds certificates"
)
@click.argument("courses", nargs=-1, required=True)
@click.option("--certificates", is_flag=True, help="The certificates that are held, in place of the grades.")
def badges_catch_up(courses: tuple[str, ...], certificates: bool) -> t.Iterator[Task]:
    if certificates:
        yield "lms", f"./manage.py lms shell -c {shlex.quote(_certificates(courses))}"
    else:
        yield "lms", f"./manage.py lms compute_grades --courses {shlex.join(courses)}"


def _certificates(courses: t.Iterable[str]) -> str:
    code = resources.files("tutorbadgestreams").joinpath("certificates.py").read_text(encoding="utf-8")
    name = "org.openedx.learning.certificate.created.v1"
    [(topic, key)] = [(topic, key) for event, topic, key, _ in EVENTS if event == name]
    return f"{code}\n\nsend_again({list(courses)!r}, {topic!r}, {key!r})\n"


@click.command(
    name="badges-import",
    help="Take along the credentials service's badges: `catalog`, its templates; `state`, what learners hold",
    context_settings={"ignore_unknown_options": True},
)
@click.argument("what", type=click.Choice(["catalog", "state"]))
@click.argument("options", nargs=-1)
def badges_import(what: str, options: tuple[str, ...]) -> t.Iterator[Task]:
    command = f"badge-streams import {what} {SOURCE} {ACCESS} {shlex.join(options)}".rstrip()
    if what == "catalog":
        yield "badgestreams", f"{command} > {IMPORTED}.new && mv {IMPORTED}.new {IMPORTED} && cat {IMPORTED}"
    elif "--catalog" in options:
        yield "badgestreams", command
    else:
        yield "badgestreams", f"{command} --catalog {CATALOG}"
