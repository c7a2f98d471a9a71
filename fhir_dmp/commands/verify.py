"""`fhir-dmp verify`: proves that the database is as it was written: the trace, the versions, the facts."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, replace

import typer

from fhir_dmp.app import build_indexer
from fhir_dmp.audit.chain import Anchor
from fhir_dmp.commands.failure import CommandError, Exit
from fhir_dmp.commands.preflight import check_settings
from fhir_dmp.commands.progress import Meter, show_progress
from fhir_dmp.commands.reach import reach_database
from fhir_dmp.outcome import FhirError
from fhir_dmp.packages.port import DefinitionsUnavailable
from fhir_dmp.settings import Settings
from fhir_dmp.store.mongo.fault import database_errors
from fhir_dmp.store.mongo.packages import MongoPackages
from fhir_dmp.store.mongo.store import StoreUnusable, connect, require_whole
from fhir_dmp.store.mongo.verify import Verification

TOLD = 1000
"""Findings that are written; of more, only the number."""

_ANCHOR = re.compile(r"[1-9][0-9]*:[0-9a-f]{64}")
_DEFAULT_BASE_URL = "http://127.0.0.1:8080/fhir"


@dataclass(slots=True)
class Summary:
    """What was looked at, and how many findings there are."""

    versions: int = 0
    events: int = 0
    findings: int = 0
    last_anchor: Anchor | None = None

    def __str__(self) -> str:
        """Returns the lines at the end."""
        result = f"{self.findings:,} findings" if self.findings else "nothing is wrong"
        lines = [f"{self.versions:,} versions, {self.events:,} of them audit events: {result}"]
        if self.findings > TOLD:
            lines.insert(0, f"and {self.findings - TOLD:,} more")
        if self.last_anchor and not self.findings:
            lines.append(f"last anchor {self.last_anchor} (keep it elsewhere; --anchor holds the database against it)")
        return "\n".join(lines)


def verify_database(anchor: str | None) -> bool:
    """Looks at the whole database of the settings, writes what is wrong with it, and returns whether nothing is.

    `anchor` is one that an earlier run wrote, None where the database is held against none: an empty one is none of
    these, but a variable that was not set. Raises CommandError where the database cannot be read.
    """
    if anchor is not None and not _ANCHOR.fullmatch(anchor):
        raise CommandError(Exit.USAGE, f"--anchor takes what verify or the log wrote, number:hash, not {anchor!r}")
    settings = check_settings()
    try:
        with reach_database(settings) as uri:
            base_url = settings.base_url or _DEFAULT_BASE_URL
            summary = asyncio.run(_verify(replace(settings, mongodb_uri=uri, base_url=base_url), anchor or ""))
    except (FhirError, StoreUnusable) as fault:
        raise CommandError(Exit.ENVIRONMENT, str(fault)) from None
    except DefinitionsUnavailable as fault:
        raise CommandError(Exit.ENVIRONMENT, str(fault)) from None
    typer.echo(str(summary))
    return not summary.findings


async def _verify(settings: Settings, anchor: str) -> Summary:
    client = connect(settings.mongodb_uri)
    try:
        with database_errors():
            # the first look: it says why the database does not answer
            stored = await MongoPackages(client, settings.database).read_parameters()
            await require_whole(client[settings.database])
            verification = Verification(client, settings.database, build_indexer(settings, stored))
            size = await verification.size()
            if not size:
                raise CommandError(Exit.ENVIRONMENT, f"the database {settings.database} holds nothing")
            with show_progress("verifying", size) as meter:
                return await _tell(verification, anchor, meter)
    finally:
        await client.close()


async def _tell(verification: Verification, anchor: str, meter: Meter) -> Summary:
    summary = Summary()

    def done(versions: int) -> None:
        summary.versions += versions
        meter.read(versions)
        meter.count(versions)

    async for finding in verification.find(anchor, done):
        summary.findings += 1
        if summary.findings <= TOLD:
            typer.echo(str(finding))
    summary.events, summary.last_anchor = verification.events, verification.last_anchor
    return summary
