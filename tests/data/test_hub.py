"""`hf:owner/name`: the real library against a server on this machine that answers as the hub does."""

import json
import sys
import threading
from collections.abc import Iterator
from hashlib import sha1
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from urllib.parse import unquote, urlsplit

import huggingface_hub.constants
import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from PIL import Image

from ganforge.data import open_source
from ganforge.data_commands import data
from ganforge.errors import DataError


def shard(greys: range) -> bytes:
    """A Parquet file of images, as `datasets` writes it."""
    cells = []
    for grey in greys:
        buffer = BytesIO()
        Image.fromarray(np.full((8, 8), grey, np.uint8)).save(buffer, "png")
        cells.append({"bytes": buffer.getvalue(), "path": None})
    file = BytesIO()
    pyarrow.parquet.write_table(pa.table({"image": cells, "label": [grey % 3 for grey in greys]}), file)
    return file.getvalue()


SETS = {  # name -> revision -> file -> content
    "me/own": {"main": {"README.md": b"# own", "data/train-00000-of-00001.parquet": shard(range(20)),
                        "data/test-00000-of-00001.parquet": shard(range(20, 25))}},
    "me/converted": {"main": {"images.zip": b"rubbish"},
                     "refs/convert/parquet": {"default/train/0000.parquet": shard(range(20)),
                                              "default/test/0000.parquet": shard(range(30, 34))}},
    "me/two": {"main": {"fine/train-0.parquet": shard(range(9)), "coarse/train-0.parquet": shard(range(6))}},
    "me/text": {"main": {"README.md": b"# text"}},
}  # fmt: skip


class Hub(BaseHTTPRequestHandler):
    """The part of the hub's API that a download needs."""

    def answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        words = [unquote(word) for word in urlsplit(self.path).path.strip("/").split("/")]
        if len(words) < 5:  # the library asks for other things too
            self.answer(404, b"")
            return
        api, (_, owner, name, verb, revision, *rest) = words[0] == "api", words[words[0] == "api" :]
        known = SETS.get(f"{owner}/{name}", {})
        revisions = {r: (sha1(f"{owner}/{name} {r}".encode()).hexdigest(), files) for r, files in known.items()}
        if name == "gated":
            self.answer(403, b"", X_Error_Code="GatedRepo")
        elif not revisions:
            self.answer(401, b"", X_Error_Code="RepoNotFound")
        elif (at := next((r for r, (sha, _) in revisions.items() if revision in (r, sha)), None)) is None:
            self.answer(404, b"", X_Error_Code="RevisionNotFound")
        else:
            sha, files = revisions[at]
            if api and verb == "revision":
                about = {"id": f"{owner}/{name}", "sha": sha, "siblings": [{"rfilename": path} for path in files]}
                self.answer(200, json.dumps(about).encode())
            elif api:
                about = [(path, len(body), sha1(body).hexdigest()) for path, body in files.items()]
                tree = [{"type": "file", "path": path, "size": size, "oid": oid} for path, size, oid in about]
                self.answer(200, json.dumps(tree).encode(), Content_Type="application/json")
            else:
                body = files["/".join(rest)]
                self.answer(200, body, X_Repo_Commit=sha, ETag=f'"{sha1(body).hexdigest()}"')

    do_HEAD = do_GET  # noqa: N815

    def log_message(self, *words: object) -> None:
        """Silence."""


def unplug(server: ThreadingHTTPServer) -> None:
    """From now on nobody answers."""
    server.shutdown()
    server.server_close()


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ThreadingHTTPServer]:
    """A hub on this machine, with an empty cache."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    server.asked = []
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", address)  # HF_ENDPOINT, read when it was loaded
    template = address + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    yield server
    unplug(server)
    thread.join()


def test_a_set_with_files_of_its_own_and_then_offline(hub: ThreadingHTTPServer) -> None:
    source = open_source(source="hf:me/own", held_out=0)
    assert source.describe().startswith("hf:me/own: 20 training images of 1×8×8, 5 for testing, 3 classes")
    downloads = [path for path in hub.asked if path.endswith(".parquet")]
    assert open_source(source="hf:me/own", held_out=0).train.labels.tolist() == source.train.labels.tolist()
    assert [path for path in hub.asked if path.endswith(".parquet")] == downloads  # the cache has them
    unplug(hub)
    assert len(open_source(source="hf:me/own", held_out=0).train) == 20
    with pytest.raises(DataError, match=r"^'hf:me/converted' can't be downloaded \(.*\), and the hub's cache .*\.$"):
        open_source(source="hf:me/converted")


def test_the_files_that_the_hub_has_made(hub: ThreadingHTTPServer) -> None:
    source = open_source(source="hf:me/converted", held_out=0)
    assert (len(source.train), len(source.test)) == (20, 4)
    assert not [path for path in hub.asked if path.endswith(".zip")]


def test_one_of_several_configurations(hub: ThreadingHTTPServer) -> None:
    with pytest.raises(DataError, match=r"several configurations, coarse, fine: name one, as in hf:owner/name/coarse"):
        open_source(source="hf:me/two")
    assert len(open_source(source="hf:me/two/fine", held_out=0).train) == 9
    with pytest.raises(DataError, match="no Parquet files in a folder of that name: they lie in coarse, fine"):
        open_source(source="hf:me/two/rough")


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (
            "hf:me/nothing",
            r"the hub has no data set 'me/nothing', or none that you may read: check the name, or",
        ),
        ("hf:me/text", r"'hf:me/text' has no Parquet files, nor has the hub made any of it: download it, and give"),
        ("hf:me/gated", r"'hf:me/gated' is given to those only who agree to its terms: do so on its page"),
        ("hf:me", r"'hf:me' names no data set of the hub: write hf:owner/name"),
    ],
)
def test_refusals(hub: ThreadingHTTPServer, source: str, words: str) -> None:
    with pytest.raises(DataError, match=words) as raised:
        open_source(source=source)
    assert "\n" not in str(raised.value)


def test_part_of_a_set_is_none(hub: ThreadingHTTPServer, tmp_path: Path) -> None:
    open_source(source="hf:me/own")
    next((tmp_path / "hub").rglob("test-*.parquet")).unlink()
    unplug(hub)
    with pytest.raises(DataError, match="doesn't hold all of it"):
        open_source(source="hf:me/own")


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub.errors", None)
    with pytest.raises(DataError, match=r"need huggingface_hub .*: pip install 'ganforge\[hub\]'"):
        open_source(source="hf:me/own")


def test_looking_at_one(hub: ThreadingHTTPServer, capfd: pytest.CaptureFixture[str]) -> None:
    data("hf:me/own", sheet=None, pack=None, settings=[], as_json=True)
    shown = capfd.readouterr()
    assert json.loads(shown.out)["splits"] == {"train": 20, "test": 5}
    assert shown.err == ""  # nobody watches: no bar
