"""What comes of a fleet's blocks, as small plain data that can be added up.

    measures   of one run: counts, histograms, seconds; adds up, and is JSON both ways
    fine       histograms that keep any quantile within half a percent
    lanes      seconds of the whole run, folded as they pass, so that memory stays flat
    question   what is asked of a fleet: how many dialogues, at what rate, under what faults
    blocks     one block carried out; summary: blocks merged in their order

Nothing is imported here.
"""
