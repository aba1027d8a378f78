"""Where weight files lie, whether they are what they claim to be, and how missing ones are fetched."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from radzoo.errors import BadInput
from radzoo.registry import packaged


def cache() -> Path:
    """The folder for fetched weights: `$RADZOO_CACHE/weights`, else `~/.cache/radzoo/weights`."""
    return Path(os.environ.get("RADZOO_CACHE") or Path.home() / ".cache" / "radzoo").expanduser() / "weights"


def search_path() -> list[Path]:
    """The folders of `RADZOO_WEIGHTS`, the cache, and what radzoo ships, in this order."""
    named = [Path(part).expanduser() for part in os.environ.get("RADZOO_WEIGHTS", "").split(os.pathsep) if part]
    return [*named, cache(), packaged("weights")]


def file_hash(path: Path, kind: str = "sha256") -> str:
    """The hash of a file in hexadecimal; `kind` is `sha256` or `md5`."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, kind).hexdigest()


def locate(manifest) -> tuple[Path, object] | None:
    """The first listed file of a manifest that lies on the search path and is intact, or None; never downloads.

    A file may also lie one folder deeper.

    Raises:
        BadInput: only files with a wrong size or hash are there; they are never loaded.
    """
    folders = search_path() if manifest.folder is None else [*search_path(), manifest.folder]
    damage = None
    for file in manifest.files:
        found = (path for folder in folders for path in (folder / file.name, *sorted(folder.glob(f"*/{file.name}"))))
        for path in filter(Path.is_file, found):
            fault = mismatch(path, file)
            if fault is None:
                return path, file
            damage = damage or fault
    if damage:
        raise BadInput(f"{damage}: remove it, then fetch {manifest.name} again")
    return None


def resolve(manifest) -> tuple[Path, object]:
    """The file of a manifest on this machine; what is missing is fetched into the cache.

    Raises:
        BadInput: wrong hash; or missing and no network (`RADZOO_OFFLINE=1` does not even try), within a second.
    """
    return locate(manifest) or fetch(manifest)


def fetch(manifest, to: str | os.PathLike | None = None) -> tuple[Path, object]:
    """Downloads the first listed file that has a URL into `to` (the cache), resuming a part, and verifies its hash.

    A file without a published hash, or with its first digits alone, gets its own written beside it (`NAME.sha256`):
    trusted on first use.

    Raises:
        BadInput: no URL, no network, HTTP error, wrong hash, or a broken connection (running again resumes).
    """
    from radzoo.weights.download import download, reachable

    folder = Path(to).expanduser() if to is not None else cache()
    file = next((f for f in manifest.files if f.url), None)
    if file is None:
        raise BadInput(_missing(manifest, manifest.files[0]))
    path = folder / file.name
    if path.exists():
        if fault := mismatch(path, file):
            raise BadInput(f"{fault}: remove it, then fetch {manifest.name} again")
        return path, file
    if os.environ.get("RADZOO_OFFLINE", "0") not in ("", "0"):
        raise BadInput(_missing(manifest, file, "RADZOO_OFFLINE is set"))
    if not reachable(file.url):
        raise BadInput(_missing(manifest, file, "the network is not reachable"))
    download(file, path)
    return path, file


def mismatch(path: Path, file) -> str | None:
    """What tells `path` from the published file, as a clause for a message; None when nothing does."""
    size = path.stat().st_size
    for kind in ("sha256", "md5"):
        expected = getattr(file, kind)
        if expected:
            found = file_hash(path, kind)
            return None if found == expected else f"{path} has {kind} {found}, expected {expected}"
    if file.sha256_start and not (found := file_hash(path)).startswith(file.sha256_start):
        return f"{path} has sha256 {found}, expected one that begins with {file.sha256_start}"
    if file.bytes is not None and size != file.bytes:
        return f"{path} has {size} bytes, expected {file.bytes}"
    first_use = path.with_name(f"{path.name}.sha256")
    if first_use.is_file():
        expected, found = first_use.read_text().split()[0], file_hash(path)
        if found != expected:
            return f"{path} has sha256 {found}, expected {expected} as on its first use"
    return None


def _missing(manifest, file, why: str = "") -> str:
    where = f"get it from {file.url}" if file.url else "no URL is published, get it from whoever has it"
    size = f", {file.bytes} bytes" if file.bytes else ""
    others = [f.name for f in manifest.files if f is not file]
    also = f" ({' or '.join(others)} will do too)" if others else ""
    return (
        f"weights {manifest.name}: file {file.name} is not on this machine{f' and {why}' if why else ''}: "
        f"{where} ({file.published_hash}{size}) and put it into {cache()} or into a folder of RADZOO_WEIGHTS{also}"
    )
