"""Lists, a page at a time, as Django REST framework does it: by `page` and `page_size`."""

from collections.abc import Sequence
from typing import Annotated, TypeVar

from fastapi import Depends, HTTPException, Query, Request
from starlette.datastructures import URL

from streams.api import models

T = TypeVar("T")

SIZE = 20
"""As Open edX's services have it."""
LARGEST_SIZE = 100
"""A page is read and written in milliseconds."""
LAST_PAGE = 1_000_000
"""Of learners, at a hundred a page, more than there are."""


class Paging:
    """The page that a request asks for."""

    def __init__(self, url: URL, page: int, limit: int) -> None:
        self._url = url
        self._page = page
        self.limit = limit

    @property
    def offset(self) -> int:
        """How many of the list come before the page."""
        return (self._page - 1) * self.limit

    def of(self, count: int, results: Sequence[T]) -> models.Page[T]:
        """The page with these results, of a list of `count`."""
        if self._page > 1 and self.offset >= count:
            raise HTTPException(404, "Invalid page.")
        last = self.offset + self.limit >= count
        return models.Page(
            count=count,
            next=None if last else self._address(self._page + 1),
            previous=None if self._page == 1 else self._address(self._page - 1),
            results=list(results),
        )

    def cut(self, listed: Sequence[T]) -> Sequence[T]:
        """Of a whole list the page."""
        return listed[self.offset : self.offset + self.limit]

    def _address(self, page: int) -> str:
        return str(self._url.include_query_params(page=page))


async def _paging(
    request: Request,
    page: Annotated[int, Query(ge=1, le=LAST_PAGE)] = 1,
    page_size: Annotated[int, Query(ge=1, le=LARGEST_SIZE)] = SIZE,
) -> Paging:
    return Paging(request.url, page, page_size)


Paged = Annotated[Paging, Depends(_paging)]
