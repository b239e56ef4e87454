"""How few lists and candidates an index is tuned to."""

from pathlib import Path

import faiss
import numpy as np
import numpy.typing as npt

from query_server.pool.exact_many import exact_neighbors_of_many
from query_server.pool.index import FeatureIndex
from query_server.pool.recall import recall
from query_server.pool.tuning import tune


def test_with_the_candidates_it_ranks_an_index_of_codes_probes_no_list_in_vain(
    tmp_path: Path, many_features: npt.NDArray[np.float32]
) -> None:
    made = faiss.index_factory(16, "IVF256,PQ4")
    made.train(many_features)
    made.add(many_features)
    faiss.write_index(made, str(tmp_path / "index.faiss"))
    index = FeatureIndex.open(
        tmp_path / "index.faiss", nprobe=1, threads=1, features=many_features, device="cpu"
    )
    queries = np.random.default_rng(0).uniform(-3, 3, (256, 16)).astype(np.float32)
    tuned = tune(
        index,
        many_features,
        recall_target=0.9,
        threads=1,
        rng=np.random.default_rng(0),
        queries=queries,
    )
    _, exact = exact_neighbors_of_many(queries, many_features, 10, threads=1)

    def recall_with(probes: int) -> float:
        _, rows = index.search(queries, 10, nprobe=probes, refine_factor=tuned.refine_factor)
        return recall(queries, many_features, rows, exact)

    assert tuned.refine_factor > 0
    assert recall_with(tuned.nprobe) == tuned.recall_at_10 >= 0.9 > recall_with(tuned.nprobe - 1)
