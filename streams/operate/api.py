"""What a command asks a worker that answers, where `BADGES_API` names one: it has read what there is."""

from typing import Any
from uuid import UUID

import aiohttp

from streams.errors import ConfigurationError, FatalError
from streams.operate.waits import Waiting
from streams.settings import Settings, read_secret

ROOT = "badges/api/v1"
WITHIN = aiohttp.ClientTimeout(total=30)
"""It answers in milliseconds; to count a million badges that wait takes it some seconds."""


async def explained(settings: Settings, learner: int, template: str | None) -> list[str]:
    """The lines of `explain`; activities are named by their ids alone."""
    if template is not None:
        try:
            template = str(UUID(template))
        except ValueError:
            raise ConfigurationError(f"--template: {template} is no template's id") from None
    query = {} if template is None else {"template": template}
    lines: list[str] = (await _get(settings, f"learners/{learner}/explain/", query))["lines"]
    return lines


async def waiting(settings: Settings) -> list[Waiting]:
    """What waits for the issuers, by organization."""
    return [Waiting(**row) for row in (await _get(settings, "waiting/", {}))["results"]]


async def _get(settings: Settings, path: str, query: dict[str, str]) -> Any:
    """The answer; raises `FatalError` where there is none, `ConfigurationError` where it is refused."""
    if settings.api_token_file is None:
        raise ConfigurationError("BADGES_API_TOKEN_FILE: the token of an administrator of the LMS is needed")
    token = read_secret(settings.api_token_file, "BADGES_API_TOKEN_FILE").strip()
    headers = {"Authorization": f"JWT {token}"}
    url = f"{settings.api.rstrip('/')}/{ROOT}/{path}"
    try:
        async with (
            aiohttp.ClientSession(timeout=WITHIN, headers=headers) as session,
            session.get(url, params=query, allow_redirects=False) as answer,
        ):
            if answer.status == 200:
                return await answer.json()
            fault = f"BADGES_API: {url} answers {answer.status}: {_detail(await answer.text())}"
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        raise FatalError(f"BADGES_API: {url}: {error or type(error).__name__}") from None
    raise (FatalError if answer.status >= 500 else ConfigurationError)(fault)


def _detail(text: str) -> str:
    return " ".join(text.split())[:200]
