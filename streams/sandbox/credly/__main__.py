"""`python -m streams.sandbox.credly`: the simulator as a process."""

from typing import Any, cast

import click

from streams.sandbox.credly.manners import BURST, Manners
from streams.sandbox.credly.server import Server
from streams.sandbox.credly.service import CredlySimulator
from streams.sandbox.credly.tokens import EXPIRES_AT, Token
from streams.sandbox.issuers.faults import Fault
from streams.sandbox.issuers.server import serve


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=0, help="0 takes a free one; the address is printed.")
@click.option("--organization", "organizations", multiple=True, metavar="ID=KEY")
@click.option("--template", "templates", multiple=True, metavar="ORGANIZATION/TEMPLATE")
@click.option("--rights", default="rwd", help="What the keys may do: read, write, delete.")
@click.option("--key-expires-at", default=EXPIRES_AT, show_default=True, help="When the keys expire.")
@click.option("--account", "accounts", multiple=True, metavar="E-MAIL,E-MAIL", help="One person's addresses.")
@click.option("--refuse", "refused", multiple=True, metavar="TEXT", help="A proxy's 403 for calls with it.")
@click.option("--latency", default=0.0, help="Seconds that each answer takes.")
@click.option("--list-lag", default=0.0, help="Seconds until lists show a change.")
@click.option("--badge-lag", default=0.0, help="Seconds until a badge that is asked for shows it.")
@click.option("--rate", type=float, help="Calls a second of an organization; more are answered with 429.")
@click.option("--burst", default=BURST, show_default=True, help="Calls at once before the rate holds.")
@click.option("--retry-after", default="1", show_default=True, help="What a 429 says; empty for nothing.")
@click.option("--ignore-filter", "ignored", multiple=True, metavar="NAME", help="Lists ignore it.")
@click.option("--not-held", type=click.Choice(["200", "404", "409", "422"]), default="422", show_default=True)
@click.option("--hide-archived", is_flag=True, help="Show no data of archived templates.")
def main(
    host: str,
    port: int,
    organizations: tuple[str, ...],
    templates: tuple[str, ...],
    rights: str,
    key_expires_at: str,
    accounts: tuple[str, ...],
    refused: tuple[str, ...],
    ignored: tuple[str, ...],
    not_held: str,
    retry_after: str,
    hide_archived: bool,
    **numbers: Any,
) -> None:
    """Serve a Credly that forgets everything when it ends.

    --not-held is the status of a revocation of what nobody holds.
    """
    manners = Manners(
        retry_after=retry_after or None,
        ignored_filters=frozenset(ignored),
        not_held=cast(Any, int(not_held)),
        hides_archived=hide_archived,
        **numbers,
    )
    credly = CredlySimulator(manners=manners)
    for organization in organizations:
        id, _, key = organization.partition("=")
        credly.add_token(Token(id, key, "r" in rights, "w" in rights, "d" in rights, key_expires_at))
    for template in templates:
        organization, _, identifier = template.partition("/")
        credly.add_template(organization, identifier)
    for account in accounts:
        credly.add_account(*account.split(","))
    credly.schedule(Fault("error", status=403, body="proxy", contains=text) for text in refused)
    serve(Server(credly, host, port))


if __name__ == "__main__":
    main()
