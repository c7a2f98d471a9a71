"""`python -m bench.untraced serve …` is `fhir-dmp serve` without a trace: nothing but a benchmark may turn that off."""

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
    vars(fhir)["run_traced"] = run_untraced
    main()
