"""A round in which the server scores nothing: sources propose as ever, and what they propose is noted as it is."""

from __future__ import annotations

from typing import NoReturn

from query_server.errors import DowserError, invalid_argument
from query_server.selection.board import Proposal, not_scored
from query_server.selection.round import Round
from query_server.selection.values import Source


class UnscoredRound(Round):
    """A round on a pool whose samples are not here, or whose caller scores them."""

    def score(self, source: Source, proposal: Proposal) -> None:
        """Put proposed rows on the board as they are."""
        self.checkpoint("propose")
        self.open.close(proposal.rows)
        noted = not_scored(source, proposal.rows, synthetic=proposal.synthetic, distances=proposal.distances)
        self.board.extend(noted, scored=0, visited=proposal.visited)


class NoClassifier:
    """Stands where none was uploaded; whatever asks it for something cannot be done without one."""

    @property
    def latent_dim(self) -> int:
        """Refuse."""
        raise _missing()

    @property
    def classes(self) -> int:
        """Refuse."""
        raise _missing()

    def score(self, x: object, *, embedding: bool = False) -> NoReturn:
        """Refuse."""
        raise _missing()

    def prepare_ascent(self) -> NoReturn:
        """Refuse."""
        raise _missing()

    def ascend(self, z: object, *, options: object, before_step: object) -> NoReturn:
        """Refuse."""
        raise _missing()

    def encode(self, x: object) -> NoReturn:
        """Refuse."""
        raise _missing()


def _missing() -> DowserError:
    return invalid_argument(
        "classifier_id", "", "the id of an uploaded classifier where samples are synthesized"
    )
