"""Have an organization's key sign something, as the relay does before its first badge."""

from streams.clock import Clock
from streams.errors import ConfigurationError, FatalError
from streams.issuers.client import Http
from streams.operate.asking import limits_of, wanted
from streams.operate.site import site
from streams.relay.keys import reach
from streams.relay.organizations import Organization, Organizations
from streams.relay.signing import SigningError
from streams.relay.terms import terms
from streams.settings import Settings


async def try_key(settings: Settings, name: str) -> str:
    """Try an organization's key; the key's name, as a line.

    Raises `FatalError` if it does not sign, `ConfigurationError` where it is not to.
    """
    async with site(settings) as here:
        document = (await here.catalog()).document
    http = Http()
    organizations = Organizations(limits_of(settings), http, Clock(), reach(settings))
    organizations.take(*terms(document))
    try:
        [organization] = wanted(organizations, [name])
        return await tried(organization)
    finally:
        await organizations.close()
        await http.close()


async def tried(organization: Organization) -> str:
    """The same, of an organization that is known."""
    maker = organization.issuer.maker
    if maker is None:
        raise ConfigurationError(f"organization {organization.id}: its key signs no badges")
    if organization.keyless:
        raise FatalError(f"organization {organization.id}: {organization.keyless}")
    key = maker.key(organization.key)
    try:
        await organization.signer.secret(key)
    except SigningError as error:
        raise FatalError(f"organization {organization.id}: {error}; the key is {key.name}") from None
    return f"organization {organization.id}: its key signs, and is {key.name}"
