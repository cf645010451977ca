"""The registry is asked as seldom as possible, and waited for as long as it takes."""

import asyncio
from pathlib import Path
from urllib.parse import quote

import pytest

from streams.bus import registry
from streams.bus.registry import Registry
from streams.errors import ConfigurationError, UnreadableError
from streams.settings import Settings
from tests.bus.registry_server import RegistryServer, registry_server

BY_ID = "/apis/ccompat/v7/schemas/ids/7"


async def test_a_schema_is_asked_for_once_and_kept_for_ever(server: RegistryServer, client: Registry) -> None:
    server.holds(7, '"string"')

    texts = await asyncio.gather(*(client.schema_by_id(7) for _ in range(20)))
    texts.append(await client.schema_by_id(7))

    assert set(texts) == {'"string"'}
    assert server.asked[BY_ID] == 1


@pytest.mark.parametrize("failures", [[503], [500, 502, 429], [401, 403]])
async def test_a_registry_that_fails_is_asked_again(
    server: RegistryServer, client: Registry, failures: list[int]
) -> None:
    server.holds(7, '"string"')
    server.failures.extend(failures)

    assert await client.schema_by_id(7) == '"string"'
    assert server.asked[BY_ID] == len(failures) + 1


async def test_clients_that_register_the_same_at_once_get_the_same_id(
    registry_url: str, app_prefix: str
) -> None:
    clients = [Registry(Settings(registry=registry_url)) for _ in range(8)]
    for client in clients:
        await client.start()

    ids = [
        await asyncio.gather(*(client.register(f"{app_prefix}-{number}", '"string"') for client in clients))
        for number in range(10)
    ]

    assert [len(set(same)) for same in ids] == [1] * 10
    for client in clients:
        await client.stop()


async def test_a_schema_that_conflicts_with_what_is_registered_is_refused(
    server: RegistryServer, client: Registry
) -> None:
    server.failures.extend([409] * 10)

    with pytest.raises(ConfigurationError, match="refuses the schema of dev-topic: 409"):
        await client.register("dev-topic", '"string"')


async def test_a_registry_that_is_away_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "WAIT_INITIAL", 0.01)
    monkeypatch.setattr(registry, "WAIT_MAX", 0.05)
    async with registry_server() as gone:
        address = gone.url
    client = Registry(Settings(registry=address))
    await client.start()

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(client.schema_by_id(7), 0.5)

    await client.stop()


NO_ROUTE = '{"message":"no Route matched"}'
NO_PATH = '{"error_code":404,"message":"HTTP 404 Not Found"}'


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, "<html>"),
        (200, "{}"),
        (302, "moved"),
        (302, NO_PATH),
        (400, "<html>"),
        (404, "<html>"),
        (404, NO_ROUTE),
        (404, NO_PATH),
        (400, NO_ROUTE),
    ],
)
async def test_what_stands_before_a_registry_that_is_away_is_not_believed(
    server: RegistryServer, monkeypatch: pytest.MonkeyPatch, status: int, body: str
) -> None:
    monkeypatch.setattr(registry, "WAIT_INITIAL", 0.01)
    address = server.url.replace("/apis/ccompat/v7", f"/instead/{status}/{quote(body, safe='')}")
    client = Registry(Settings(registry=address))
    await client.start()

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(client.schema_by_id(1), 0.2)
    await client.stop()


async def test_one_that_gives_up_waiting_does_not_take_the_schema_from_the_others(
    server: RegistryServer, client: Registry
) -> None:
    server.holds(7, '"string"')
    server.failures.extend([503] * 3)
    impatient = asyncio.ensure_future(client.schema_by_id(7))
    patient = asyncio.ensure_future(client.schema_by_id(7))
    await asyncio.sleep(0)

    impatient.cancel()

    assert await patient == '"string"'


async def test_a_no_is_believed_for_a_while_and_then_asked_again(
    server: RegistryServer, client: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        with pytest.raises(UnreadableError):
            await client.schema_by_id(7)
    assert server.asked[BY_ID] == 1

    monkeypatch.setattr(registry, "UNKNOWN_SECONDS", 0.0)
    server.holds(7, '"string"')

    assert await client.schema_by_id(7) == '"string"'


async def test_an_id_that_a_node_of_the_registry_does_not_know_yet_is_asked_for_again(
    server: RegistryServer,
) -> None:
    server.late = 5
    server.holds(7, '"string"')
    client = Registry(Settings(registry=server.url))
    await client.start()

    texts = await asyncio.gather(*(client.schema_by_id(7) for _ in range(20)))

    assert set(texts) == {'"string"'}
    assert server.asked[BY_ID] == 6
    await client.stop()


async def test_an_id_that_stays_unknown_is_given_up_and_then_asked_for_only_once_in_a_while(
    server: RegistryServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = Registry(Settings(registry=server.url, schema_wait_seconds=0.6))
    await client.start()
    with pytest.raises(UnreadableError, match="id 7"):
        await client.schema_by_id(7)
    first = server.asked[BY_ID]

    monkeypatch.setattr(registry, "UNKNOWN_SECONDS", 0.0)
    with pytest.raises(UnreadableError, match="id 7"):
        await client.schema_by_id(7)

    assert first > 2
    assert server.asked[BY_ID] == first + 1
    await client.stop()


async def test_ids_that_somebody_makes_up_are_waited_for_less_and_less(
    server: RegistryServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "LEAST_WAIT", 0.1)
    client = Registry(Settings(registry=server.url, schema_wait_seconds=0.5))
    await client.start()
    began = asyncio.get_running_loop().time()

    for made_up in range(100, 140):
        with pytest.raises(UnreadableError):
            await client.schema_by_id(made_up)

    assert asyncio.get_running_loop().time() - began < 2
    assert server.asked["/apis/ccompat/v7/schemas/ids/139"] == 1
    await client.stop()


async def test_an_id_that_no_registry_can_have_is_unknown_at_once(
    server: RegistryServer, client: Registry
) -> None:
    with pytest.raises(UnreadableError, match="id 4294967295"):
        await client.schema_by_id(2**32 - 1)

    assert not server.asked


async def test_a_schema_is_registered_under_its_subject(server: RegistryServer, client: Registry) -> None:
    first = await client.register("dev-topic-string", '"string"')

    assert await client.register("dev-topic-string", '"string"') == first
    assert await client.look_up("dev-topic-string", '"string"') == first


async def test_a_schema_that_nobody_registered_is_a_configuration_error(client: Registry) -> None:
    with pytest.raises(ConfigurationError, match="dev-topic-string"):
        await client.look_up("dev-topic-string", '"string"')


async def test_the_user_name_and_password_are_sent(server: RegistryServer, tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("sesame\n")
    client = Registry(Settings(registry=server.url, registry_username="ali", registry_password_file=secret))
    await client.start()
    server.holds(7, '"string"')

    await client.schema_by_id(7)

    assert server.authorizations == ["Basic YWxpOnNlc2FtZQ=="]
    await client.stop()
