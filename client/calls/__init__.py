"""The methods of both clients, one file a subject: the blocking ones and, beside them, the same as coroutines.

`Client` and `AsyncClient` are made of these. Each method is written out twice, with its types and its docstring, so
that editors, mypy and `help` see it; what it sends and how the answer is read is `client.conversion`'s, once for both.
"""
