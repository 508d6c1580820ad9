"""Hypothesis without a time limit per example: on a busy machine it would find only the machine."""

from hypothesis import settings

settings.register_profile("skitter", deadline=None)
settings.load_profile("skitter")
