"""The round's algorithm: propose, exclude, score, pick. Pure of transport, search engine and runtime."""
