"""Answers of the server, read into the client's values; one file a subject."""
