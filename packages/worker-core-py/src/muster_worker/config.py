"""The one place that reads the environment; it names every bad variable at once."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from .errors import ConfigError
from .log import LEVELS
from .login_files import LoginFiles
from .protocol.names import is_name
from .protocol.server_url import can_log_in

LANGUAGE = "py"
CORE_VERSION = "0.1.0"

_SCHEMES = ("nats", "tls", "ws", "wss")


@dataclass(frozen=True, kw_only=True)
class Config:
    """What a member needs to know to join its group.

    The fields have the names that they have in Go, after what they are: `servers`, `member`. In
    TypeScript these two are called after their variables, `natsUrls` and `workerId`.
    """

    servers: tuple[str, ...]
    """NATS server URLs, at least one."""
    login: LoginFiles = field(default_factory=LoginFiles)
    """Files to log in with; default: the login of the first URL, or none."""
    stream: str
    group: str
    member: str
    """The member's id, unique in the group while it lives."""
    api_prefix: str = "$JS.API"
    """JetStream API prefix, where accounts remap it."""
    inbox_prefix: str = "_INBOX"
    """What the subjects begin with on which answers and messages come."""
    heartbeat_ms: int = 5000
    """Between two heartbeats, each with a poll of the spec; 250 to 5000."""
    grace_ms: int = 25000
    """How long a drain waits for running handlers."""
    log_level: str = "info"
    version: str = CORE_VERSION
    """Version of the application, told in records and dead letters."""
    http_host: str = "127.0.0.1"
    """Address of /metrics, /livez and /readyz."""
    http_port: int | None = None
    """Their port: 0 any free one, None: they are not served."""
    database_url: str | None = None
    """Where the ledger is, for groups with ledger `postgres`."""


def load_config(env: Mapping[str, str]) -> Config:
    """Reads the environment of the protocol, or raises ConfigError with all that is wrong."""
    problems: list[str] = []

    def text(name: str, default: str) -> str:
        return env.get(name, "") or default

    def number(name: str, default: int, low: int, high: int) -> int:
        value = text(name, str(default))
        if not re.fullmatch(r"[0-9]{1,9}", value) or not low <= int(value) <= high:
            problems.append(f"{name}: {value!r} is not a whole number from {low} to {high}")
            return default
        return int(value)

    def name(variable: str, what: str) -> str:
        value = text(variable, "")
        if not value:
            problems.append(f"{variable}: required, the {what} to join")
        elif not is_name(value):
            problems.append(f"{variable}: {value!r} does not match ^[A-Za-z0-9_-]{{1,60}}$")
        return value

    def prefix(variable: str, default: str) -> str:
        value = text(variable, default).removesuffix(".")
        if not re.fullmatch(r"[^\s*>.]+([.][^\s*>.]+)*", value):
            problems.append(f"{variable}: {value!r} is no subject prefix")
        return value

    servers = tuple(url.strip() for url in text("NATS_URL", "").split(",") if url.strip())
    if not servers:
        problems.append("NATS_URL: required, for example nats://127.0.0.1:4222")
    problems.extend(f"NATS_URL: {problem}" for url in servers if (problem := _url_problem(url)))
    if len({url.startswith("ws") for url in servers}) > 1:
        problems.append("NATS_URL: ws and wss do not mix with nats and tls")
    login = LoginFiles(
        creds=text("NATS_CREDS", "") or None,
        nkey=text("NATS_NKEY", "") or None,
        ca=text("NATS_CA", "") or None,
    )
    has_url_login = bool(servers) and "@" in servers[0].partition("//")[2].partition("/")[0]
    problems.extend(login.problems(has_url_login=has_url_login))
    stream = name("MUSTER_STREAM", "stream of the group")
    group = name("MUSTER_GROUP", "group")
    member = text("WORKER_ID", "") or default_member()
    if not is_name(member):
        problems.append(f"WORKER_ID: {member!r} does not match ^[A-Za-z0-9_-]{{1,60}}$")
    api_prefix = prefix("MUSTER_API_PREFIX", "$JS.API")
    inbox_prefix = prefix("MUSTER_INBOX_PREFIX", "_INBOX")
    heartbeat_ms = number("MUSTER_HEARTBEAT_MS", 5000, 250, 5000)
    grace_ms = number("MUSTER_GRACE_MS", 25000, 0, 3_600_000)
    level = text("LOG_LEVEL", "info")
    if level not in LEVELS:
        problems.append(f"LOG_LEVEL: {level!r} is none of {', '.join(LEVELS)}")
    http_port = number("MUSTER_HTTP_PORT", 0, 0, 65_535) if text("MUSTER_HTTP_PORT", "") else None
    database_url = _database_url(text("DATABASE_URL", ""), text("DATABASE_URL_FILE", ""), problems)
    if problems:
        raise ConfigError(problems)
    return Config(
        servers=servers,
        login=login,
        stream=stream,
        group=group,
        member=member,
        api_prefix=api_prefix,
        inbox_prefix=inbox_prefix,
        heartbeat_ms=heartbeat_ms,
        grace_ms=grace_ms,
        log_level=level,
        version=text("MUSTER_APP_VERSION", CORE_VERSION),
        http_host=text("MUSTER_HTTP_HOST", "127.0.0.1"),
        http_port=http_port,
        database_url=database_url,
    )


def default_member() -> str:
    """`<host>-<pid>`, the host cut so that it is at most 60 characters."""
    pid = str(os.getpid())
    host = re.sub(r"[^A-Za-z0-9_-]", "-", socket.gethostname() or "host")
    return f"{host[: 59 - len(pid)]}-{pid}"


def _url_problem(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError:
        return f"{_shown(url)} is no URL"
    if parts.scheme not in _SCHEMES or not host or not url.startswith(f"{parts.scheme}://"):
        return f"{_shown(url)} is no URL like nats://host:port ({', '.join(_SCHEMES)})"
    if not can_log_in(url):
        return f"{_shown(url)} has a user or password that cannot be decoded"
    return None


def _database_url(given: str, file: str, problems: list[str]) -> str | None:
    # In a file, as orchestrators mount secrets, it stands in nobody's environment.
    if given and file:
        problems.append("DATABASE_URL_FILE: set beside DATABASE_URL; keep one of them")
        return None
    variable, value = "DATABASE_URL", given
    if file:
        try:
            variable, value = "DATABASE_URL_FILE", Path(file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            problems.append(f"DATABASE_URL_FILE: {error}")
            return None
    elif not given:
        return None
    if not _is_database_url(value):
        problems.append(f"{variable}: {_shown(value)} is no URL like postgres://user@host/database")
    return value


def _is_database_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        _port = parts.port
    except ValueError:
        return False
    return parts.scheme in ("postgres", "postgresql") and url.startswith(f"{parts.scheme}://")


def _shown(url: str) -> str:
    """A URL without the secret it may hold."""
    return repr(re.sub(r"//[^@/]*@", "//…@", url))
