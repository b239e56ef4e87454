from __future__ import annotations

from pathlib import Path

import pytest

from client.campaign_files import load_campaign, save_campaign
from client.errors import InputError


def test_labels_without_a_time_are_no_table_before_a_server_has_dated_them(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("pool_id,label\n3,1\n")
    read = load_campaign(tmp_path / "labels.csv")
    with pytest.raises(InputError, match=r"sample 3 has no time yet; import"):
        save_campaign(read, tmp_path / "again.csv")
    assert not (tmp_path / "again.csv").exists()
