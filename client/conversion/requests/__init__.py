"""One `Call` for each RPC: its path, its request, and how its answer is read; one file a subject.

Both clients, sync and asyncio, send these; they differ only in how.
"""
