"""The values the client takes and returns, one file a subject.

Plain frozen dataclasses and numpy arrays: what travels on the wire (protobuf) stays inside
`client.conversion`, so that a program using Dowser depends on nothing but these, and imports them from `client`.
Arrays in replies are read-only.
"""
