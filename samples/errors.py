"""The one error of this package."""


class SampleError(ValueError):
    """Samples cannot be used; the message names the file, what is wrong with it and what would be right."""
