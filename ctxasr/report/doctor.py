"""What this machine has of what ctxasr needs, tried for real, and how to get the rest.

Each check does the thing itself: it loads the weights, starts the server, writes a file.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from rich.text import Text

from ctxasr.report.requirements import TORCH, fix_of

PYTHON_MIN: Final = (3, 11)

PACKAGES: Final = (
    "aioboto3", "tenacity", "cryptography", "pydantic", "pydantic-settings", "numpy", "typer",
    "rich", "ruamel.yaml", "pocketsphinx", "soundfile", "soxr", "safetensors", "torch",
    "jiwer", "scipy", "moto",
)  # fmt: skip
"""The dependencies and the extra `local`; a test holds it equal to pyproject.toml."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing, whether it is there, what was found, and otherwise how to get it."""

    name: str
    present: bool
    found: str
    fix: str = ""
    required: bool = True

    @property
    def fine(self) -> bool:
        return self.present or not self.required

    def render(self) -> Text:
        """A line, and one below it that says how to get what is absent."""
        style = "green" if self.present else "yellow" if self.fine else "bold red"
        state = "ok" if self.present else "absent" if self.fine else "MISSING"
        line = Text.assemble((f"{state:8}", style), f"{self.name:20}{self.found}")
        return line if self.present else line.append(f"\n{'':8}{self.fix}", "bold")

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def examine() -> Iterator[Check]:
    """All checks, one after the other; the last ones take seconds."""
    yield _python()
    yield from map(_package, PACKAGES)
    for name, fix, required, look in _CHECKS:
        try:
            yield Check(name, True, look(), "", required)
        except Exception as error:  # whatever is broken on a machine, the others are still checked
            yield Check(name, False, _why(error), fix, required)


def _why(error: BaseException) -> str:
    from ctxasr.errors import CtxasrError

    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, ImportError) and error.name:
        return f"{error.name} cannot be imported"
    return str(error) if isinstance(error, (CtxasrError, _Absent)) else type(error).__name__


class _Absent(Exception):
    """Something optional is not there."""


def _python() -> Check:
    found, wanted = sys.version.split()[0], ".".join(map(str, PYTHON_MIN))
    return Check("Python", sys.version_info >= PYTHON_MIN, found, f"install Python {wanted}")


def _package(name: str) -> Check:
    try:
        return Check(name, True, metadata.version(name))
    except metadata.PackageNotFoundError:
        return Check(name, False, "not installed", fix_of(name))


def _torch() -> str:
    import torch

    ones = torch.ones(8, 8)
    assert float((ones @ ones).sum()) == 512, "8 * 8 sums of 8 ones"
    return f"computes, {torch.get_num_threads()} threads"


def _encoder() -> str:
    from ctxasr.encoder import weights

    model = weights.load()
    return f"{sum(p.numel() for p in model.parameters()):,} parameters"


def _g2p() -> str:
    from ctxasr.speech.g2p import G2P

    phones, _ = G2P.load().pronounce("bauer")[0]
    return f"'bauer' is {' '.join(phones)}"


def _recogniser() -> str:
    from ctxasr.speech.pocketsphinx import LANGUAGES, PocketSphinxDecoder

    for language in LANGUAGES:
        PocketSphinxDecoder(language=language).load()
    return f"US-English; {' and '.join(LANGUAGES)} language models load"


def _whisper() -> str:
    from ctxasr.speech.recognisers import whisper_model
    from ctxasr.speech.whisper import WhisperDecoder

    WhisperDecoder(whisper_model(), fetch=False).load()
    return f"the model {whisper_model()} loads"


def _server() -> str:
    from ctxasr.store.local import LocalAws

    async def start() -> str:
        async with LocalAws() as server:
            return f"started on {server.endpoint}"

    return asyncio.run(start())


def _door() -> str:
    import fastapi
    import limits  # noqa: F401
    import python_multipart  # noqa: F401
    import uvicorn

    return f"fastapi {fastapi.__version__}, uvicorn {uvicorn.__version__}"


def _temporary() -> str:
    with tempfile.NamedTemporaryFile(prefix="ctxasr-") as file:
        file.write(b"\0" * 65_536)
        file.flush()
    return tempfile.gettempdir()


def _voices() -> str:
    from ctxasr.speech.tts import available_voices

    families = Counter(voice.partition(":")[0] for voice in available_voices())
    if not families:
        raise _Absent("no program; only making new audio needs one")
    return ", ".join(f"{count} of {name}" for name, count in sorted(families.items()))


def _data() -> str:
    from ctxasr.encoder.sgd import read_catalogue

    folder = os.environ.get("CTXASR_DATA")
    if not folder:
        raise _Absent("not set; only training the encoder needs it")
    return f"{len(read_catalogue(Path(folder)))} kinds of names"


def _settings() -> str:
    from ctxasr.settings import from_environment

    found = from_environment()
    return ", ".join(sorted(found)) + " set" if found else "none set, all as shipped"


def _spelling() -> str:
    from ctxasr.settings import misspelt

    if found := misspelt():
        meant = [f"{name} ({close}?)" if close else name for name, close in found.items()]
        raise _Absent(f"unknown: {', '.join(meant)}")
    return "every CTXASR_ variable is known"


_REINSTALL: Final = "pip install --force-reinstall 'ctxasr[local]'"
_CHECKS: Final[tuple[tuple[str, str, bool, Callable[[], str]], ...]] = (
    (
        "temporary folder",
        "set TMPDIR to a folder with room that you may write to",
        True,
        _temporary,
    ),
    (
        "torch on the CPU",
        TORCH,
        True,
        _torch,
    ),
    ("encoder weights", f"{_REINSTALL}, or `ctxasr train --part encoder`", True, _encoder),
    ("g2p weights", f"{_REINSTALL}, or `ctxasr train --part g2p`", True, _g2p),
    ("PocketSphinx model", f"{_REINSTALL} pocketsphinx", True, _recogniser),
    (
        "Whisper",
        "pip install 'ctxasr[whisper]'; the first --recogniser whisper fetches the model, or "
        "CTXASR_WHISPER names the folder of one",
        False,
        _whisper,
    ),
    ("local DynamoDB", "pip install 'ctxasr[local]'; allow sockets on 127.0.0.1", True, _server),
    ("HTTP door", "pip install 'ctxasr[serve]'", False, _door),
    (
        "test voices",
        "apt-get install flite, festival with festvox-us-slt-hts, or espeak-ng",
        False,
        _voices,
    ),
    ("settings", "set the variable as it says, or not at all", True, _settings),
    ("spelling", "README.md lists the variables; others are not read", False, _spelling),
    ("CTXASR_DATA", "set it to the folder that holds sgd_followup/", False, _data),
)
