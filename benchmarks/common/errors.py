"""The one error a recipe ends with."""


class BenchmarkError(Exception):
    """Something outside the recipe is missing or failed; the message says what to do."""
