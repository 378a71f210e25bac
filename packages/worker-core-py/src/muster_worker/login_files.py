"""The files that log a member in to NATS: what NATS_CREDS, NATS_NKEY and NATS_CA name."""

from __future__ import annotations

import base64
import re
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nkeys  # type: ignore[import-untyped]


@dataclass(frozen=True, kw_only=True)
class LoginFiles:
    """Paths, each None where there is none."""

    creds: str | None = None
    """A user's credentials: JWT and seed."""
    nkey: str | None = None
    """A user's nkey seed. Not beside `creds`."""
    ca: str | None = None
    """Certificates of the authorities that the server's certificate must come from, in PEM. With it
    a server without TLS is not used."""

    def problems(self, *, has_url_login: bool) -> list[str]:
        """A line for each file that cannot be used, which begins with its variable. What a file
        holds is in no line.

        `has_url_login`: a URL has a login already, and there can be only one.
        """
        problems: list[str] = []

        def check(
            variable: str, path: str | None, is_good: Callable[[str], bool], what: str
        ) -> None:
            if path is None:
                return
            text = _read(path)
            if text is None:
                problems.append(f"{variable}: {path!r} cannot be read")
            elif not is_good(text):
                problems.append(f"{variable}: {path!r} {what}")

        what = "holds no user's credentials: a JWT and a seed SU…"
        check("NATS_CREDS", self.creds, _is_creds, what)
        check("NATS_NKEY", self.nkey, _has_seed, "holds no user's seed SU…")
        what = "holds no certificate in PEM, or a broken one"
        check("NATS_CA", self.ca, _is_certificates, what)
        if self.creds is not None and self.nkey is not None:
            problems.append("NATS_NKEY: NATS_CREDS is set too; keep one of them")
        for variable, path in (("NATS_CREDS", self.creds), ("NATS_NKEY", self.nkey)):
            if path is not None and has_url_login:
                problems.append(f"{variable}: NATS_URL has a login already; keep one of them")
        return problems

    def options(self) -> dict[str, Any]:
        """What the client's `connect` takes to log in by the files."""
        options: dict[str, Any] = {}
        if self.ca is not None:
            options["tls"] = ssl.create_default_context(cafile=self.ca)
        if self.creds is not None:
            login = _FileLogin(self.creds)
            options |= {"user_jwt_cb": login.jwt, "signature_cb": login.sign}
        elif self.nkey is not None:
            options["nkeys_seed_str"] = _parse_seed(_read(self.nkey) or "")
        return options


class _FileLogin:
    """Reads credentials anew each time, so that a file that was replaced is taken. While it cannot
    be read, or is half written, it is what it was before."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._last: tuple[str, str] | None = None

    def jwt(self) -> bytes:
        return self._read()[0].encode()

    def sign(self, nonce: str) -> bytes:
        pair = nkeys.from_seed(bytearray(self._read()[1].encode()))
        signature = base64.b64encode(pair.sign(nonce.encode()))
        pair.wipe()
        return signature

    def _read(self) -> tuple[str, str]:
        text = _read(self._path) or ""
        jwt, seed = _parse_jwt(text), _parse_seed(text)
        if jwt is not None and seed is not None:
            self._last = (jwt, seed)
        if self._last is None:
            raise OSError(f"{self._path} cannot be used any more")
        return self._last


def _read(path: str) -> str | None:
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, ValueError):
        return None


def _is_creds(text: str) -> bool:
    return _parse_jwt(text) is not None and _has_seed(text)


def _has_seed(text: str) -> bool:
    return _parse_seed(text) is not None


def _parse_jwt(text: str) -> str | None:
    token = r"[A-Za-z0-9_-]+[.][A-Za-z0-9_-]+[.][A-Za-z0-9_-]+"
    match = re.search(rf"-{{3,}}BEGIN NATS USER JWT-{{3,}}\s+({token})\s", text)
    return match[1] if match else None


def _parse_seed(text: str) -> str | None:
    match = re.search(r"(?:^|\s)(SU[A-Z2-7]{56})(?:\s|$)", text)
    return match[1] if match and _is_seed(match[1]) else None


def _is_seed(seed: str) -> bool:
    # The library looks at no checksum: a mistyped seed would be another user's.
    raw = base64.b32decode(seed + "=" * (-len(seed) % 8))
    return _crc16(raw[:-2]) == int.from_bytes(raw[-2:], "little")


def _crc16(data: bytes) -> int:
    """CRC-16/XMODEM."""
    crc = 0
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = ((crc << 1) ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF
    return crc


def _is_certificates(text: str) -> bool:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cadata=text)
    except (ssl.SSLError, ValueError):
        return False
    return len(context.get_ca_certs()) > 0
