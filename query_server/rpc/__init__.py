"""The gRPC surface: thin servicers, one table from errors to statuses, and the server's lifecycle."""
