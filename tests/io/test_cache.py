"""The cache: what is broken is none, and what can't be written is no error."""

from pathlib import Path

import pytest
import torch

from ganforge.io.cache import cache_folder, keep, kept

TENSORS = {"mean": torch.arange(4.0).double(), "features": torch.rand(5, 4), "count": torch.tensor(5)}


def test_tensors_come_back_bit_for_bit(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "a.safetensors"
    keep(path, TENSORS)
    found = kept(path)
    assert found is not None
    assert found.keys() == TENSORS.keys()
    assert all(
        torch.equal(found[name], tensor) and found[name].dtype == tensor.dtype for name, tensor in TENSORS.items()
    )
    assert [p.name for p in path.parent.iterdir()] == ["a.safetensors"]


@pytest.mark.parametrize("harm", ["cut", "flipped", "emptied", "renamed", "text", "gone", "folder"])
def test_a_broken_file_is_none(tmp_path: Path, harm: str) -> None:
    path = tmp_path / "a.safetensors"
    keep(path, TENSORS)
    data = path.read_bytes()
    path.unlink()
    other = bytearray(data)
    other[-3] ^= 1
    if harm == "folder":
        path.mkdir()
    elif harm != "gone":
        changed = {"cut": data[:-9], "flipped": bytes(other), "emptied": b"", "renamed": data, "text": b"{}" * 40}[harm]
        path.write_bytes(changed)
    if harm == "renamed":
        path = path.rename(tmp_path / "b.safetensors")
    assert kept(path) is None


def test_what_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    keep(tmp_path / "file" / "a.safetensors", TENSORS)
    assert kept(tmp_path / "file" / "a.safetensors") is None


def test_the_folder_is_the_users_cache_unless_it_is_turned_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "ganforge" / "statistics"
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    assert cache_folder() == Path.home() / ".cache" / "ganforge" / "statistics"
    for word in ("0", "off", "No"):
        monkeypatch.setenv("GANFORGE_CACHE", word)
        assert cache_folder() is None
    monkeypatch.setenv("GANFORGE_CACHE", "1")
    assert cache_folder() is not None
