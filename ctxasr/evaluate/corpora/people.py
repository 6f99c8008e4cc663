"""Names of people: the profiles of the EVI data, read where they lie and never copied into here.

Both the name and the family count for a half: no family of the tuning half stands in the other.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Final

from ctxasr.errors import DataError
from ctxasr.evaluate.corpora.halves import Half, of_half
from ctxasr.evaluate.corpora.vocabulary import COMMON_GIVEN, FAMILY, GIVEN

PEOPLE_FILE: Final = "people.json.gz"
EVI_FOLDER: Final = "evi_names"


def data_file(data: Path | None, folder: str, name: str) -> Path:
    """A file of the evaluation data, or of the one folder of it that is needed.

    Raises:
        DataError: no folder was named, or the file is not there.
    """
    if data is None:
        raise DataError(f"--data (or CTXASR_DATA) is missing; give the folder that holds {folder}/")
    for path in (data / folder / name, data / name):
        if path.exists():
            return path
    raise DataError(f"{data / folder / name}: no such file; --data names the folder of the data")


def read_people(data: Path | None) -> list[str]:
    """All names of the profiles, as they are written.

    Raises:
        DataError: the file is missing or malformed.
    """
    path = data_file(data, EVI_FOLDER, PEOPLE_FILE)
    try:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            names = json.load(file)
    except (OSError, EOFError, ValueError) as error:
        raise DataError(f"{path}: {type(error).__name__}; gzipped JSON is wanted") from None
    if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
        raise DataError(f"{path}: must be a list of names")
    return list(dict.fromkeys(names))


def people_of(half: Half, people: list[str]) -> list[str]:
    """Those whose family name belongs to the half."""
    families = set(of_half(half, (name.split()[-1] for name in people)))
    return [name for name in people if name.split()[-1] in families]


def single_names(half: Half, people: list[str]) -> list[str]:
    """Given and family names of the half, each by itself: of `people`, and of our own lists."""
    own = [name.capitalize() for name in (*COMMON_GIVEN, *GIVEN, *FAMILY)]
    return of_half(half, [*own, *(part for name in people for part in name.split())])
