"""Contextual speech recognition: what was just asked tells what the answer may be.

    from ctxasr import Rescorer

    rescorer = Rescorer()
    heard = ["meg power", "meg bower"]
    answer = rescorer.rescore(heard, reply="Do you mean Meg Jones or Meg Bauer?")
    print(answer.text)  # meg bauer

What is exported is loaded when it is first asked for: importing the package costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from ctxasr.rescorer import Rescored, Rescorer

__version__ = "0.1.0"

__all__ = ["Rescored", "Rescorer", "__version__"]

_HOMES: Final = {"Rescored": "ctxasr.rescorer", "Rescorer": "ctxasr.rescorer"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'ctxasr' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
