"""What a proposal source is. One is a file with a class and a line in the registry; nothing else knows of it."""

from __future__ import annotations

from typing import ClassVar, Protocol

from query_server.selection.board import Proposal
from query_server.selection.round import Round
from query_server.selection.values import Source


class ProposalSource(Protocol):
    """Proposes rows worth scoring; made anew for every round, so it may keep a state within it.

    Attributes:
        source: What it is called.
        step: Rows it is asked for at a time; 0 means its whole share at once. For sources that look at what was
            scored before they propose more.
    """

    source: ClassVar[Source]
    step: ClassVar[int]

    def propose(self, round_: Round, count: int) -> Proposal:
        """Return up to ``count`` open rows, none where it has no more."""
