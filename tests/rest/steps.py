"""Runs the cases of tests/cases/rest: requests as data, and what is expected of their answers.

A case has `given` (resources to create: templates, or bodies, by the name under which the steps know their ids) and
`steps`; a step has a `request` (`PUT Patient/${id}`), `headers`, one of `body`, `text`, `form`, `hex`, and `expect`:

    status    a number, or several
    code      that of the OperationOutcome's first issue
    headers   name: regular expression; null: absent
    json      path: value            match    path: regular expression
    size      path: number of items  absent   paths
    text      parts of the body      same     path: path, whose values are equal
    empty     the body is empty

and `save` (name: path, or `header:etag`). `${name}` stands for what was saved, `${unique}` for a text of this run of
the case alone. A path is `entry.0.resource.id`; `*` is every item of an array. A body may begin with a template of the
file: `{"$base": "patient", "gender": "male"}`. `{"$repeat": ["[", 1000]}` makes a long text.
"""

from __future__ import annotations

import json
import re
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tests.rest.server import BASE_URL, FHIR_JSON, Answer, Server

Json = Any

CASES = Path(__file__).parents[1] / "cases" / "rest"
_VARIABLE = re.compile(r"\$\{(\w+)\}")
_FORM = "application/x-www-form-urlencoded"
_MISSING = object()


@dataclass(frozen=True, slots=True)
class Table:
    """One file of cases, with the bodies that its cases share."""

    templates: dict[str, Json]
    cases: list[Json]


def read_table(name: str) -> Table:
    """Reads tests/cases/rest/<name>.json."""
    rows = json.loads((CASES / f"{name}.json").read_text(encoding="utf8"))
    return Table(rows["templates"], rows["cases"])


@dataclass(slots=True)
class Run:
    """One run of a case against a server."""

    server: Server
    templates: dict[str, Json]
    known: dict[str, str] = field(default_factory=dict)

    async def run(self, case: Json) -> None:
        __tracebackhide__ = True
        self.known = {"unique": uuid.uuid4().hex, "base": BASE_URL}
        for name, template in case.get("given", {}).items():
            body = template if isinstance(template, dict) else {"$base": template}
            given = {"request": f"POST {self.templates[body['$base']]['resourceType']}", "body": body}
            await self.step({**given, "expect": {"status": 201}, "save": {name: "id"}})
        for step in case["steps"]:
            await self.step(step)

    async def step(self, step: Json) -> None:
        __tracebackhide__ = True
        step = self._filled(step)
        answer = await self._send(step)
        try:
            _check(step.get("expect", {}), answer)
        except AssertionError as fault:
            shown = answer.body[:1500].decode(errors="replace")
            raise AssertionError(
                f"{step['request'][:200]}: {fault}\n{answer.status} {answer.headers}\n{shown}"
            ) from None
        for name, path in step.get("save", {}).items():
            self.known[name] = _read(answer, path)

    async def _send(self, step: Json) -> Answer:
        method, _, path = step["request"].partition(" ")
        content_type, content = _content(step)
        headers = {"content-type": content_type} if content_type else {}
        headers |= {name.lower(): value for name, value in step.get("headers", {}).items()}
        pairs = [(name, value) for name, value in headers.items() if value is not None]
        chunks = [content[start : start + 65536] for start in range(0, len(content), 65536)]
        target = path.removeprefix(BASE_URL) if path.startswith(BASE_URL) else f"/{path}"
        return await self.server.exchange(method, f"/fhir{target if target != '/' else ''}", pairs, chunks)

    def _filled(self, value: Json) -> Json:
        if isinstance(value, str):
            return _VARIABLE.sub(lambda found: self.known[found[1]], value)
        if isinstance(value, list):
            return [self._filled(item) for item in value]
        if not isinstance(value, dict):
            return value
        if "$repeat" in value:
            text, times = value["$repeat"]
            return self._filled(text) * times
        if "$join" in value:
            return "".join(self._filled(part) for part in value["$join"])
        base = self._filled(self.templates[value["$base"]]) if "$base" in value else {}
        merged = base | {self._filled(key): self._filled(item) for key, item in value.items() if key != "$base"}
        return {key: item for key, item in merged.items() if item != "$none"}


def _content(step: Json) -> tuple[str, bytes]:
    if "body" in step:
        return FHIR_JSON, json.dumps(step["body"], ensure_ascii=False).encode()
    if "form" in step:
        form = step["form"]
        return _FORM, form.encode() if isinstance(form, str) else urlencode(form).encode()
    if "hex" in step:
        return FHIR_JSON, bytes.fromhex(step["hex"])
    return (FHIR_JSON, step["text"].encode("utf-8", "surrogatepass")) if "text" in step else ("", b"")


def _check(expect: Json, answer: Answer) -> None:
    wanted = expect.get("status")
    assert wanted is None or answer.status in (wanted if isinstance(wanted, list) else [wanted]), f"status not {wanted}"
    for name, pattern in expect.get("headers", {}).items():
        found = answer.headers.get(name.lower())
        assert (found is None) == (pattern is None), f"header {name} is {found!r}"
        assert found is None or re.search(pattern, found), f"header {name} is {found!r}, not {pattern!r}"
    for text in expect.get("text", ()):
        assert text in answer.body.decode(), f"{text!r} is not in the body"
    if expect.get("empty"):
        assert answer.body == b"", "body not empty"
    if {"code", "json", "match", "size", "absent", "same"} & expect.keys():
        _check_json(expect, answer.json())


def _check_json(expect: Json, body: Json) -> None:
    if "code" in expect:
        found = find(body, "issue.0.details.coding.0.code")
        assert found == expect["code"], f"code {found!r}, not {expect['code']!r}"
    for path, value in expect.get("json", {}).items():
        assert find(body, path) == value, f"{path} is {find(body, path)!r}, not {value!r}"
    for path, pattern in expect.get("match", {}).items():
        assert re.search(pattern, str(find(body, path))), f"{path} is {find(body, path)!r}, not {pattern!r}"
    for path, number in expect.get("size", {}).items():
        assert len(find(body, path)) == number, f"{path} has {len(find(body, path))} items, not {number}"
    for path in expect.get("absent", ()):
        assert find(body, path) in (_MISSING, []), f"{path} is there: {find(body, path)!r}"
    for one, other in expect.get("same", {}).items():
        assert find(body, one) == find(body, other) is not _MISSING, f"{one} is not {other}"


def _read(answer: Answer, path: str) -> str:
    if path.startswith("header:"):
        return answer.headers[path.removeprefix("header:")]
    found = find(answer.json(), path)
    assert isinstance(found, str), f"{path} is {found!r}: nothing to save"
    return found


def find(value: Json, path: str) -> Json:
    """The value at a path, a marker where there is none; behind a `*`, the values of those items that have one."""
    head, _, rest = path.partition(".")
    if head == "*":
        found = [find(item, rest) if rest else item for item in value] if isinstance(value, list) else []
        return [item for item in found if item is not _MISSING]
    if isinstance(value, list) and head.isdigit():
        value = value[int(head)] if int(head) < len(value) else _MISSING
    else:
        value = value.get(head, _MISSING) if isinstance(value, dict) else _MISSING
    return find(value, rest) if rest and value is not _MISSING else value
