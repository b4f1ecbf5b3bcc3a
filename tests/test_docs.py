"""The pages tell the truth: their code prints what they say, and their links lead somewhere."""

from __future__ import annotations

import contextlib
import doctest
import io
import re
from configparser import ConfigParser
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

import pytest

import tinygrad_rnn as tg

ROOT = Path(__file__).parents[1]
README, CONTRIBUTING, CHANGELOG = (
    ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")
)
DOCS = sorted((ROOT / "docs").rglob("*.md"))
WITH_CODE = [README, CONTRIBUTING, *DOCS]
PAGES = [*WITH_CODE, CHANGELOG, ROOT / "tinygrad_rnn" / "data" / "README.md"]
PICTURE = ROOT / "docs" / "images" / "two_steps.svg"

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^()\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


class Block(NamedTuple):
    """A block of code in a page: its language, its text, and the line before its first one."""

    language: str
    text: str
    line: int


def blocks(text: str) -> list[Block]:
    """The fenced blocks of a page in order."""
    return [
        Block(found[1], found[2], text.count("\n", 0, found.start(2)))
        for found in FENCE.finditer(text)
    ]


def prose(text: str) -> str:
    """A page without its fenced blocks."""
    return FENCE.sub("", text)


def name_of(page: Path) -> str:
    """A page as it is called in the names of tests."""
    return str(page.relative_to(ROOT))


def text_of(page: Path) -> str:
    """What is written in a file."""
    return page.read_text(encoding="utf-8")


# Code


def run(text: str, page: str) -> dict[str, Any]:
    """Runs the Python blocks of a page in one namespace, which it returns; a lie is an error."""
    namespace: dict[str, Any] = {"__name__": "__page__"}
    for block, following in pairwise([*blocks(text), Block("", "", 0)]):
        if block.language == "python" and block.text.startswith(">>>"):
            check_examples(block, namespace, page)
        elif block.language == "python":
            expected = following.text if following.language == "text" else ""
            assert printed(block, namespace, page) == expected, f"{page}, line {block.line}"
    return namespace


def check_examples(block: Block, namespace: dict[str, Any], page: str) -> None:
    """Every `>>>` example of a block gives what is written beneath it."""
    test = doctest.DocTestParser().get_doctest(block.text, {}, page, page, block.line)
    test.globs = namespace
    report = io.StringIO()
    doctest.DocTestRunner(verbose=False).run(test, out=report.write, clear_globs=False)
    assert report.getvalue() == ""


def printed(block: Block, namespace: dict[str, Any], page: str) -> str:
    """What a block prints; in tracebacks its lines are those of the page."""
    code = compile("\n" * block.line + block.text, page, "exec", dont_inherit=True)
    with contextlib.redirect_stdout(io.StringIO()) as output:
        exec(code, namespace)
    return output.getvalue()


