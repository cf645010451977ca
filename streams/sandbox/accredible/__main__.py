"""`python -m streams.sandbox.accredible`: the simulator as a process."""

import click

from streams.sandbox.accredible.server import Server
from streams.sandbox.accredible.service import AccredibleSimulator, Habits
from streams.sandbox.issuers.server import serve


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=0, help="0 takes a free one; the address is printed.")
@click.option("--account", "accounts", multiple=True, metavar="NAME=KEY")
@click.option("--group", "groups", multiple=True, metavar="ACCOUNT/NUMBER")
@click.option("--credits", "credits", multiple=True, metavar="ACCOUNT=NUMBER", help="Unless given, any.")
@click.option("--latency", default=0.0, help="Seconds that each answer takes.")
@click.option("--search-lag", default=0.0, help="Seconds until a search shows a change.")
@click.option("--calls", type=int, help="Calls in 30 seconds of all together; more are answered with 429.")
@click.option("--silent", is_flag=True, help="Say nothing that the documentation's examples lack.")
def main(
    host: str,
    port: int,
    accounts: tuple[str, ...],
    groups: tuple[str, ...],
    credits: tuple[str, ...],
    latency: float,
    search_lag: float,
    calls: int | None,
    silent: bool,
) -> None:
    """Serve an Accredible that forgets everything when it ends."""
    accredible = AccredibleSimulator(habits=Habits(latency, search_lag, calls, silent))
    for account in accounts:
        accredible.add_account(*account.split("=", 1))
    for group in groups:
        account, _, number = group.partition("/")
        accredible.add_group(account, int(number))
    for credit in credits:
        account, _, left = credit.partition("=")
        accredible.credits[account] = int(left)
    serve(Server(accredible, host, port))


if __name__ == "__main__":
    main()
