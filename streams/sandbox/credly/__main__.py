"""`python -m streams.sandbox.credly`: the simulator as a process."""

import asyncio

import click

from streams.sandbox.credly.server import Server
from streams.sandbox.credly.service import CredlySimulator


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=0, help="0 takes a free one; the address is printed.")
@click.option("--organization", "organizations", multiple=True, metavar="ID=KEY")
@click.option("--template", "templates", multiple=True, metavar="ORGANIZATION/TEMPLATE")
@click.option("--latency", default=0.0, help="Seconds that each answer takes.")
def main(
    host: str, port: int, organizations: tuple[str, ...], templates: tuple[str, ...], latency: float
) -> None:
    """Serve a Credly that forgets everything when it ends."""
    credly = CredlySimulator()
    credly.latency = latency
    for organization in organizations:
        credly.add_organization(*organization.split("=", 1))
    for template in templates:
        organization, _, identifier = template.partition("/")
        credly.add_template(organization, identifier)
    asyncio.run(_serve(Server(credly, host, port)))


async def _serve(server: Server) -> None:
    async with server:
        click.echo(server.url)
        await asyncio.Event().wait()


if __name__ == "__main__":
    main()
