"""The Dowser server: answers "which samples should be labeled next?" over gRPC without scanning the pool.

Rooms: ``rpc`` (thin servicers) over ``selection`` (the round's algorithm) over ``acquisition`` (score functions),
``pool`` (index and sample store), ``campaigns`` (the durable ledger) and ``models`` (bundle and ONNX sessions); beside
them ``observe`` (metrics, traces, logs).
Only ``bootstrap`` knows all of them.
"""
