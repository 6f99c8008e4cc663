"""Makes the table of `ctxasr.english.vocabulary`: how often words are said, and which are names.

Frequencies are the unigrams of PocketSphinx's stock language model, names the first and last names
of the United States in the package `faker` (the extra `train`). Nothing is drawn: the same versions
give the same bytes.
"""

from __future__ import annotations

import gzip
import math
from pathlib import Path
from typing import Any, Final

from ctxasr.dictionary import VARIANT, dictionary
from ctxasr.errors import MissingPart

RAREST: Final = -14.0
"""Natural log probability; rarer words are left out, names aside."""

LOG_BASE: Final = 1.0001
"""Of the whole numbers in which PocketSphinx keeps logarithms."""

_NAMES: Final = ("first_names", "first_names_male", "first_names_female", "last_names")


def make_vocabulary(path: Path) -> dict[str, int]:
    """Write the table, and say how many words and names it has.

    Raises:
        MissingPart: pocketsphinx or faker is not installed.
    """
    model, names = _unigrams(), _names()
    known = {word for word in dictionary() if not VARIANT.search(word)}
    lines = []
    for word in sorted(known | names):
        log_p = model.prob([word]) * math.log(LOG_BASE)
        if log_p < RAREST and word not in names:
            continue
        tenths = "" if log_p < RAREST else str(round(-10 * log_p))
        lines.append(f"{word}\t{tenths}\tn" if word in names else f"{word}\t{tenths}")
    path.write_bytes(gzip.compress("\n".join(lines).encode(), mtime=0))
    return {"words": len(lines), "names": len(names)}


def _unigrams() -> Any:
    try:
        import pocketsphinx
    except ImportError:
        raise MissingPart("pocketsphinx is not installed: pip install pocketsphinx") from None
    folder = Path(pocketsphinx.get_model_path()) / "en-us"
    return pocketsphinx.NGramModel.readfile(str(folder / "en-us.lm.bin"))


def _names() -> set[str]:
    try:
        from faker.providers.person.en_US import Provider
    except ImportError:
        raise MissingPart("faker: pip install 'ctxasr[train]'") from None
    return {name.lower() for kind in _NAMES for name in getattr(Provider, kind, ())}
