"""Tasks on a Ray cluster, by Ray Data: results come back in order, and a task whose node is lost is done again.

Tasks rather than actors: one runs wherever there is room, where an actor pool waits for room for its actor. What a task
refuses is raised here as if the work had been done here.
"""

from __future__ import annotations

import functools
import logging
import os
import pickle
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from query_server.errors import DowserError, extra_not_installed, unavailable
from samples.errors import SampleError

#: Ray moves a result as one value of an Arrow column, which holds 2 GiB at most.
MAX_RESULT_BYTES = 2**31 - 2**20

_ANSWER_SECONDS = 5.0
_Result = TypeVar("_Result")
_LOG = logging.getLogger(__name__)


@contextmanager
def connected(address: str | None) -> Iterator[None]:
    """Connect to a cluster, unless this process is connected already, and leave it at the end.

    Args:
        address: HOST:PORT; None takes RAY_ADDRESS, or starts a cluster of this machine alone.

    Raises:
        DowserError: EXTRA_NOT_INSTALLED, or UNAVAILABLE without a cluster at that address.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # else it reports use to its maker
    try:
        import ray
        import ray.data
    except ImportError:
        raise extra_not_installed("ray", "ray") from None
    if ray.is_initialized():
        yield
        return
    named = address or os.environ.get("RAY_ADDRESS", "")
    _require_listener(named)
    try:
        ray.init(address=address, log_to_driver=False, include_dashboard=False)
    except ConnectionError as error:
        raise _no_cluster(named, error) from None
    try:
        yield
    finally:
        ray.shutdown()


def _require_listener(address: str) -> None:
    """Refuse a HOST:PORT where nothing listens, which Ray itself would go on asking for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdecimal():
        return  # one of Ray's own words, such as "auto"
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_ANSWER_SECONDS).close()
    except (OSError, OverflowError) as error:  # a port above 65535 overflows
        raise _no_cluster(address, error) from None


def _no_cluster(address: str, error: Exception) -> DowserError:
    return unavailable(
        f"no Ray cluster answers at {address}: {error}; start one with ray start --head and give the HOST:PORT that it "
        "prints as --ray-address, or give none (and no RAY_ADDRESS) to use this machine alone"
    )


def in_order(
    task: Callable[[int], _Result], numbers: Sequence[int], *, threads: int, device: str
) -> Iterator[_Result]:
    """Yield a task's result for each number, in order; ``connected`` holds meanwhile.

    Args:
        task: Found on each node by its module's name.
        numbers: What to call it with.
        threads: CPUs of a task.
        device: "cuda" takes a GPU for each task.

    Raises:
        DowserError, SampleError, OSError: As the task raises.
    """
    import ray
    import ray.data

    if not numbers:
        return
    gpus = 1 if device == "cuda" else None
    needed = {"CPU": threads, **({"GPU": gpus} if gpus else {})}
    if not any(_has(node, needed) for node in ray.nodes()):
        _LOG.warning("no node of the Ray cluster has %s, which a task takes; waiting for one", needed)
    context = ray.data.DataContext.get_current()
    context.execution_options.preserve_order = True
    context.enable_progress_bars = False
    rows = ray.data.from_items([{"number": number} for number in numbers], override_num_blocks=len(numbers))
    done = rows.map(functools.partial(_answered, task=task), num_cpus=threads, num_gpus=gpus)
    for row in done.iter_rows():
        result, error = pickle.loads(row["answer"])
        if error is not None:
            raise error
        yield result


def _answered(row: dict[str, Any], *, task: Callable[[int], Any]) -> dict[str, bytes]:
    answer: tuple[Any, Exception | None]
    try:
        answer = (task(int(row["number"])), None)
    except (DowserError, SampleError, OSError) as error:
        answer = (None, error)
    return {"answer": pickle.dumps(answer, protocol=pickle.HIGHEST_PROTOCOL)}


def device_on_nodes(asked: str) -> str:
    """Return the device of a task: a GPU only where one is asked for, as Ray hides them from all other tasks."""
    return "cuda" if asked == "cuda" else "cpu"


def _has(node: dict[str, Any], needed: dict[str, int]) -> bool:
    held: dict[str, float] = node["Resources"] if node["Alive"] else {}
    return all(held.get(name, 0) >= amount for name, amount in needed.items())
