"""A URL that is longer than httptools reads: the query is cut, so that the application refuses it, as one too long.

uvicorn answers such a URL itself, with a 400 that says nothing: https://github.com/MagicStack/httptools has 16 bits for
the length of a URL.
"""

from __future__ import annotations

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from fhir_dmp.interactions.request import MAX_QUERY

_LONGEST = 65_535
"""Bytes of a URL."""


class LongUrlProtocol(HttpToolsProtocol):
    """uvicorn's protocol, but for URLs of FHIR with too long a query."""

    def on_headers_complete(self) -> None:
        """Starts the application, once the URL and the headers are here."""
        self.url = shorten(self.url)
        super().on_headers_complete()


def shorten(url: bytes) -> bytes:
    """Returns a URL that can be read, and whose query is still refused as too long; any other one as it is."""
    path, _, query = url.partition(b"?")
    shortened = path + b"?" + query[: MAX_QUERY + 1]
    is_refused = path.startswith(b"/fhir") and len(query) > MAX_QUERY
    return shortened if is_refused and len(url) > _LONGEST >= len(shortened) else url
