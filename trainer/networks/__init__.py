"""Networks of the trainer: generators, critics and auto-encoders for images and vectors."""

from trainer.networks.build import Networks, build_networks

__all__ = ["Networks", "build_networks"]
