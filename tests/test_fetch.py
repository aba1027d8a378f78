"""Missing weights: fetched from a server on loopback, resumed, verified; refused at once without a network."""

import dataclasses
import hashlib
import http.server
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from radzoo.errors import BadInput
from radzoo.images.input import Input
from radzoo.weights import File, Manifest, download, fetch, locate, resolve

HERE = Path(__file__).parent
BODY = np.random.RandomState(0).bytes(300_000)
SHA256 = hashlib.sha256(BODY).hexdigest()


class Server(http.server.ThreadingHTTPServer):
    """Serves BODY; notes the Range of every request, and breaks off after `cut` bytes as often as `breaks` says."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.ranges, self.cut, self.breaks, self.honours_range, self.status = [], 100_000, 0, True, 200
        self.pause = 0.0  # seconds after each 50 kB
        self.url = f"http://127.0.0.1:{self.server_address[1]}/w.h5"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        server, asked = self.server, self.headers.get("Range")
        server.ranges.append(asked)
        if server.status != 200:
            self.send_error(server.status)
            return
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and server.honours_range else 0
        if start >= len(BODY):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(BODY) - start))
        self.end_headers()
        body = BODY[start:]
        if server.breaks:
            server.breaks -= 1
            body = body[: server.cut]
        for at in range(0, len(body), 50_000):
            self.wfile.write(body[at : at + 50_000])
            time.sleep(server.pause)

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch, tmp_path):
    monkeypatch.setenv("RADZOO_CACHE", str(tmp_path / "cache"))
    for name in ("RADZOO_WEIGHTS", "RADZOO_OFFLINE", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(download, "PAUSE", 0.01)
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield running
        running.shutdown()
        thread.join(5)


def manifest(url, **changes):
    file = {"name": "w.h5", "format": "keras_h5", "bytes": len(BODY), "sha256": SHA256, "url": url, **changes}
    return Manifest(
        format=1, model="squeezenet_tiny", tag="test", task="multiclass", classes=10, top=False, source="test",
        input=Input(shape=(32, 32, 3)), files=(File(**file),), data="none",
        licences={"code": "MIT", "weights": "MIT", "data": "unknown"},
    )  # fmt: skip


def names(folder):
    """What lies in the folder; an empty lock stays behind where a file could not be fetched."""
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".lock") if folder.exists() else []


def test_a_missing_file_is_fetched_into_the_cache_once_with_a_progress_bar(server, tmp_path, capfd):
    path, file = resolve(manifest(server.url))
    assert path == tmp_path / "cache" / "weights" / "w.h5"
    assert path.read_bytes() == BODY
    assert file.name == "w.h5"
    assert [each.name for each in path.parent.iterdir()] == ["w.h5"]  # no lock, no part
    assert "w.h5" in capfd.readouterr().err
    assert resolve(manifest(server.url))[0] == path
    assert server.ranges == [None]


FETCH = """
import sys
from test_fetch import manifest
from radzoo.weights import fetch
print(fetch(manifest(sys.argv[1]), to=sys.argv[2])[0])
"""


def test_of_two_processes_one_fetches_and_the_other_waits_for_it(server, tmp_path):
    server.pause = 0.3  # 1.8 s for all of it: the second process is there before the first is done
    command = [sys.executable, "-c", FETCH, server.url, str(tmp_path / "shared")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(HERE.parent), str(HERE)])}
    both = [subprocess.Popen(command, env=environment, stdout=-1, stderr=-1, text=True) for _ in range(2)]
    said = [process.communicate(timeout=60) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert server.ranges == [None]  # one request, from the start
    assert [out.strip() for out, _ in said] == [str(tmp_path / "shared" / "w.h5")] * 2
    assert (tmp_path / "shared" / "w.h5").read_bytes() == BODY
    assert sum("waiting for another process" in error for _, error in said) == 1
    assert [path.name for path in (tmp_path / "shared").iterdir()] == ["w.h5"]


def test_a_killed_process_leaves_no_lock_that_holds(server, tmp_path):
    server.pause = 5
    command = [sys.executable, "-c", FETCH, server.url, str(tmp_path)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(HERE.parent), str(HERE)])}
    with subprocess.Popen(command, env=environment, stdout=-1, stderr=-1) as process:
        end = time.monotonic() + 30
        while not server.ranges and time.monotonic() < end:
            time.sleep(0.01)
        process.kill()
    assert (tmp_path / ".w.h5.lock").exists() and not (tmp_path / "w.h5").exists()
    server.pause = 0
    assert fetch(manifest(server.url), to=tmp_path)[0].read_bytes() == BODY


def test_fetch_fills_a_folder_that_the_search_path_then_finds(server, tmp_path, monkeypatch):
    wanted = manifest(server.url)
    path, _ = fetch(wanted, to=tmp_path / "usb stick")
    assert path.read_bytes() == BODY
    assert locate(wanted) is None
    monkeypatch.setenv("RADZOO_WEIGHTS", str(tmp_path / "usb stick"))
    assert locate(wanted)[0] == path


def test_a_broken_connection_is_resumed_from_where_it_stopped(server):
    server.breaks = 2
    path, _ = resolve(manifest(server.url))
    assert path.read_bytes() == BODY
    assert server.ranges == [None, "bytes=100000-", "bytes=200000-"]


def test_what_keeps_breaking_is_kept_and_resumed_by_the_next_run(server, tmp_path):
    server.breaks, server.cut = download.ATTEMPTS, 1000
    with pytest.raises(BadInput, match="4000 bytes are kept, run again to resume"):
        resolve(manifest(server.url))
    assert names(tmp_path / "cache" / "weights") == ["w.h5.part"]
    path, _ = resolve(manifest(server.url))
    assert server.ranges[-1] == "bytes=4000-"
    assert path.read_bytes() == BODY


def test_control_c_keeps_the_part(server, tmp_path, monkeypatch):
    part = tmp_path / "cache" / "weights" / "w.h5.part"
    server.breaks = 1

    def interrupt(seconds):
        if seconds:
            raise KeyboardInterrupt

    monkeypatch.setattr(download.time, "sleep", interrupt)
    with pytest.raises(KeyboardInterrupt):
        resolve(manifest(server.url))
    assert part.read_bytes() == BODY[:100_000]


def test_a_server_that_ignores_range_sends_all_of_it_again(server, tmp_path):
    folder = tmp_path / "cache" / "weights"
    folder.mkdir(parents=True)
    (folder / "w.h5.part").write_bytes(b"x" * 5000)
    server.honours_range = False
    assert resolve(manifest(server.url))[0].read_bytes() == BODY
    assert server.ranges == ["bytes=5000-"]


def test_a_part_that_is_longer_than_the_file_is_dropped(server, tmp_path):
    folder = tmp_path / "cache" / "weights"
    folder.mkdir(parents=True)
    (folder / "w.h5.part").write_bytes(BODY + b"x")
    assert resolve(manifest(server.url))[0].read_bytes() == BODY
    assert server.ranges == [f"bytes={len(BODY) + 1}-", None]


@pytest.mark.parametrize(
    "wrong", [{"sha256": "0" * 64}, {"sha256": None, "md5": "0" * 32}, {"sha256": None, "bytes": 1}]
)
def test_another_file_than_published_is_removed(server, tmp_path, wrong):
    with pytest.raises(BadInput, match="did not give the published file"):
        resolve(manifest(server.url, **wrong))
    assert names(tmp_path / "cache" / "weights") == []


def test_an_intact_file_passes_by_its_md5(server):
    assert resolve(manifest(server.url, sha256=None, md5=hashlib.md5(BODY).hexdigest()))[0].read_bytes() == BODY


def test_http_errors_name_url_and_status(server, tmp_path):
    server.status = 404
    with pytest.raises(BadInput, match=r"w\.h5 answers 404"):
        resolve(manifest(server.url))
    assert len(server.ranges) == 1
    assert names(tmp_path / "cache" / "weights") == []


def test_without_a_published_hash_the_first_use_is_trusted_and_a_change_noticed(server, capfd):
    wanted = manifest(server.url, sha256=None, bytes=None)
    path, _ = resolve(wanted)
    assert f"trusted on first use, sha256 {SHA256}" in capfd.readouterr().err
    assert path.with_name("w.h5.sha256").read_text() == f"{SHA256}  w.h5\n"
    assert resolve(wanted)[0] == path
    path.write_bytes(b"x" + BODY[1:])
    with pytest.raises(BadInput, match=f"expected {SHA256} as on its first use"):
        resolve(wanted)


def test_a_hash_of_which_only_the_first_digits_are_published_is_kept_in_full(server, capfd):
    """Eight digits name the right file, they do not hold a later change off."""
    wanted = manifest(server.url, sha256=None, bytes=None, sha256_start=SHA256[:8])
    path, _ = resolve(wanted)
    assert f"only the beginning {SHA256[:8]} of its hash is published; trusted on" in capfd.readouterr().err
    beside = path.with_name("w.h5.sha256")
    assert beside.read_text() == f"{SHA256}  w.h5\n"
    assert resolve(wanted)[0] == path
    other = SHA256[:8] + "0" * 56  # a file that agrees in the eight digits alone was first used
    beside.write_text(f"{other}  w.h5\n")
    with pytest.raises(BadInput, match=f"has sha256 {SHA256}, expected {other} as on its first use"):
        resolve(wanted)


def test_a_present_file_with_another_hash_is_neither_loaded_nor_overwritten(server, tmp_path, monkeypatch):
    (tmp_path / "w.h5").write_bytes(b"mine")
    found = hashlib.sha256(b"mine").hexdigest()
    monkeypatch.setenv("RADZOO_WEIGHTS", str(tmp_path))
    with pytest.raises(BadInput, match=f"w.h5 has sha256 {found}, expected {SHA256}: remove it"):
        resolve(manifest(server.url))
    with pytest.raises(BadInput, match="remove it"):
        fetch(manifest(server.url), to=tmp_path)
    assert (tmp_path / "w.h5").read_bytes() == b"mine"
    assert server.ranges == []


def test_of_several_files_the_intact_one_is_taken(server, tmp_path, monkeypatch):
    wanted = manifest(server.url)
    copy = File(name="copy.safetensors", format="safetensors", sha256=hashlib.sha256(b"copy").hexdigest())
    wanted = dataclasses.replace(wanted, files=(*wanted.files, copy))
    (tmp_path / "w.h5").write_bytes(b"damaged")
    (tmp_path / "copy.safetensors").write_bytes(b"copy")
    monkeypatch.setenv("RADZOO_WEIGHTS", str(tmp_path))
    assert locate(wanted) == (tmp_path / "copy.safetensors", copy)


def test_offline_fails_at_once_with_name_url_hash_and_place(server, tmp_path, monkeypatch):
    monkeypatch.setenv("RADZOO_OFFLINE", "1")
    with pytest.raises(BadInput) as caught:
        resolve(manifest(server.url))
    message = str(caught.value)
    for part in ("w.h5", server.url, f"sha256 {SHA256}", str(tmp_path / "cache" / "weights"), "RADZOO_WEIGHTS"):
        assert part in message
    assert "\n" not in message
    assert server.ranges == []


def test_without_a_network_the_same_is_said_within_a_second(server, monkeypatch):
    def hang(*_, **__):  # a name server that never answers
        time.sleep(5)

    monkeypatch.setattr(download.socket, "create_connection", hang)
    start = time.monotonic()
    with pytest.raises(BadInput, match=f"network is not reachable: get it from {server.url} .sha256 {SHA256}"):
        resolve(manifest(server.url))
    assert time.monotonic() - start < 1


def test_a_file_without_url_says_so(server):
    with pytest.raises(BadInput, match="no URL is published"):
        resolve(manifest(None))


def test_the_proxy_of_the_environment_is_what_has_to_be_reachable(server, monkeypatch):
    monkeypatch.setenv("http_proxy", server.url.removesuffix("/w.h5"))
    monkeypatch.setenv("no_proxy", "")
    assert download.reachable("http://weights.invalid/w.h5")
    monkeypatch.delenv("http_proxy")
    assert not download.reachable("http://127.0.0.1:9/w.h5")


def test_a_full_disk_is_one_clear_line(server, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(download, "_stream", full)
    with pytest.raises(BadInput, match=r"no space left for .*w\.h5\.part: make room"):
        resolve(manifest(server.url))
