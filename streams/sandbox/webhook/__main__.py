"""`python -m streams.sandbox.webhook`: the receiver as a process."""

import click

from streams.sandbox.issuers.server import serve
from streams.sandbox.webhook.receiver import Receiver, hmac_of
from streams.sandbox.webhook.server import Server


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=0, help="0 takes a free one; the address is printed.")
@click.option("--secret", "secrets", multiple=True, required=True, metavar="whsec_…")
@click.option("--ids", is_flag=True, help="Answer an award with an id of its own.")
def main(host: str, port: int, secrets: tuple[str, ...], ids: bool) -> None:
    """Serve a receiver at /hooks/ORGANIZATION that forgets everything when it ends."""
    serve(Server(Receiver(*map(hmac_of, secrets), gives_ids=ids), host, port))


if __name__ == "__main__":
    main()
