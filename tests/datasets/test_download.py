"""Downloads from a local server: complete, resumed, verified. Archives cannot write outside their folder."""

import hashlib
import io
import tarfile
import threading
import zipfile
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from synth2real.datasets.download import fetch, unpack
from synth2real.errors import InputError

CONTENT = bytes(range(256)) * 40
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """Serves CONTENT, supports ranges if `ranges`, and closes the connection after `breaks` bytes."""

    def __init__(self, server, *arguments):
        self.kept = server
        super().__init__(*arguments)

    def do_GET(self):
        start = self.headers.get("Range", "bytes=0-").removeprefix("bytes=").removesuffix("-")
        start = int(start) if self.kept.ranges else 0
        self.kept.asked.append(self.headers.get("Range"))
        if self.path != "/set.bin" or start > len(CONTENT):
            self.send_error(404 if start <= len(CONTENT) else 416)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(CONTENT) - start))
        self.end_headers()
        self.wfile.write(CONTENT[start : self.kept.breaks])

    def log_message(self, *_):
        pass


class Server:
    ranges, breaks = True, None

    def __init__(self):
        self.asked = []
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, self))
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.http.server_port}/set.bin"


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    running = Server()
    yield running
    running.http.shutdown()
    running.http.server_close()


@pytest.fixture
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("SYNTH2REAL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_it_is_fetched_once_into_the_cache(server, cache):
    seen = []
    path = fetch(server.url, sha256=SHA256.upper(), size=len(CONTENT), on_progress=lambda *at: seen.append(at))
    assert path == cache / "set.bin"
    assert path.read_bytes() == CONTENT
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert fetch(server.url, sha256=SHA256) == path
    assert len(server.asked) == 1
    assert names(cache) == ["set.bin"]


@pytest.mark.parametrize("ranges", [True, False], ids=["from there", "from the beginning"])
def test_an_interrupted_download_continues(server, cache, ranges):
    server.breaks = 1000
    with pytest.raises(InputError, match=r"set\.bin: the download stopped after 1000 bytes .* again to continue it"):
        fetch(server.url)
    assert names(cache) == ["set.bin.part"]
    server.breaks, server.ranges = None, ranges
    assert fetch(server.url, sha256=SHA256).read_bytes() == CONTENT
    assert server.asked == [None, "bytes=1000-"]


def test_a_part_longer_than_the_file_is_downloaded_again(server, cache):
    cache.mkdir()
    (cache / "set.bin.part").write_bytes(CONTENT + b"more")
    assert fetch(server.url, sha256=SHA256).read_bytes() == CONTENT


def test_an_unexpected_file_is_removed(server, cache):
    with pytest.raises(InputError, match=rf"found sha256 {SHA256}, expected sha256 0123\. It was removed: call again"):
        fetch(server.url, sha256="0123")
    assert names(cache) == []
    with pytest.raises(InputError, match="found 10240 bytes, expected 99 bytes"):
        fetch(server.url, size=99)
    assert names(cache) == []
    (cache / "set.bin").write_bytes(b"mine")
    with pytest.raises(InputError, match=r"found 4 bytes, expected 10240 bytes. Remove it and call again"):
        fetch(server.url, size=len(CONTENT))
    assert (cache / "set.bin").read_bytes() == b"mine"


def test_unreachable_addresses(server, cache):
    with pytest.raises(InputError, match=r"gone\.bin: the server responded 404 .* save it as .*gone\.bin"):
        fetch(server.url.replace("set", "gone"))
    server.http.shutdown()
    server.http.server_close()
    with pytest.raises(InputError, match="stopped after 0 bytes"):
        fetch(server.url)
    with pytest.raises(InputError, match="expected an address that begins with http"):
        fetch("file:///etc/hosts")


def archive(path, files):
    """An archive of names and contents, zip or tar.gz by the name of `path`."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as pack:
            for name, content in files.items():
                pack.writestr(name, content)
    else:
        with tarfile.open(path, "w:gz") as pack:
            for name, content in files.items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                pack.addfile(info, io.BytesIO(content))
    return path


@pytest.mark.parametrize("name", ["set.tar.gz", "set.zip"])
def test_archives_are_unpacked_completely_or_not_at_all(tmp_path, name):
    path = archive(tmp_path / name, {"a/one.txt": b"1", "a/b/two.txt": b"22", "c.txt": b"333"})
    folder = unpack(path, tmp_path / "out", only=lambda file: file.startswith("a/"))
    assert {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()} == {
        "a/one.txt": b"1",
        "a/b/two.txt": b"22",
    }
    path.unlink()
    assert unpack(path, folder) == folder  # exists already
    whole = archive(tmp_path / name, {"a/one.txt": bytes(range(256)) * 400})
    whole.write_bytes(whole.read_bytes()[:-90])
    with pytest.raises(InputError, match=r"is damaged .* Remove it and download it again"):
        unpack(whole, tmp_path / "torn")
    for other in (b"PK\5\6" + bytes(9), whole.read_bytes()[:90].replace(b"one", b"\0" * 3)):
        whole.write_bytes(other)
        with pytest.raises(InputError, match=r"is damaged .* Remove it and download it again"):
            unpack(whole, tmp_path / "torn")
    with pytest.raises(InputError, match="contains none of the expected files"):
        unpack(archive(tmp_path / name, {"b.txt": b""}), tmp_path / "none", only=lambda file: False)
    assert names(tmp_path) == ["out", name]


@pytest.mark.parametrize("name", ["../out.txt", "/etc/out.txt", "a/../../out.txt", "C:/out.txt", "..\\out.txt"])
@pytest.mark.parametrize("kind", ["set.tar.gz", "set.zip"])
def test_nothing_is_written_outside(tmp_path, name, kind):
    with pytest.raises(InputError, match="Its path is outside"):
        unpack(archive(tmp_path / kind, {name: b"1"}), tmp_path / "deep" / "out")
    assert not (tmp_path / "out.txt").exists()
    assert not (tmp_path / "deep" / "out").exists()


def test_links_are_skipped(tmp_path):
    with tarfile.open(tmp_path / "set.tar", "w") as pack:
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc"
        pack.addfile(link)
        pack.addfile(tarfile.TarInfo("link/passwd"))
    unpack(tmp_path / "set.tar", tmp_path / "out")
    assert not (tmp_path / "out" / "link").is_symlink()
    assert (tmp_path / "out" / "link" / "passwd").read_bytes() == b""
