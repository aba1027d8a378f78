"""One file over HTTP: progress, resume, verification, and an atomic arrival."""

from __future__ import annotations

import errno
import http.client
import os
import socket
import sys
import threading
import time
import urllib.error
import urllib.request
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

from radzoo.errors import BadInput
from radzoo.weights.files import file_hash, mismatch

ATTEMPTS = 4
PAUSE = 0.5  # seconds before the second attempt; grows with each
CHUNK = 1 << 18
TIMEOUT = 15.0  # seconds without a byte
SILENT = 1.0  # seconds of waiting for another process before it is said


def reachable(url: str, within: float = 0.8) -> bool:
    """Whether a connection to the server (or to the proxy before it) opens within `within` seconds.

    Runs in a daemon thread, because looking up a name cannot be interrupted and may hang far longer.
    """
    target = urlsplit(url)
    proxy = urllib.request.getproxies().get(target.scheme)
    if proxy and not urllib.request.proxy_bypass(target.hostname):
        target = urlsplit(proxy if "//" in proxy else f"//{proxy}", scheme=target.scheme)
    port = target.port or (443 if target.scheme == "https" else 80)
    opened = []

    def connect():
        try:
            socket.create_connection((target.hostname, port), timeout=within).close()
            opened.append(True)
        except OSError:
            pass

    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    thread.join(within)
    return bool(opened)


def download(file, path: Path) -> None:
    """Fetches `file.url` to `path` by way of `path.part`, which survives an interruption and is resumed.

    Of several processes that want the same file, one fetches it and the others wait.

    Raises:
        BadInput: HTTP error, wrong hash (the part is removed), full disk, or a connection that keeps breaking.
    """
    part = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _alone(path):
            if path.exists() and not mismatch(path, file):  # another process was quicker
                return
            _complete(file.url, part)
            if fault := mismatch(part, file):
                part.unlink()
                raise BadInput(
                    f"{file.url} did not give the published file: {fault}; it was removed, nothing was loaded"
                )
            if not (file.sha256 or file.md5):
                _trust(part, path, file.sha256_start)
            os.replace(part, path)
    except OSError as error:
        full = f"no space left for {part}" if error.errno == errno.ENOSPC else f"{part} cannot be written ({error})"
        raise BadInput(f"{full}: make room or choose another folder, then run again to resume") from None


@contextmanager
def _alone(path: Path):
    """Holds `.NAME.lock` beside the file, as long as this process fetches it; a process that was killed lets go."""
    from filelock import FileLock, Timeout

    held = path.with_name(f".{path.name}.lock")
    lock = FileLock(held)
    try:
        try:
            lock.acquire(timeout=SILENT)
        except Timeout:
            print(f"{path.name}: waiting for another process that fetches it", file=sys.stderr, flush=True)
            lock.acquire()
    except NotImplementedError:  # filelock's word for a file system without locks
        raise BadInput(f"{path.parent} cannot lock files: let RADZOO_CACHE or --to name another folder") from None
    try:
        yield
        with suppress(OSError):  # the file is there now: nobody needs the lock any more
            held.unlink(missing_ok=True)
    finally:
        lock.release()


def _complete(url: str, part: Path) -> None:
    """Streams until the part is whole; what broke off is asked for again from where it stopped."""
    for attempt in range(ATTEMPTS):
        time.sleep(PAUSE * attempt)
        try:
            if _stream(url, part):
                return
            reason = "the connection closed early"
        except urllib.error.HTTPError as error:
            if error.code == 416 and part.exists():  # a part that is longer than the file: start anew
                part.unlink()
                reason = "the part did not fit the file"
                continue
            raise BadInput(
                f"{url} answers {error.code} {error.reason}: is the URL of the manifest still right?"
            ) from None
        except (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError) as error:
            reason = getattr(error, "reason", error) or type(error).__name__
    kept = part.stat().st_size if part.exists() else 0
    raise BadInput(f"{url} broke off {ATTEMPTS} times ({reason}): {kept} bytes are kept, run again to resume")


def _stream(url: str, part: Path) -> bool:
    """Appends what the server sends to the part; True when the file is whole."""
    from tqdm import tqdm

    have = part.stat().st_size if part.exists() else 0
    headers = {"User-Agent": "radzoo", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=TIMEOUT) as answer:
        if answer.status != 206:  # the server ignores Range and sends all of it
            have = 0
        length = answer.headers.get("Content-Length")
        total = have + int(length) if length is not None else None
        bar = tqdm(total=total, initial=have, unit="B", unit_scale=True, desc=part.stem, file=sys.stderr)
        with open(part, "ab" if have else "wb") as out, bar:
            while block := answer.read(CHUNK):
                out.write(block)
                bar.update(len(block))
    return total is None or part.stat().st_size == total


def _trust(part: Path, path: Path, start: str | None) -> None:
    """Keeps the hash of a file whose publisher gives none or its `start` alone, so that a later change is noticed."""
    digest = file_hash(part)
    beside = path.with_name(f"{path.name}.sha256")
    temporary = beside.with_name(f"{beside.name}.new")
    temporary.write_text(f"{digest}  {path.name}\n")
    os.replace(temporary, beside)
    published = f"only the beginning {start} of its hash is published" if start else "no hash is published"
    print(f"{path.name}: {published}; trusted on first use, sha256 {digest} in {beside.name}", file=sys.stderr)
