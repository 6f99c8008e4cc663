"""Licences of what the package, the zips and the image bring along: none may be copyleft.

    python -m infra.licences             the project's dependencies, transitively, without extra dev
    python -m infra.licences FOLDER ...  whatever is installed there

A distribution says its licence as an SPDX expression, or in older ways that are read as one (the
trove classifiers, the licence field). It must be one of PERMISSIVE; what is unknown is refused. The
texts that lie in it are looked through as well, for wheels carry libraries whose licence their own
metadata do not name. What is let through all the same stands in REVIEWED, with the reason.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT: Final = Path(__file__).parents[1]

PERMISSIVE: Final = frozenset(
    "0BSD AFL-2.1 Apache-2.0 BSD-2-Clause BSD-3-Clause BSL-1.0 CC0-1.0 CNRI-Python ISC MIT MIT-0 "
    "MIT-CMU PSF-2.0 Unlicense Zlib".split()
)
"""SPDX identifiers of licences that ask for no more than a notice."""

OLDER_NAMES: Final[Mapping[str, str]] = {
    "3-clause bsd license": "BSD-3-Clause",
    "apache 2.0": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "apache software license": "Apache-2.0",
    "bsd": "BSD-3-Clause",
    "bsd license": "BSD-3-Clause",
    "isc license (iscl)": "ISC",
    "mit license": "MIT",
    "mit no attribution license (mit-0)": "MIT-0",
    "python software foundation license": "PSF-2.0",
}
"""How classifiers and licence fields name them, in lower case."""

REVIEWED: Final[Mapping[str, str]] = {
    "certifi": "MPL-2.0, on its files alone: a list of certificates, installed unchanged",
    "soxr": "LGPL-2.1-or-later: a shared library that pip fetches, replaceable; in no zip and not "
    "in the image",
    "soundfile": "BSD itself; its wheel carries libsndfile (LGPL-2.1) as a shared library of its "
    "own, replaceable; in no zip and not in the image",
    "numpy": "BSD itself; its wheel carries libgfortran (GPL-3.0 with the GCC runtime exception, "
    "which lets any program use it) and libquadmath (LGPL-2.1, a shared library of its own)",
    "scipy": "as numpy",
    "tqdm": "MPL-2.0 on its files alone, and MIT; installed unchanged, for faster-whisper",
    "av": "BSD itself; its wheel carries FFmpeg with x264 and x265 (GPL-2.0-or-later) as shared "
    "libraries: pip fetches it for faster-whisper, which reads files with it and is given none; "
    "in no zip and not in the image",
    "torch": "its licences are permissive; it also lists those of test suites that are not in it",
    "setuptools": "MIT itself; carries autocommand (LGPL-3.0), which nothing at run time imports",
}
"""Distributions that are let through, and why."""

_COPYLEFT: Final = re.compile(
    r"^\W*GNU (LESSER |AFFERO |LIBRARY )?GENERAL PUBLIC LICENSE\W*$", re.M
)
"""The title of the licence text itself: a mention of it is not enough."""
_OF_A_LICENCE: Final = re.compile(
    r"(licen[cs]e|copying|gpl)[^/]*$|\.dist-info/licenses/", re.IGNORECASE
)
"""By its name, or by its place (PEP 639)."""


def permitted(expression: str) -> bool:
    """Whether an SPDX expression lets itself be met by PERMISSIVE licences alone.

    An exception (`WITH`) only ever permits more. Parentheses are not read: refused.
    """
    return any(
        all(part.partition(" WITH ")[0].strip() in PERMISSIVE for part in choice.split(" AND "))
        for choice in expression.split(" OR ")
    )


def expression_of(one: metadata.Distribution) -> str:
    """What a distribution says its licence is, as an SPDX expression; "unknown" if it does not."""
    told = one.metadata
    for expression in told.get_all("License-Expression") or ():
        return str(expression)
    named = [
        line.rpartition(" :: ")[2]
        for line in told.get_all("Classifier") or ()
        if line.startswith("License :: ") and line != "License :: OSI Approved"
    ]
    if not named:
        named = told.get_all("License") or ["unknown"]
    known = [OLDER_NAMES.get(name.strip().lower(), name.strip()) for name in named]
    return " AND ".join(name if len(name) < 60 else "unknown" for name in known)


def findings(distributions: Iterable[metadata.Distribution]) -> Iterator[str]:
    """One sentence for each distribution that may not be shipped."""
    for one in distributions:
        name = canonicalize_name(one.metadata["Name"])
        if name in REVIEWED:
            continue
        expression = expression_of(one)
        if not permitted(expression):
            yield f"{name}: its licence is {expression}, which infra/licences.py does not permit"
        for path in one.files or ():
            if _OF_A_LICENCE.search(str(path)) and path.suffix not in (".py", ".pyc"):
                place = Path(str(path.locate()))
                if place.is_file() and _COPYLEFT.search(place.read_text("utf-8", "replace")):
                    yield f"{name}: {path} is a GNU licence, of something that it carries"


def closure(requirements: Iterable[str]) -> list[metadata.Distribution]:
    """The distributions that requirements lead to, on this platform, sorted by name.

    Raises:
        importlib.metadata.PackageNotFoundError: one of them is not installed.
    """
    todo = [Requirement(line) for line in requirements]
    found: dict[tuple[str, frozenset[str]], metadata.Distribution] = {}
    while todo:
        wanted = todo.pop()
        extras = frozenset(wanted.extras)
        place = canonicalize_name(wanted.name), extras
        if place in found:
            continue
        found[place] = metadata.distribution(wanted.name)
        for line in found[place].requires or ():
            inner = Requirement(line)
            asked = [{"extra": extra} for extra in ("", *extras)]
            if inner.marker is None or any(inner.marker.evaluate(one) for one in asked):
                todo.append(inner)
    by_name = {name: one for (name, _), one in found.items()}
    return [by_name[name] for name in sorted(by_name)]


def shipped() -> list[metadata.Distribution]:
    """What whoever installs the package gets, with every extra that is not for its developers."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    return closure(
        [
            *project["dependencies"],
            *(line for name in extras if name != "dev" for line in extras[name]),
        ]
    )


def main(folders: list[str]) -> int:
    """Print what may not be shipped; 1 if there is something."""
    found = (
        [one for folder in folders for one in metadata.distributions(path=[folder])]
        if folders
        else shipped()
    )
    wrong = list(findings(found))
    print("\n".join(wrong) or f"licences: {len(found)} distributions, none is copyleft unreviewed")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
