"""Keys instead of patient and study identifiers: the same patient has the same key, and no key leads back to a name.

A key is an HMAC with a secret that never leaves its file. Without the secret nobody can try identifiers until one
fits, which a plain hash would allow: patient numbers are short.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import stat
import sys
from pathlib import Path

from radzoo.errors import BadInput

BYTES = 32  # of a new secret
LEAST = 16
DIGITS = 16  # hexadecimal, of a key: 64 bits, so that a million patients collide with a chance of 3e-8


class Keys:
    """Makes keys with the secret of this machine, or of `$RADZOO_SECRET`.

    Raises:
        BadInput: the secret cannot be read or made; no message holds it.
    """

    def __init__(self):
        self._secret = _read(secret_file())

    def __call__(self, kind: str, *parts: str) -> str:
        """16 hexadecimal digits for text such as `("patient", issuer, id)`; other kinds give other keys."""
        words = (kind, *parts)
        message = b"".join(
            len(word).to_bytes(8, "big") + word for word in (w.encode("utf-8", "surrogatepass") for w in words)
        )
        return hmac.new(self._secret, message, hashlib.sha256).hexdigest()[:DIGITS]


def secret_file() -> Path:
    """`$RADZOO_SECRET`, or `~/.config/radzoo/secret`."""
    return Path(os.environ.get("RADZOO_SECRET") or "~/.config/radzoo/secret").expanduser()


def _read(path: Path) -> bytes:
    try:
        if not path.exists():
            _make(path)
        secret = path.read_bytes().strip()
        mode = path.stat().st_mode
    except OSError as error:
        raise BadInput(
            f"the secret for patient keys {path} cannot be read or made ({error.strerror}): let RADZOO_SECRET name a "
            "file in a folder that you may write to"
        ) from None
    if len(secret) < LEAST:
        raise BadInput(f"the secret for patient keys {path} has fewer than {LEAST} bytes: remove it, a new one is made")
    if os.name == "posix" and mode & (stat.S_IRWXG | stat.S_IRWXO):
        print(
            f"radzoo: others can read the secret for patient keys: run `chmod 600 {path}`", file=sys.stderr, flush=True
        )
    return secret


def _make(path: Path) -> None:
    """A new secret, for this user's eyes only. Of two processes that make one, the first wins and both use it."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
    try:
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(f"{secrets.token_hex(BYTES)}\n")
        os.link(temporary, path)  # unlike a renaming, it fails where the file is there by now
    except FileExistsError:
        pass
    finally:
        temporary.unlink(missing_ok=True)
