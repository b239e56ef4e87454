"""The acquisition functions a request can name."""

from __future__ import annotations

from collections.abc import Mapping

from query_server.acquisition.bald import BALD
from query_server.acquisition.epig import EPIG
from query_server.acquisition.function import AcquisitionFunction
from query_server.acquisition.least_confidence import LEAST_CONFIDENCE
from query_server.acquisition.margin import MARGIN
from query_server.acquisition.maximum_entropy import MAXIMUM_ENTROPY
from query_server.acquisition.mean_standard_deviation import MEAN_STANDARD_DEVIATION
from query_server.acquisition.minimum_distance import MINIMUM_DISTANCE
from query_server.acquisition.own_score import OWN_SCORE
from query_server.acquisition.variation_ratio import VARIATION_RATIO
from query_server.errors import invalid_argument

FUNCTIONS: Mapping[str, AcquisitionFunction] = {
    function.name: function
    for function in (
        MAXIMUM_ENTROPY,
        LEAST_CONFIDENCE,
        MARGIN,
        MINIMUM_DISTANCE,
        VARIATION_RATIO,
        BALD,
        MEAN_STANDARD_DEVIATION,
        EPIG,
        OWN_SCORE,
    )
}


def acquisition_function(name: str) -> AcquisitionFunction:
    """Look an acquisition function up by name.

    Args:
        name: For example ``"maximum_entropy"``.

    Raises:
        DowserError: INVALID_ARGUMENT, listing the names there are.
    """
    try:
        return FUNCTIONS[name]
    except KeyError:
        raise invalid_argument("acquisition", name, "one of " + ", ".join(FUNCTIONS)) from None
