import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from live_pools import Named, add, open_live, remove, samples

from query_server.pool import Pool
from query_server.pool.answers import Answers
from query_server.pool.journal_schema import SCHEMA


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as opened:
        opened.executescript(SCHEMA.tables)
        yield opened


def _kept(connection: sqlite3.Connection) -> list[str]:
    return [row[0] for row in connection.execute("SELECT id FROM requests ORDER BY rowid")]


def _keep(answers: Answers, *names: str) -> None:
    for name in names:
        answers.keep(Named(id=name), {"index_version": 1})


def test_the_newest_answers_are_kept_up_to_their_number(connection: sqlite3.Connection) -> None:
    _keep(Answers(connection, days=1, most=100), "a", "b", "c", "d")
    _keep(Answers(connection, days=1, most=3), "e")  # opened anew: looks for what is too many at once
    assert _kept(connection) == ["c", "d", "e"]


def test_without_a_term_answers_are_kept_for_good(connection: sqlite3.Connection) -> None:
    _keep(Answers(connection), "a", "b", "c")
    connection.execute("UPDATE requests SET time = 0")
    _keep(Answers(connection, days=0, most=2), "d")
    assert _kept(connection) == ["a", "b", "c", "d"]


def test_more_old_answers_than_one_write_deletes_go_with_the_writes_that_follow(
    connection: sqlite3.Connection,
) -> None:
    connection.executemany(
        "INSERT INTO requests VALUES (?, 'test', x'', '{}', 0)",
        ((f"old {number}",) for number in range(25_000)),
    )
    answers = Answers(connection, days=1)
    left = []
    for name in "abc":
        _keep(answers, name)
        left.append(len(_kept(connection)))
    assert left == [15_001, 5_002, 3]


def test_a_write_sent_again_after_its_answer_was_forgotten_is_a_new_one(tmp_path: Path, pool: Pool) -> None:
    live = open_live(tmp_path, pool, answer_days=30)
    first = add(live, samples(3, 1), "a")
    removal = remove(live, first.pool_ids[:1], "r")
    live.close()
    with closing(sqlite3.connect(tmp_path / "journal.sqlite")) as connection:
        connection.execute("UPDATE requests SET time = time - 31 * 86400 WHERE id = 'a'")
        connection.commit()
    live = open_live(tmp_path, pool, answer_days=30)
    add(live, samples(1, 2), "b")  # whose transaction forgets
    again = add(live, samples(3, 1), "a")
    assert not set(again.pool_ids.tolist()) & set(first.pool_ids.tolist())
    assert remove(live, first.pool_ids[:1], "r") == removal
    live.close()
