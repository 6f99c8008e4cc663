"""One-line changes to the shipped code, tried on a copy of it: the code in use stays as it is."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

import ctxasr

PACKAGE = Path(ctxasr.__file__).parent
STAGES = ("ctxasr.record", "ctxasr.trigger", "ctxasr.windows", "ctxasr.pipeline")


def changed(module: str, line: str, becomes: str) -> ModuleType:
    """A module of its own, made from the source of `module` with one place changed."""
    path = PACKAGE / f"{module.removeprefix('ctxasr.').replace('.', '/')}.py"
    source = path.read_text()
    assert source.count(line) == 1, f"{module} has {source.count(line)} times: {line}"
    made, before = ModuleType(module), sys.modules.get(module)
    made.__file__ = str(path)
    sys.modules[module] = made  # dataclasses look their module up
    try:
        exec(compile(source.replace(line, becomes), str(path), "exec"), made.__dict__)  # noqa: S102
    finally:
        sys.modules.pop(module)
        if before is not None:
            sys.modules[module] = before
    return made


def changed_pipeline(module: str, line: str, becomes: str) -> ModuleType:
    """`ctxasr.pipeline` over fresh copies of the stages, one of which has one place changed."""
    before = {name: sys.modules.pop(name) for name in STAGES if name in sys.modules}
    try:
        for name in STAGES:
            if name == module:
                sys.modules[name] = changed(module, line, becomes)
            else:
                importlib.import_module(name)
        return sys.modules["ctxasr.pipeline"]
    finally:
        for name in STAGES:
            sys.modules.pop(name, None)
        for name, kept in before.items():
            sys.modules[name] = kept
            setattr(ctxasr, name.rpartition(".")[2], kept)
