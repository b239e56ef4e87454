"""Shards as Parquet files: one row group each, the same bytes for the same values."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from query_server.batch.values import ScoreSpec
from query_server.errors import extra_not_installed
from query_server.selection.ports import ClassifierFacts


def require_parquet() -> None:
    """Refuse where there is no Parquet writer.

    Raises:
        DowserError: EXTRA_NOT_INSTALLED.
    """
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError:
        raise extra_not_installed("pyarrow", "batch") from None


def to_parquet(
    chunks: Sequence[Mapping[str, NDArray[np.generic]]],
    spec: ScoreSpec,
    facts: ClassifierFacts,
    *,
    pool: str,
) -> bytes:
    """Return the file of a shard.

    Args:
        chunks: Columns as ``scoring.columns_of`` names them, in order; empty ones are left out.
        spec: Which columns there are.
        facts: What is known of the classifier.
        pool: The pool's name, which the file's schema keeps beside the classifier's id.
    """
    import pyarrow
    import pyarrow.parquet

    def wide(width: int) -> Any:
        return pyarrow.list_(pyarrow.float32(), width)

    types: dict[str, Any] = {"pool_id": pyarrow.uint64()}
    types |= dict.fromkeys(spec.acquisitions, pyarrow.float32())
    types["predicted_class"] = pyarrow.uint32()
    if spec.probabilities:
        types["probabilities"] = wide(max(2, facts.classes))
    if spec.embedding:
        types["embedding"] = wide(facts.embedding_dim)
    metadata = {"dowser.pool": pool, "dowser.classifier_id": spec.classifier_id}
    schema = pyarrow.schema(list(types.items()), metadata=metadata)
    parts = [chunk for chunk in chunks if chunk]
    columns = []
    for field in schema:
        values = [np.ascontiguousarray(chunk[field.name]) for chunk in parts]
        flat = np.concatenate([each.reshape(-1) for each in values]) if values else np.empty(0)
        if pyarrow.types.is_fixed_size_list(field.type):
            inner = pyarrow.array(flat, pyarrow.float32())
            columns.append(pyarrow.FixedSizeListArray.from_arrays(inner, field.type.list_size))
        else:
            columns.append(pyarrow.array(flat, field.type))
    table = pyarrow.Table.from_arrays(columns, schema=schema)
    buffer = io.BytesIO()
    # Scores hardly ever repeat: a dictionary would cost time and save nothing.
    pyarrow.parquet.write_table(
        table, buffer, compression="zstd", use_dictionary=False, row_group_size=max(1, len(table))
    )
    return buffer.getvalue()
