"""A memory read is the memory written, whatever version of the server wrote it."""

import io
from dataclasses import fields

import numpy as np

from query_server.selection.board import SOURCES
from query_server.selection.memory import Memory


def test_a_memory_comes_back_as_it_was_written():
    rng = np.random.default_rng(0)
    memory = Memory(
        latents=rng.standard_normal((3, 5), dtype=np.float32),
        carried_ids=np.array([2**64 - 1, 0], np.uint64),
        pending_ids=np.array([2**63 + 7], np.uint64),
        pending_sources=np.array([3]),
        pending_predicted=np.array([9]),
        **{
            name: rng.random(len(SOURCES))
            for name in ("settled", "worth", "labeled", "contradicted", "rarity")
        },
    )
    read = Memory.from_bytes(memory.to_bytes())
    for field in fields(Memory):
        written, came_back = getattr(memory, field.name), getattr(read, field.name)
        assert came_back.dtype == written.dtype
        np.testing.assert_array_equal(came_back, written)


def test_no_bytes_are_the_memory_of_a_first_round():
    read = Memory.from_bytes(b"")
    assert (read.latents.size, len(read.carried_ids), len(read.pending_ids)) == (0, 0, 0)
    assert not read.worth.any()


def test_a_memory_of_fewer_sources_and_fields_is_filled_up_and_an_unknown_field_left_out():
    buffer = io.BytesIO()
    counts = {name: np.array([1.0, 2.0]) for name in ("worth", "labeled", "contradicted", "rarity")}
    np.savez(buffer, latents=np.ones((2, 3), np.float32), from_the_future=np.ones(4), **counts)
    read = Memory.from_bytes(buffer.getvalue())
    assert read.worth.tolist() == [1, 2, *[0] * (len(SOURCES) - 2)]
    assert read.settled.tolist() == [0] * len(SOURCES)
    assert read.latents.shape == (2, 3)
    assert len(read.pending_ids) == 0


def test_the_same_memory_is_written_as_the_same_bytes():
    assert Memory().to_bytes() == Memory().to_bytes()
