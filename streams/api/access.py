"""Who asks, and may: the caller of a request, by the LMS's token and how often they asked."""

import math
from typing import Annotated

from fastapi import Depends, HTTPException, Query, Request

from streams.api.keys import KeysMissingError
from streams.api.limits import Limit
from streams.api.rows import LARGEST
from streams.api.tokens import Caller, RefusedError, Tokens, token_of

CHALLENGE = {"WWW-Authenticate": 'JWT realm="api"'}


class Access:
    """Recognizes callers, and holds back those who ask too often."""

    def __init__(self, tokens: Tokens | None, limit: Limit) -> None:
        self._tokens = tokens
        self._limit = limit

    async def caller(self, request: Request) -> Caller:
        """Who asks; raises 401 where nobody is recognized, 429 where they asked too often."""
        token = token_of(request.headers.get("authorization"), request.cookies)
        if token is None or self._tokens is None:
            raise HTTPException(401, "Authentication credentials were not provided.", CHALLENGE)
        try:
            caller = await self._tokens.caller(token)
        except RefusedError as why:
            raise HTTPException(401, f"Invalid token: {why}.", CHALLENGE) from None
        except KeysMissingError:
            raise HTTPException(503, "The LMS's keys cannot be read.") from None
        if wait := self._limit.wait((caller.user_id, caller.username)):
            raise throttled(wait)
        return caller


def throttled(wait: float) -> HTTPException:
    """What a caller is answered who may ask again after `wait` seconds."""
    seconds = math.ceil(wait)
    said = f"Request was throttled. Expected available in {seconds} seconds."
    return HTTPException(429, said, {"Retry-After": str(seconds)})


async def _caller(request: Request) -> Caller:
    access: Access = request.app.state.access
    return await access.caller(request)


Asking = Annotated[Caller, Depends(_caller)]


async def _learner(
    caller: Asking,
    lms_user_id: Annotated[
        int | None, Query(ge=0, le=LARGEST, description="Another learner; for administrators.")
    ] = None,
) -> int:
    """Whose data is asked for: the caller's own, or for an administrator anybody's."""
    if lms_user_id is not None and lms_user_id != caller.user_id:
        await _administrator(caller)
        return lms_user_id
    if caller.user_id is None:
        raise HTTPException(403, "The token names no user_id.")
    return caller.user_id


async def _administrator(caller: Asking) -> Caller:
    if not caller.administrator:
        raise HTTPException(403, "You do not have permission to perform this action.")
    return caller


OfLearner = Annotated[int, Depends(_learner)]
Staff = Annotated[Caller, Depends(_administrator)]
