"""`ctxasr` and `python -m ctxasr`: the command line, if it can be loaded.

Loading takes a tenth of a second, in which Ctrl-C may come, or a package turn out to be missing
that `ctxasr.cli` needs to say anything at all.
"""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line, which handles its own errors once it is loaded."""
    try:
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


if __name__ == "__main__":
    main()
