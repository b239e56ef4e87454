"""All hostile models, for tests and for ``python -m benchmarks hostile``."""

from __future__ import annotations

from benchmarks.hostile import broken, contracts, growth, running
from benchmarks.hostile.making import HostileModel as HostileModel
from benchmarks.hostile.making import Maker


def corpus(input_shape: tuple[int, ...] = (1, 8, 8), classes: int = 10) -> list[HostileModel]:
    """Make every model, fit to a pool of that shape (but where not fitting is what is wrong).

    Args:
        input_shape: Shape of one x.
        classes: C of the models that are otherwise sound.
    """
    maker = Maker(shape=input_shape, classes=classes)
    return [model for part in (broken, contracts, growth, running) for model in part.REGISTRY.all(maker)]
