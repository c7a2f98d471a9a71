"""/health/live, /health/ready and /metrics: for those who run the server; nothing of a record is in them."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

monitoring = APIRouter()


@monitoring.get("/health/live", summary="The process runs")
async def live() -> dict[str, str]:
    """Answers as long as the process does."""
    return {"status": "live"}


@monitoring.get("/health/ready", summary="The server can read and write")
async def ready(request: Request, response: Response) -> dict[str, str]:
    """Answers 503 while the database does not take writes."""
    is_ready = await request.app.state.store.is_ready()
    response.status_code = 200 if is_ready else 503
    return {"status": "ready" if is_ready else "not ready"}


@monitoring.get("/metrics", summary="Prometheus metrics")
async def metrics() -> Response:
    """Returns the counters of this worker in Prometheus' text format."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
