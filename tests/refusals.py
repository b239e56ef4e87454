"""What a refused call raises."""

from __future__ import annotations

import pytest

from query_server.errors import DowserError, Reason


def refused(reason: Reason, match: str | None = None) -> pytest.RaisesExc[DowserError]:
    """Expect a refusal with a reason, and with a text where one is given."""
    return pytest.RaisesExc(DowserError, match=match, check=lambda error: error.reason is reason)
