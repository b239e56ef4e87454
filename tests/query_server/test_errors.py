import pickle

import pytest

from dowser.v1 import errors_pb2
from query_server import errors
from query_server.errors import Reason


def test_reasons_are_the_names_of_the_proto_enum() -> None:
    in_proto = [
        name.removeprefix("ERROR_REASON_") for name in errors_pb2.ErrorReason.DESCRIPTOR.values_by_name
    ]
    assert [reason.name for reason in Reason] == in_proto
    assert [reason.value for reason in Reason] == in_proto


def test_an_error_says_field_value_and_limit() -> None:
    error = errors.invalid_argument("budget", 0, "1 to 50000")
    assert error.reason is Reason.INVALID_ARGUMENT
    assert error.metadata == {"field": "budget", "value": "0", "limit": "1 to 50000"}
    assert str(error) == "budget must be 1 to 50000, got 0"


def test_an_error_survives_the_way_to_another_process() -> None:
    error = errors.overloaded("the queue", 64, 3.5)
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert vars(again) == vars(error)
    assert str(again) == str(error)


def test_shapes_are_written_as_the_proto_documents_them() -> None:
    assert errors.shape_mismatch(("n", 1, 28), (28, 28)).metadata == {
        "expected": "[n, 1, 28]",
        "got": "[28, 28]",
    }


@pytest.mark.parametrize("name", [name for name in errors.__all__ if name not in ("DowserError", "Reason")])
def test_each_constructor_is_named_after_its_reason(name: str) -> None:
    assert name.upper() in Reason.__members__
