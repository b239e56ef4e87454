"""What the ledger costs: the same selections, in turns, over the durable ledger and over none."""

from benchmarks.durability.recipe import add_arguments, run

__all__ = ["add_arguments", "run"]
