"""The answer to who writes and is told what he did not send: as far as the token lets it be read, else where it is.

A condition (If-None-Exist) finds what the requester may see, and a patch need say next to nothing of a resource: were
the content answered in any case, a scope of create or update alone would read everything.
"""

from __future__ import annotations

from dataclasses import replace

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
    result = Result(Status.OK, existing, returns=request.returns or usual, location=True)
    return await without_unreadable(context, request, result)


async def without_unreadable(context: Context, request: Request, result: Result) -> Result:
    """Returns the result without content, where the scopes do not let it be read."""
    version = result.version
    if version is None or result.returns != "representation" or await _is_readable(context, request, version):
        return result
    return replace(result, returns="minimal")


async def _is_readable(context: Context, request: Request, version: Version) -> bool:
    if request.requester.kind is Kind.SYSTEM:
        return True
    scope = (await inquire(context, request, "read")).scope
    return matches(scope, context.indexer.facts(parse_json_object(version.content or b"{}")))
