"""The whole of it, for a worker that answers."""

from fastapi import APIRouter

from streams.api.console.addresses import reading
from streams.api.console.answering import Answering
from streams.api.console.operator import OfSite, Operator
from streams.api.console.orders import writing
from streams.api.view import View
from streams.settings import Settings


def console(view: View, settings: Settings) -> list[APIRouter]:
    """The console of the site that `settings` name."""
    return routers(view, OfSite(settings), writes=settings.console_writes)


def routers(view: View, operator: Operator, *, writes: bool) -> list[APIRouter]:
    """The console's addresses; without `writes` none that changes anything."""
    answering = Answering(writes=writes)
    return [reading(view, operator, answering), *([writing(operator, answering)] if writes else [])]
