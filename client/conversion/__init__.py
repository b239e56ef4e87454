"""Between the client's values and the wire: the only place of the client that touches protobuf messages.

`tensors` holds arrays, `fields` and `strategies` check arguments, `requests` builds a `Call` for each RPC, `replies`
reads the answers. Both clients, sync and asyncio, use the same ones, so nothing about a message is written twice.
"""
