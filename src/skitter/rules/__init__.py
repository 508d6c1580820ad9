"""Decisions, pure: no await, no clock, no I/O, no randomness. Time is an argument."""
