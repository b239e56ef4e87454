"""The one error of this package."""


class TrainerError(ValueError):
    """A setting, a run folder or an export is unusable; the message says why and what to do next."""
