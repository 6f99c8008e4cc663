"""`python -m ctxasr` is `ctxasr`."""

from ctxasr.cli import main

if __name__ == "__main__":
    main()
