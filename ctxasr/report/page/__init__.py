"""The parts of self-contained HTML pages.

parts      sections, plots, tables; how numbers are written
sections   of a simulation: turns and answers; load; designs: what-ifs and sweeps; checks
plots      what is drawn; svg: a matplotlib figure as a part of a page

Nothing is imported here.
"""
