"""Asks a terminology server over HTTP. What cannot be had in time is no answer: validation goes on without it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from http import HTTPStatus

import httpx

from fhir_dmp.terminology.question import CodeQuestion
from fhir_dmp.terminology_server.memory import Answers, Circuit
from fhir_dmp.terminology_server.operation import build_target, read_answer

AT_ONCE = 8
"""Requests under way; the others wait for their turn, and those who ask no longer than the time-out."""
_MOST_BYTES = 1_000_000
_HEADERS = {"accept": "application/fhir+json"}
_UNDERSTOOD = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY})
"""Statuses of a server that works, and cannot answer this question."""

_log = logging.getLogger(__name__)


class TerminologyServer:
    """A server with the standard operations at `base_url`; `timeout` is how long anyone waits, in seconds.

    Redirections are not followed: the codes of patients go to the host that was configured and to no other.
    """

    def __init__(
        self,
        base_url: str,
        timeout: float,  # of the whole, not of one call
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Connects to nothing yet."""
        self._base = base_url.rstrip("/")
        self._timeout = timeout
        self._clock = clock
        self._client = httpx.AsyncClient(
            timeout=timeout, headers=_HEADERS, transport=transport, limits=httpx.Limits(max_connections=AT_ONCE)
        )
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._answers = Answers()
        self._circuit = Circuit()
        self._under_way: dict[CodeQuestion, asyncio.Task[bool | None]] = {}

    async def ask(self, questions: Iterable[CodeQuestion]) -> dict[CodeQuestion, bool]:
        """Returns what is known within the time-out; questions without answer are left out. Never raises."""
        found: dict[CodeQuestion, bool | None] = {}
        tasks: dict[CodeQuestion, asyncio.Task[bool | None]] = {}
        for question in questions:
            known = self._answers.find(question, self._clock())
            if known is None:
                tasks[question] = self._start(question)
            else:
                found[question] = known[0]
        if tasks:
            await asyncio.wait(tasks.values(), timeout=self._timeout)
        found |= {question: task.result() for question, task in tasks.items() if task.done() and not task.cancelled()}
        return {question: answer for question, answer in found.items() if answer is not None}

    async def close(self) -> None:
        """Gives up what is under way and closes the connections."""
        tasks = list(self._under_way.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._client.aclose()

    def _start(self, question: CodeQuestion) -> asyncio.Task[bool | None]:
        """One request for a question, however many ask it meanwhile; it goes on when they have stopped waiting."""
        task = self._under_way.get(question)
        if task is None:
            task = self._under_way[question] = asyncio.create_task(self._find(question))
            task.add_done_callback(lambda _: self._under_way.pop(question, None))
        return task

    async def _find(self, question: CodeQuestion) -> bool | None:
        async with self._turns:
            if not self._circuit.admits(self._clock()):
                return None
            try:
                async with asyncio.timeout(self._timeout):
                    answer = await self._request(question)
            except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, _NotFhir) as fault:
                _log.warning("the terminology server does not answer: %s", type(fault).__name__)
                self._circuit.fail(self._clock())
                answer = None
            else:
                self._circuit.succeed()
        self._answers.keep(question, answer, self._clock())
        return answer

    async def _request(self, question: CodeQuestion) -> bool | None:
        async with self._client.stream("GET", f"{self._base}/{build_target(question)}") as response:
            if response.status_code in _UNDERSTOOD:
                return None
            if response.status_code != HTTPStatus.OK:
                raise _NotFhir
            body = bytearray()
            async for piece in response.aiter_bytes():
                body += piece
                if len(body) > _MOST_BYTES:
                    raise _NotFhir
        return read_answer(bytes(body))


class _NotFhir(Exception):
    """The answer is none of a terminology server."""
