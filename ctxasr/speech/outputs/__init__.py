"""Readers of what other recognisers write: n-best lists, word lattices, confusion networks.

source            a file's text, its JSON documents, and the utterances that come out of it
links             links between nodes -> a lattice
whisper vosk transcribe deepgram google    JSON, one module an engine
kaldi             n-best lists of `nbest-to-linear`      kaldi_lattice    lattices as text
slf               HTK lattices                           ctm              time-marked words
formats           which reader reads what, and how a file's beginning tells
"""
