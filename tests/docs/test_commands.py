"""What the README and the guides show is true: their commands, run on a demo server, give the answers beside them.

One server is for all of them, so that a page asks about what it wrote, and about nothing that another page writes. The
French page of a guide is run; the English one has the same commands and answers.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.demo_server import run_demo
from tests.docs.pages import ROOT, Block, Shell, read_blocks

GUIDE = ROOT / "docs" / "guide"
PAGES = (ROOT / "README.md", *sorted((GUIDE / "fr").glob("*.md")))
BLOCKS = {page: read_blocks(page.read_text(encoding="utf8")) for page in PAGES}


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """A shell that has the variables of the server."""
    with run_demo(tmp_path_factory.mktemp("data")) as running:
        yield Shell(running, tmp_path_factory.mktemp("bin"))


@pytest.mark.parametrize(
    ("page", "place", "block"),
    [
        pytest.param(page, place, block, id=f"{page.name}-{place}")
        for page, blocks in BLOCKS.items()
        for place, block in enumerate(blocks)
    ],
)
def test_command_gives_the_answer_that_its_page_shows(page: Path, place: int, block: Block, shell: Shell) -> None:
    shell.check(block, shell.answers(page)[place])


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_every_command_that_tells_something_has_its_answer(page: Path) -> None:
    assert BLOCKS[page]
    assert [block.command for block in BLOCKS[page] if block.command.startswith("curl ") and not any(block.shown)] == []


def test_guides_are_there_in_both_languages() -> None:
    french, english = ({page.name for page in (GUIDE / name).glob("*.md")} for name in ("fr", "en"))
    assert french == english


@pytest.mark.parametrize("page", PAGES[1:], ids=[page.name for page in PAGES[1:]])
def test_a_guide_has_the_same_commands_and_answers_in_both_languages(page: Path) -> None:
    assert read_blocks((GUIDE / "en" / page.name).read_text(encoding="utf8")) == BLOCKS[page]
