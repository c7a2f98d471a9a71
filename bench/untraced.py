"""`fhir-dmp serve` without the trace of what is read: nothing but a benchmark may turn that off.

    python -m bench.untraced serve …
"""

from __future__ import annotations

from fhir_dmp.cli import main
from fhir_dmp.interactions.context import Context, Route
from fhir_dmp.interactions.request import Request, Result
from fhir_dmp.rest import fhir


async def run_untraced(route: Route, context: Context, request: Request) -> Result:
    """Runs an interaction as fhir_dmp.interactions.trace does, and records nothing."""
    return await route.run(context, request)


if __name__ == "__main__":
    # one worker runs in this very process
    fhir.run_traced = run_untraced
    main()
