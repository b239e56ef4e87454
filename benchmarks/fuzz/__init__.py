"""``python -m benchmarks fuzz``: malformed and outrageous calls against a live server, which must outlive them all.

Messages are made from the API's descriptors, so that a new method is attacked as soon as it is there: right in
structure and wild in values, cut or changed afterwards, or no message at all; and bytes on the socket that are no
HTTP/2. Every call must end with a status that explains itself (``verdict.py``), and the server's memory must stay.
"""

from benchmarks.fuzz.recipe import add_arguments, run

__all__ = ["add_arguments", "run"]