@pytest.mark.parametrize("page", WITH_CODE, ids=name_of)
def test_code_prints_what_the_page_says(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each Python block runs after those above it, and gives what is written below it."""
    monkeypatch.chdir(tmp_path)
    run(text_of(page), name_of(page))


PRINTS_2 = "```python\nprint(1 + 1)\n```\n"


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (PRINTS_2 + "```text\n3\n```\n", AssertionError),
        (PRINTS_2, AssertionError),
        ("```python\nx = 1\n```\n```text\n1\n```\n", AssertionError),
        ("```python\n>>> 1 + 1\n3\n```\n", AssertionError),
        ("```python\nx = 2\n```\n```python\n>>> x\n3\n```\n", AssertionError),
        ("```python\n>>> raise KeyError\n```\n", AssertionError),
        ("```python\nimport warnings; warnings.warn('old')\n```\n", UserWarning),
        ("```python\nnothing\n```\n", NameError),
    ],
    ids=["other", "unsaid", "silent", "example", "later", "raises", "warns", "fails"],
)
def test_a_page_that_lies_is_found(text: str, error: type[Exception]) -> None:
    """Wrong output, output that is not on the page, a warning and an error all fail."""
    with pytest.raises(error):
        run(text, "page")


def test_a_page_that_is_right_passes() -> None:
    """Blocks of both kinds share one namespace, in order; other languages are not run."""
    page = PRINTS_2 + "```text\n2\n```\n```python\nx = 3\n```\n```python\n>>> x\n3\n```\n"
    assert run(page + "```sh\nexit 1\n```\n", "page")["x"] == 3


@pytest.mark.parametrize("page", WITH_CODE, ids=name_of)
def test_every_block_of_code_is_seen(page: Path) -> None:
    """Fences come in pairs at the start of a line, and all Python is in blocks called python."""
    text = text_of(page)
    assert text.count("```") == 2 * len(blocks(text))
    assert {block.language for block in blocks(text)} <= {"python", "text", "sh"}
    assert ">>>" not in prose(text).replace("`>>>`", "")


# Links


def slugs(text: str) -> set[str]:
    """The names by which a page's headings can be linked to."""
    plain = [re.sub(r"[^\w\- ]", "", heading).strip() for heading in HEADING.findall(prose(text))]
    return {heading.lower().replace(" ", "-") for heading in plain}


def broken(page: Path, text: str) -> list[str]:
    """The links and images of a page that lead to no file, or to no heading of a page."""
    wrong = []
    for link in LINK.findall(prose(text)):
        path, _, heading = link.partition("#")
        target = page.parent / path if path else page
        if "://" in link:
            continue
        if not target.exists() or (heading and heading not in slugs(text_of(target))):
            wrong.append(link)
    return wrong


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link and image of a page is a file of the project."""
    assert broken(page, text_of(page)) == []


def test_broken_links_are_found() -> None:
    """The search sees links and images, in a folder and by heading, and no addresses."""
    text = "[a](docs/index.md) ![b](no.svg) [c](#none) [d](README.md#install) [e](https://e.org)"
    assert broken(README, text) == ["no.svg", "#none"]


def test_every_page_is_on_the_map() -> None:
    """docs/index.md links to each other page of docs/ and to each example."""
    index = ROOT / "docs" / "index.md"
    linked = {(index.parent / link).resolve() for link in LINK.findall(prose(text_of(index)))}
    examples = (ROOT / "examples").glob("[0-9]*.py")
    assert {path.resolve() for path in (*DOCS, *examples)} - {index.resolve()} <= linked


# What the README promises


def test_the_readme_is_short() -> None:
    """It has at most 120 lines."""
    assert len(text_of(README).splitlines()) <= 120


@pytest.mark.parametrize("page", [README, CONTRIBUTING], ids=name_of)
def test_commands_exist(page: Path) -> None:
    """Each `make` target, extra and script that a page names is there."""
    shell = [block.text for block in blocks(text_of(page)) if block.language == "sh"]
    named = "\n".join([*shell, *re.findall(r"`([^`\n]+)`", prose(text_of(page)))])
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    targets = re.findall(r"^([\w-]+):", text_of(ROOT / "Makefile"), re.MULTILINE)
    make = set(re.findall(r"^make ([\w-]+)", named, re.MULTILINE))
    assert {"demo", "test"} <= make <= set(targets)
    assert set(re.findall(r'"\.\[(\w+)\]"', named)) <= set(setup["options.extras_require"])
    assert all((ROOT / script).exists() for script in re.findall(r"python (\S+\.py)", named))


@pytest.mark.parametrize("page", [README, CONTRIBUTING], ids=name_of)
def test_tables_name_what_is_there(page: Path) -> None:
    """Each path that a table names in backticks is a file or folder, but for what is built."""
    rows = "\n".join(re.findall(r"^\|.*\|$", prose(text_of(page)), re.MULTILINE))
    paths = re.findall(r"`((?:[\w.]+/)+[\w.]*)`", rows)
    assert paths
    assert [path for path in paths if not (ROOT / path).exists() and path != "dist/"] == []


def test_the_picture_is_of_the_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The README's picture has the nodes, edges, frames and labels that its program draws anew."""
    monkeypatch.chdir(tmp_path)
    run(text_of(README), "README.md")
    assert f"({PICTURE.relative_to(ROOT).as_posix()})" in text_of(README)
    assert shown(PICTURE) == shown(tmp_path / PICTURE.name)


def shown(path: Path) -> list[str]:
    """The texts in an SVG in some fixed order: what its parts are called, and their labels."""
    texts = (text.strip() for text in ElementTree.parse(path).getroot().itertext())
    return sorted(text for text in texts if text and not text.startswith("%"))  # "%3": no name


# The changelog


def test_the_changelog_tells_of_this_version() -> None:
    """Its first version, which has a date, is that of the package."""
    version, _ = re.findall(r"^## (\S+) - (\d{4}-\d\d-\d\d)$", text_of(CHANGELOG), re.MULTILINE)[0]
    assert version == tg.__version__
