"""`ctxasr` and `python -m ctxasr`: the command line, if it can be loaded.

Loading takes a tenth of a second, in which Ctrl-C may come, or a package turn out to be missing
that `ctxasr.cli` needs to say anything at all.
"""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run the command line, which handles its own errors once it is loaded."""
    try:
        _open_streams()
        from ctxasr.cli import main as command_line

        command_line()
    except KeyboardInterrupt:
        sys.exit(130)
    except ImportError as error:
        from ctxasr.report.requirements import advice

        wanted = advice(error)
        if wanted is None:
            raise
        sys.stderr.write(f"ctxasr: {wanted}\n")
        sys.exit(2)


def _open_streams() -> None:
    """Give stdin, stdout and stderr a null device each where the caller has closed them.

    Python has None in their place then, and the next file that is opened takes their number.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            null = os.open(os.devnull, os.O_RDWR)
            setattr(sys, name, os.fdopen(null, mode, encoding="utf-8"))


if __name__ == "__main__":
    main()
