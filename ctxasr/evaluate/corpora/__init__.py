"""Corpora to measure on: made ones of synthetic voices, and readers of the recorded ones.

halves, vocabulary, voices     who speaks, and of what: names and voices of tuning, or held out
names, followups, everyday     what is drawn from a seed
making                         a folder of it: utterances.jsonl, audio/, CORPUS.md
utterance, reading             one utterance with what was asked before it, from any corpus
neighbours, conditions         which names are on offer while it is heard
"""
