"""The answer to who would store what is here already: where it is, and its content as far as the token lets it be read.

A condition (If-None-Exist) finds what the requester may see: were its content answered in any case, a scope of create
alone would read everything.
"""

from __future__ import annotations

from fhir_dmp.access.requester import Kind
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.gate import inquire
from fhir_dmp.interactions.request import Request, Result, Return, Status
from fhir_dmp.json_text import parse_json_object
from fhir_dmp.resource import Version
from fhir_dmp.search.match import matches


async def answer_known(
    context: Context, request: Request, existing: Version, usual: Return = "representation"
) -> Result:
    """Builds the result of a create that stores nothing; `usual` is what is returned where the client does not say."""
    returns = request.returns or usual
    if returns == "representation" and not await _is_readable(context, request, existing):
        returns = "minimal"
    return Result(Status.OK, existing, returns=returns, location=True)


async def _is_readable(context: Context, request: Request, version: Version) -> bool:
    if request.requester.kind is Kind.SYSTEM:
        return True
    scope = (await inquire(context, request, "read")).scope
    return matches(scope, context.indexer.facts(parse_json_object(version.content or b"{}")))
