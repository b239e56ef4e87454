from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from processes import REPOSITORY

from tests.deploy.image import Image, index_answers, make

DEPLOY = REPOSITORY / "deploy"


@pytest.fixture(scope="session")
def cpu_image() -> Iterator[Image]:
    """deploy/Containerfile, its steps run from first to last in an empty folder."""
    if not index_answers():
        pytest.skip("needs a package index, as a container build does")
    folder = Path(tempfile.mkdtemp(prefix="dowser-image-"))
    folder.chmod(0o755)
    yield make(DEPLOY / "Containerfile", context=REPOSITORY, folder=folder)
    shutil.rmtree(folder)
