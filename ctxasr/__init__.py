"""Contextual speech recognition: what was just asked tells what the answer may be."""

__version__ = "0.1.0"
