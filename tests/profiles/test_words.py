"""Facts are restated in our own words: no text of a published package longer than a phrase is among ours."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fhir_dmp.json_text import JsonObject
from tests.profiles.shipped import EXTENSIONS, FILES, PUBLISHED, package, read, walk

TEXTS = ("title", "description", "short", "definition", "comment", "requirements", "human", "purpose", "copyright")
LONGEST = 12


def _texts(resource: JsonObject) -> Iterator[str]:
    for item in walk(resource):
        yield from (" ".join(item[name].split()).casefold() for name in TEXTS if isinstance(item.get(name), str))


@pytest.fixture(scope="module")
def published() -> set[str]:
    names = [*PUBLISHED.values(), EXTENSIONS, "ans.fhir.fr.tde-2.0.0", "hl7.fhir.uv.ips-1.1.0"]
    return {text for name in names for resource in package(name).values() for text in _texts(resource)}


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_no_long_text_is_one_that_was_published(path: Path, published: set[str]) -> None:
    assert [text for text in _texts(read(path)) if len(text.split()) > LONGEST and text in published] == []


def test_texts_of_packages_are_found_where_they_are(published: set[str]) -> None:
    assert len([text for text in published if len(text.split()) > LONGEST]) > 1000
