"""Wyoming: the fields of `transcribe` that bias its utterance, since version 1.10.

    {"transcript_names": ["Meg Bauer", "Meg Jones"]}

Source: `Transcribe` in the `wyoming` package, version 1.10.2. Names are the strong ones, and what a
context names are names; terms stay the caller's own. The protocol has no limit; our own server
takes HINTS_MAX phrases and makes the parts of names itself, so that parts are left out here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ctxasr.bias import BiasingPhrase
from ctxasr.gateway.export.choose import PLAIN, Exported, Format, Options, choose
from ctxasr.hints import HINTS_MAX

TARGET: Final = "wyoming"


def transcript_names(phrases: Sequence[BiasingPhrase], options: Options = PLAIN) -> Exported:
    """The fields, to be merged into the data of a `transcribe`."""
    chosen = choose(phrases, Format(str, entries_max=HINTS_MAX, parts=False))
    return chosen.exported(TARGET, {"transcript_names": chosen.written})
