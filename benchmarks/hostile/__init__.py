"""Hostile and broken classifiers sent to a server that others use: what it does to them, and what they do to it."""

from benchmarks.hostile.recipe import add_arguments, run

__all__ = ["add_arguments", "run"]
