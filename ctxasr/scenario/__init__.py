"""Scenarios, spoken and simulated: their file format, and what makes, imports and replays them.

Nothing is imported here, so that the pytest plugin costs other projects nothing.
"""
