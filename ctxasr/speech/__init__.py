"""From sound to hypotheses and back: recognisers, pronunciation, audio files, test voices.

Importing this package loads neither the recogniser nor torch nor an audio library: each module
imports its heavy parts when they are first used.
"""
