"""Uploads on disk: which goes where there are too many."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmarks.hostile.making import Maker
from query_server.errors import DowserError, Reason
from query_server.models.files import ClassifierFiles, id_of
from query_server.models.sandbox import SandboxedClassifiers


def stem(classifier_id: str) -> str:
    return classifier_id.removeprefix("sha256:")


def kept(folder: Path) -> set[str]:
    return {path.stem for path in folder.glob("*.onnx")}


def write(files: ClassifierFiles, folder: Path, data: bytes, age: float) -> str:
    """Keep an upload that was used at a time."""
    classifier_id = id_of(data)
    files.write(classifier_id, data)
    os.utime(folder / f"{stem(classifier_id)}.onnx", (age, age))
    return classifier_id


def test_the_one_that_others_were_used_after_goes_first(tmp_path: Path) -> None:
    files = ClassifierFiles(tmp_path, max_files=2)
    first, second = (write(files, tmp_path, data, age) for age, data in enumerate((b"one", b"two")))
    files.note_use(first)
    third = write(files, tmp_path, b"three", 0)
    assert kept(tmp_path) == {stem(first), stem(third)}
    with pytest.raises(DowserError) as refused:
        files.note_use(second)
    assert refused.value.reason is Reason.CLASSIFIER_NOT_FOUND


def test_a_file_that_another_upload_drops_meanwhile_is_passed_over(tmp_path: Path) -> None:
    files = ClassifierFiles(tmp_path, max_files=1)
    (tmp_path / "gone.onnx").symlink_to(tmp_path / "nowhere")  # listed, and not there when it is looked at
    only = write(files, tmp_path, b"one", 0)
    assert kept(tmp_path) == {stem(only)}


def test_what_a_round_asks_about_or_is_uploaded_again_counts_as_used(
    make_sandbox, pixel_generator, tmp_path: Path
) -> None:
    sandbox, _ = make_sandbox()
    folder = tmp_path / "uploads"
    classifiers = SandboxedClassifiers(folder, bundle=pixel_generator, sandbox=sandbox, max_files=3)
    uploads = [Maker(shape=(1, 8, 8), classes=classes).model().SerializeToString() for classes in range(2, 7)]
    ids = [classifiers.add(data).id for data in uploads[:3]]
    for age, classifier_id in enumerate(ids):
        os.utime(folder / f"{stem(classifier_id)}.onnx", (age, age))
    classifiers.info(ids[0])
    classifiers.add(uploads[1])
    ids.append(classifiers.add(uploads[3]).id)
    assert kept(folder) == {stem(ids[number]) for number in (0, 1, 3)}
