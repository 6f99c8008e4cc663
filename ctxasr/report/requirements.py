"""What to install where an import fails: `doctor`'s words, for every command.

    advice(error of `import moto`)  ->  "moto is not installed: pip install 'ctxasr[local]'; ..."

Only the standard library is imported: anything else may be what is missing.
"""

from __future__ import annotations

import re
from importlib import metadata
from typing import Final

TORCH: Final = "pip install torch, the CPU build, as PyTorch's own page says"

_DISTRIBUTIONS: Final = {
    "ruamel": "ruamel.yaml",
    "python_multipart": "python-multipart",
    "aws_lambda_powertools": "aws-lambda-powertools",
    "starlette": "fastapi",
    "werkzeug": "moto",
    "flask": "moto",
    "flask_cors": "moto",
    "botocore": "aioboto3",
    "aiobotocore": "aioboto3",
}
"""Modules whose distribution has another name, or comes with another one."""

_REQUIREMENT: Final = re.compile(r"([\w.-]+)[^;]*(?:;.*extra *== *['\"]([\w-]+)['\"])?")


def advice(error: ImportError) -> str | None:
    """One sentence on how to get what is missing; None if it is a module of our own."""
    module = (error.name or "").partition(".")[0]
    if not module or module == "ctxasr":
        return None
    state = "is not installed"
    if not isinstance(error, ModuleNotFoundError):
        state = "is installed, but cannot be loaded as it is needed"
    return f"{module} {state}: {fix_of(module)}; `ctxasr doctor` says what else is missing"


def fix_of(module: str) -> str:
    """How to get a module: by the extra of ctxasr that has it, or by itself."""
    name = _DISTRIBUTIONS.get(module, module)
    if name == "torch":
        return TORCH
    extra = _extras().get(name.lower())
    return f"pip install '{f'ctxasr[{extra}]' if extra else name}'"


def _extras() -> dict[str, str]:
    """The optional distributions by their extra."""
    try:
        required = metadata.requires("ctxasr") or []
    except metadata.PackageNotFoundError:  # run from its sources
        return {}
    found = [_REQUIREMENT.match(one) for one in required]
    return {one[1].lower(): one[2] for one in found if one is not None and one[2]}
