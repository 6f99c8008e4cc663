"""PocketSphinx itself: its decoders, made, fed with an utterance, and read."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from ctxasr.errors import InputError, MissingPart
from ctxasr.hypotheses import Lattice
from ctxasr.speech.lattice import read_htk


def make_decoder(**options: Any) -> Any:
    """A PocketSphinx decoder with the stock acoustic model.

    Raises:
        MissingPart: pocketsphinx is not installed, or without its model.
    """
    try:
        import pocketsphinx
    except ImportError:
        raise MissingPart("pocketsphinx is not installed: pip install pocketsphinx") from None
    try:
        return pocketsphinx.Decoder(loglevel="FATAL", **options)
    except RuntimeError:
        raise MissingPart(
            "pocketsphinx cannot load its US-English model: pip install --force-reinstall it"
        ) from None


def decode(decoder: Any, sound: bytes) -> None:
    """Have an utterance decoded: 16 kHz mono, 16 bit."""
    # The front end tracks the noise level, and start_utt() keeps what it learnt from the utterance
    # before: the same sound then gives other words. 0.1 ms; start_stream() does so too, deprecated.
    decoder.reinit_feat()
    decoder.start_utt()
    try:
        decoder.process_raw(sound, full_utt=True)
    finally:
        decoder.end_utt()


def read_lattice(decoder: Any) -> Lattice | None:
    """The word lattice, through memory where the system can: what was said never gets a file."""
    lattice = decoder.get_lattice()
    if lattice is None:
        return None
    try:
        if hasattr(os, "memfd_create"):
            handle = os.memfd_create("lattice")
            try:
                lattice.write_htk(f"/proc/self/fd/{handle}")
                size = os.stat(handle).st_size
                return read_htk(os.pread(handle, size, 0).decode())
            finally:
                os.close(handle)
        with tempfile.TemporaryDirectory() as folder:  # mode 0700
            path = Path(folder) / "lattice"
            lattice.write_htk(str(path))
            return read_htk(path.read_text())
    except (InputError, RuntimeError, OSError):
        return None  # the n-best list stands without it
