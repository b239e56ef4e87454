"""How much of a stream, or of a long list, goes into one message."""

# The server takes at most 2 MiB a chunk.
CHUNK_BYTES = 1 << 20
# The server takes 4096 ids; 1024 float32 images of 3x64x64 are 48 MiB, below the limit.
SAMPLES_PER_CALL = 1024
# The server takes as many labels or ids in one write.
ENTRIES_PER_CALL = 100_000
