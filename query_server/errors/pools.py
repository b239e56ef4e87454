"""What is wrong about a pool, its samples or what serves it."""

from query_server.errors.error import DowserError
from query_server.errors.reasons import Reason


def pool_not_found(pool: str) -> DowserError:
    """Refuse a pool this server does not serve."""
    return DowserError(
        Reason.POOL_NOT_FOUND,
        f"this server serves no pool {pool!r}; ListPools names those it serves",
        metadata={"pool": pool},
    )


def pool_id_not_found(pool_id: int, missing: int) -> DowserError:
    """Refuse pool ids the pool does not hold; names the first and how many there are."""
    return DowserError(
        Reason.POOL_ID_NOT_FOUND,
        f"the pool holds no sample {pool_id}; {missing} of the pool ids given are unknown",
        metadata={"pool_id": str(pool_id), "missing": str(missing)},
    )


def pool_id_exists(pool_id: int, existing: int) -> DowserError:
    """Refuse to add an id the pool holds or held; names the first and how many there are."""
    return DowserError(
        Reason.POOL_ID_EXISTS,
        f"the pool holds a sample {pool_id} or held it before it was removed, as it does {existing} of the ids "
        "given; add samples under new ids, or under none to have them assigned",
        metadata={"pool_id": str(pool_id), "existing": str(existing)},
    )


def pool_full(added: int, count: int, limit: int) -> DowserError:
    """Refuse to add `count` samples to the `added` ones."""
    return DowserError(
        Reason.POOL_FULL,
        f"{added} samples were added to this pool and {count} more would exceed the limit of {limit}; compact "
        "the pool (dowser admin compact), or start the server with a higher --max-added-samples",
        metadata={"added": str(added), "limit": str(limit)},
    )


def index_version_too_old(index_version: int, min_index_version: int) -> DowserError:
    """Refuse to answer from an index older than the caller demands."""
    return DowserError(
        Reason.INDEX_VERSION_TOO_OLD,
        f"the index has version {index_version}, the call demands at least {min_index_version}",
        metadata={"index_version": str(index_version), "min_index_version": str(min_index_version)},
    )


def samples_not_stored(pool: str) -> DowserError:
    """Refuse to read or score samples that stayed with their owner."""
    return DowserError(
        Reason.SAMPLES_NOT_STORED,
        f"the samples of pool {pool!r} are not on this server (its index was built with --no-samples), so it can "
        "neither return nor score them; call ProposeSamples, score the candidates, and call CommitSelection "
        "(select_by_scoring does both); SelectSamples takes the random strategy without a classifier and plain ASAL "
        "(max_scored = 0) alone",
        metadata={"pool": pool},
    )


def reconstruction_unsupported(pool: str, generator: str) -> DowserError:
    """Refuse to make companions with a generator that has no encoder to its latents."""
    return DowserError(
        Reason.RECONSTRUCTION_UNSUPPORTED,
        f"the bundle served for pool {pool!r} cannot reconstruct samples: its generator {generator!r} has no encoder "
        "to its latents; train a bundle with dowser-trainer --generator vae, vae-acgan or m2, and reload",
        metadata={"pool": pool, "generator": generator},
    )
