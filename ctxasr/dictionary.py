"""CMUdict: 126,000 English words and names, each with the phones of its pronunciations.

It is read out of PocketSphinx's wheel, whose recogniser uses it: every word that the recogniser can
put out stands here. Nothing of PocketSphinx is imported for that, and what runs without a
recogniser needs the dictionary alone of it (infra/lambda_check/trees.py).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from ctxasr.errors import MissingPart

IN_POCKETSPHINX: Final = Path("model", "en-us", "cmudict-en-us.dict")
"""Where the package `pocketsphinx` keeps it."""

VARIANT: Final = re.compile(r"\(\d+\)$")
"""How dictionaries mark a further pronunciation: "read(2)"."""


@cache
def dictionary() -> Mapping[str, str]:
    """Lower-case "word" and "word(2)" -> its phones, "R EH D". About 100 ms, once a process.

    Raises:
        MissingPart: pocketsphinx is not installed, or without its dictionary.
    """
    package = find_spec("pocketsphinx")
    folders = (package and package.submodule_search_locations) or ()
    found = [path for folder in folders if (path := Path(folder) / IN_POCKETSPHINX).is_file()]
    if not found:
        raise MissingPart(f"pocketsphinx, with {IN_POCKETSPHINX}: pip install pocketsphinx")
    entries = (line.partition(" ") for line in found[0].read_text(encoding="utf-8").splitlines())
    return {word: phones for word, _, phones in entries if phones}
