"""Checks two scripts of a user: `python -m tests.typing mypy`, or pyright.

Of right.py each `reveal_type` must be what the comment after it says, and no line an error; of
wrong.py the lines that are marked must be errors, and no others. They are checked from their own
folder, so that the package is the one that is installed.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).parent
FILES = ("right.py", "wrong.py")
CACHE = FOLDER.parents[1] / ".mypy_cache" / "user"
MYPY = ("mypy", "--strict", "--no-pretty", "--no-error-summary", f"--cache-dir={CACHE}")
PYRIGHT = ("pyright", "--outputjson", "--pythonpath", sys.executable)
LINE = re.compile(r"(\w+\.py):(\d+): (error|note): (.*)")
REVEALED = re.compile(r'(?:Revealed type is|Type of .* is) "(.*)"')


class Said(NamedTuple):
    """What a checker says of a line."""

    file: str
    line: int
    error: bool
    text: str


def by_mypy() -> Iterator[Said]:
    """What mypy says, strictly."""
    for file, line, kind, text in LINE.findall(_output(MYPY)):
        yield Said(file, int(line), kind == "error", text)


def by_pyright() -> Iterator[Said]:
    """What pyright says."""
    for found in json.loads(_output(PYRIGHT))["generalDiagnostics"]:
        line = found["range"]["start"]["line"] + 1
        yield Said(Path(found["file"]).name, line, found["severity"] == "error", found["message"])


def _output(command: tuple[str, ...]) -> str:
    """What a checker prints. Raises: RuntimeError where it could not do its work."""
    done = subprocess.run(
        [sys.executable, "-m", *command, *FILES], cwd=FOLDER, capture_output=True, text=True
    )
    if done.returncode not in (0, 1):
        raise RuntimeError(done.stdout + done.stderr)
    return done.stdout


def comments(file: str) -> dict[int, str]:
    """The comments after code, by line."""
    lines = (FOLDER / file).read_text(encoding="utf-8").splitlines()
    return {k: line.split("  # ")[1] for k, line in enumerate(lines, 1) if "  # " in line}


def short(kind: str) -> str:
    """A type without the modules of its parts."""
    return re.sub(r"[\w.]+\.(?=\w)", "", kind).replace("ndarray[Any, dtype[Any]]", "Array")


def faults(said: list[Said]) -> Iterator[str]:
    """Where a checker does not say what it should."""
    revealed = {x.line: short(found[1]) for x in said if (found := REVEALED.match(x.text))}
    for line, kind in comments("right.py").items():
        if revealed.get(line) != kind:
            yield f"right.py:{line}: {revealed.get(line)}, and not {kind}"
    yield from (f"{x.file}:{x.line}: {x.text}" for x in said if x.error and x.file == "right.py")
    found = {x.line for x in said if x.error and x.file == "wrong.py"}
    for line in sorted(found ^ comments("wrong.py").keys()):
        yield f"wrong.py:{line}: {'is no slip' if line in found else 'is not found'}"


def main(checker: str) -> int:
    """Prints what is not as it should be; 1 where there is anything."""
    said = list({"mypy": by_mypy, "pyright": by_pyright}[checker]())
    wrong = list(faults(said))
    print(*wrong, sep="\n", end="\n" if wrong else "")
    right, slips = (len(comments(file)) for file in FILES)
    print(f"{checker}: {right} types and {slips} slips, of which {len(wrong)} are not seen rightly")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
