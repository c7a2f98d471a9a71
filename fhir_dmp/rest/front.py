"""The front door: what is at or below the FHIR base goes to the FHIR endpoint, all else to FastAPI."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.types import ASGIApp, Receive, Scope, Send

from fhir_dmp.rest.discovery import PATH as DISCOVERY


@dataclass(slots=True)
class Front:
    """Chooses by the path alone. The applications are set while the server starts, before it takes requests.

    `discovery` tells apps where tokens are had; without it, nothing is known of that.

    A mount of FastAPI's would redirect `/fhir` to `/fhir/`, which breaks transactions posted to the base.
    """

    base_path: str
    endpoint: ASGIApp | None = None
    discovery: ASGIApp | None = None
    others: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request, or the server's lifespan, on."""
        app = self._choose(scope.get("path", "")) if scope["type"] == "http" else self.others
        if app is None:
            raise RuntimeError("the server has not started")
        await app(scope, receive, send)

    def _choose(self, path: str) -> ASGIApp | None:
        if self.discovery and path == self.base_path + DISCOVERY:
            return self.discovery
        is_fhir = path == self.base_path or path.startswith(self.base_path + "/")
        return self.endpoint if is_fhir else self.others
