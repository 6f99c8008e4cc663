"""Malicious YAML, size: a file of many gigabytes that takes no room on the attacker's disk.

A sparse file, a pipe without an end or a link to /dev/zero fills the memory of whoever reads it.

Attacker: sends an archive with a scenario file in it.
Holds against it: a bounded number of bytes is read, and of regular files alone.
"""

import os
import tracemalloc
from pathlib import Path
from tempfile import TemporaryDirectory

from _lab import Gained, Mutant, carry_out

MUTANT: Mutant = (
    "scenario/source.py",
    "data = stream.read(SCENARIO_BYTES_MAX + 1)",
    "data = stream.read()",
)
GAINS = "bytes of memory for a file that is refused"

SPARSE_BYTES = 64 * 1024 * 1024


async def attack() -> str:
    from ctxasr.errors import ScenarioError
    from ctxasr.scenario.source import SCENARIO_BYTES_MAX, VALUES_MAX, parse_source, read_source

    with TemporaryDirectory() as folder:
        sparse, pipe, zero = (Path(folder) / name for name in ("sparse", "pipe", "zero"))
        with sparse.open("wb") as stream:
            stream.truncate(SPARSE_BYTES)
        os.mkfifo(pipe)
        zero.symlink_to("/dev/zero")
        for path in (sparse, pipe, zero):
            tracemalloc.start()
            try:
                read_source(path)
            except ScenarioError:
                peak = tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()
            if peak > 4 * SCENARIO_BYTES_MAX:
                raise Gained(f"{peak} bytes of memory for a file that is refused")
    try:
        parse_source("[" + "a," * (VALUES_MAX + 1) + "]")
    except ScenarioError as error:
        if "VALUES_MAX" not in str(error):
            raise
    else:
        raise Gained("values without a limit were read")
    return "what is too large is refused, and not read to its end"


if __name__ == "__main__":
    carry_out(attack)
