"""Kill the server at random instants under concurrent writers, and hold what it acknowledged against what it has.

Threads select, label, correct, retract, release, add and remove over gRPC; each writes down what it sends before it
sends it, and what was acknowledged. SIGKILL ends the server at a random moment, also while it starts; some kills leave
a torn write behind, some runs have the disk full for a while, or lose a worker process instead of the server. After
every restart a checker reads everything back.
"""

from benchmarks.crash.recipe import add_arguments, run

__all__ = ["add_arguments", "run"]
