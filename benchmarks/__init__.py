"""Recipes: ``python -m benchmarks NAME [--out DIR] [--quick]``, run from the repository root.

They use the product as its users do: the console scripts in their own processes, and the client. Not part of the
wheel.
"""
