"""The pages: each is one function of a visit, which reads over gRPC and renders, or does what a form asks for.

A module has the pages of one part of the portal and lists them in `PAGES`: path without language, function, methods.
What a button does is a POST of its own and leads back to a page; what has a form is one function for GET and POST.
"""

from collections.abc import Awaitable, Callable

from starlette.responses import Response

from services.portal.pages import (
    account,
    convenings,
    coordination,
    desk,
    directory,
    home,
    needs,
    records,
    registrations,
    search,
    texts,
)
from services.portal.pages import map as map_
from services.portal.visit import Visit

Page = Callable[[Visit], Awaitable[Response]]
PAGES: list[tuple[str, Page, str]] = [
    *home.PAGES,
    *map_.PAGES,
    *texts.PAGES,
    *account.PAGES,
    *needs.PAGES,
    *convenings.PAGES,
    *registrations.PAGES,
    *directory.PAGES,
    *desk.PAGES,
    *search.PAGES,
    *records.PAGES,
    *coordination.PAGES,
]
