"""A real nats-server and a provisioned group, for tests."""

from __future__ import annotations

import asyncio
import io
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import nats
import pytest
from nats.aio.client import Client

from muster_worker import Config, Handler, Worker
from muster_worker.log import create_log

ROOT = Path(__file__).resolve().parents[3]
CONTRACT = {"type": "object", "properties": {"n": {"type": "number"}}, "required": ["n"]}


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def nats_server_path() -> str:
    own = ROOT / ".muster" / "bin" / "nats-server"
    path = str(own) if own.exists() else shutil.which("nats-server")
    if path is None:
        if os.environ.get("CI"):
            pytest.fail("no nats-server on the PATH")
        pytest.skip("no nats-server on the PATH; ./muster brings one")
    return path


class NatsServer:
    """One nats-server with JetStream on a free port, its store in a temporary folder."""

    def __init__(self) -> None:
        self._path = nats_server_path()
        self._store = tempfile.mkdtemp(prefix="muster-py-")
        self.port = free_port()
        self.url = f"nats://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        argv = [self._path, "-a", "127.0.0.1", "-p", str(self.port), "-js", "-sd", self._store]
        self._process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until = time.monotonic() + 10
        while time.monotonic() < until:
            with socket.socket() as s:
                if s.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.02)
        raise TimeoutError("nats-server did not come up")

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def close(self) -> None:
        self.kill()
        shutil.rmtree(self._store, ignore_errors=True)


async def until(what: str, check: Callable[[], Awaitable[Any]], timeout_s: float = 15) -> Any:
    """Polls until `check` gives something true."""
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        value = await check()
        if value:
            return value
        await asyncio.sleep(0.03)
    raise TimeoutError(f"waited for: {what}")


class Group:
    """A provisioned stream, group and buckets with a name of their own."""

    def __init__(self, nc: Client, server: NatsServer, stream: str, group: str) -> None:
        self.nc = nc
        self.js = nc.jetstream(timeout=5)
        self.server = server
        self.stream = stream
        self.group = group
        self.prefix = stream.lower()
        self.logs = io.StringIO()

    async def api(self, subject: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = await self.nc.request(f"$JS.API.{subject}", json.dumps(body).encode(), timeout=5)
        value: dict[str, Any] = json.loads(answer.data)
        assert "error" not in value, value
        return value

    async def provision(self, **spec: Any) -> None:
        for bucket in ("GROUPS", "CONTRACTS", "MEMBERS", "ATTEMPTS", "LEDGER"):
            await self.js.create_key_value(bucket=f"MUSTER_{bucket}", direct=True)
        replay = f"muster.replay.{self.stream}.>"
        await self.api(
            f"STREAM.CREATE.{self.stream}",
            {
                "name": self.stream,
                "subjects": [f"{self.prefix}.>", replay],
                "retention": "workqueue",
                "storage": "file",
            },
        )
        await self.make_dead_letter_stream()
        await self.make_consumer(spec.get("ack_wait_ms", 2000))
        await self.put("MUSTER_CONTRACTS", "n.v1", CONTRACT)
        await self.put_spec(**spec)

    async def make_dead_letter_stream(self) -> None:
        await self.api(
            f"STREAM.CREATE.{self.stream}_DLQ",
            {
                "name": f"{self.stream}_DLQ",
                "subjects": [f"muster.dlq.{self.stream}.>"],
                "discard": "new",
                "duplicate_window": 3_600_000_000_000,
            },
        )

    async def make_consumer(self, ack_wait_ms: int, **config: Any) -> None:
        await self.api(
            f"CONSUMER.CREATE.{self.stream}.{self.group}",
            {
                "stream_name": self.stream,
                "config": {
                    "name": self.group,
                    "durable_name": self.group,
                    "ack_policy": "explicit",
                    "ack_wait": ack_wait_ms * 1_000_000,
                    "max_deliver": -1,
                    "filter_subjects": [
                        f"{self.prefix}.>",
                        f"muster.replay.{self.stream}.{self.group}.>",
                    ],
                    **config,
                },
            },
        )

    async def push_from_now_on(self, **spec: Any) -> None:
        """Makes the consumer again, as one that pushes."""
        await self.js.delete_consumer(self.stream, self.group)
        subject = f"muster.push.{self.stream}.{self.group}"
        await self.make_consumer(2000, deliver_subject=subject, deliver_group=self.group)
        await self.put_spec(**{"delivery": {"mode": "push"}, **spec})

    async def put_spec(self, **changes: Any) -> None:
        spec = {
            "v": 1,
            "stream": self.stream,
            "group": self.group,
            "contracts": ["n.v1"],
            "subjects": [f"{self.prefix}.>"],
            "delivery": {"mode": "pull"},
            "ledger": "kv",
            "ack_wait_ms": 2000,
            "max_ack_pending": 1000,
            "concurrency": 4,
            "timeout_ms": 5000,
            "retry": {
                "max_attempts": 3,
                "backoff_ms": [50],
                "jitter": 0,
                "max_snooze_ms": 1000,
            },
            "min_members": 1,
            "paused": False,
            **changes,
        }
        await self.put("MUSTER_GROUPS", f"{self.stream}.{self.group}", spec)

    def contract(self, name: str) -> Any:
        path = ROOT / "packages" / "contracts" / "schemas" / f"{name}.json"
        return json.loads(path.read_text())

    async def put(self, bucket: str, key: str, value: Any) -> None:
        kv = await self.js.key_value(bucket)
        await kv.put(key, json.dumps(value).encode())

    async def publish(self, n: Any = 1, *, event_id: str = "", **headers: str) -> str:
        event_id = event_id or str(uuid.uuid4())
        body = n if isinstance(n, bytes) else json.dumps({"n": n}).encode()
        all_headers = {"Muster-Event-Id": event_id, **headers}
        await self.js.publish(f"{self.prefix}.made", body, headers=all_headers)
        return event_id

    async def row(self, event_id: str) -> dict[str, Any] | None:
        from muster_worker.protocol.keys import ledger_key

        kv = await self.js.key_value("MUSTER_LEDGER")
        try:
            entry = await kv.get(ledger_key(self.stream, self.group, event_id))
        except nats.js.errors.KeyNotFoundError:
            return None
        value: dict[str, Any] = json.loads(entry.value or b"null")
        return value

    async def settled(self, event_id: str, status: str) -> dict[str, Any]:
        async def check() -> Any:
            row = await self.row(event_id)
            return row if row and row["status"] == status else None

        row: dict[str, Any] = await until(f"{event_id} {status}", check)
        return row

    async def empty(self) -> None:
        """Waits until nothing is left in the stream: every message is acked or termed."""

        async def check() -> bool:
            info = await self.js.stream_info(self.stream)
            return info.state.messages == 0

        await until("empty stream", check)

    async def dead_letters(self, count: int = 1) -> list[Any]:
        async def check() -> bool:
            return (await self.js.stream_info(f"{self.stream}_DLQ")).state.messages >= count

        await until(f"{count} dead letters", check)
        info = await self.js.stream_info(f"{self.stream}_DLQ")
        return [
            await self.js.get_msg(f"{self.stream}_DLQ", seq)
            for seq in range(info.state.first_seq, info.state.last_seq + 1)
        ]

    def config(self, **changes: Any) -> Config:
        values: dict[str, Any] = {
            "servers": (self.server.url,),
            "stream": self.stream,
            "group": self.group,
            "member": f"m-{uuid.uuid4().hex[:8]}",
            "heartbeat_ms": 250,
            "grace_ms": 3000,
            "log_level": "debug",
        }
        return Config(**{**values, **changes})

    def worker(
        self, handler: Handler | None = None, options: dict[str, Any] | None = None, **changes: Any
    ) -> Worker:
        log = create_log("debug", {}, self.logs)
        return Worker(handler, self.config(**changes), log=log, **(options or {}))

    def lines(self, text: str) -> list[dict[str, Any]]:
        """The log lines with this message."""
        parsed = map(json.loads, self.logs.getvalue().splitlines())
        return [line for line in parsed if line["msg"] == text]

    def logged(self, text: str) -> bool:
        return f'"msg":"{text}"' in self.logs.getvalue()


@asynccontextmanager
async def queue_group_on(server: NatsServer, **spec: Any) -> AsyncIterator[Group]:
    """A core queue group; its dead-letter stream is the server's only one."""
    nc = await nats.connect(server.url)
    try:
        group = Group(nc, server, "core", "g1")
        for bucket in ("GROUPS", "CONTRACTS", "MEMBERS"):
            await group.js.create_key_value(bucket=f"MUSTER_{bucket}", direct=True)
        await group.make_dead_letter_stream()
        await group.put("MUSTER_CONTRACTS", "n.v1", CONTRACT)
        await group.put_spec(**{"delivery": {"mode": "queue"}, "ledger": "none", **spec})
        yield group
    finally:
        await nc.close()


@asynccontextmanager
async def group_on(server: NatsServer, **spec: Any) -> AsyncIterator[Group]:
    nc = await nats.connect(server.url, allow_reconnect=True, reconnect_time_wait=0.2)  # type: ignore[arg-type]
    try:
        group = Group(nc, server, f"S{uuid.uuid4().hex[:8]}", "g1")
        await group.provision(**spec)
        yield group
    finally:
        await nc.close()


class PostgresServer:
    """A Postgres of its own with one database, `muster`, whose owner needs no password."""

    def __init__(self) -> None:
        self._bin = postgres_bin()
        self._scratch = tempfile.mkdtemp(prefix="muster-postgres-py-")
        # Postgres refuses to run as root: as somebody else, who gets the folder.
        self._as_user: list[str] = []
        if os.geteuid() == 0:
            user = pwd.getpwnam("nobody")
            os.chown(self._scratch, user.pw_uid, user.pw_gid)
            ids = [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
            self._as_user = ["setpriv", *ids]
        self._data = str(Path(self._scratch) / "data")
        self.port = free_port()
        self.url = f"postgres://muster@127.0.0.1:{self.port}/muster"
        self._process: subprocess.Popen[bytes] | None = None

    def create(self) -> None:
        options = ["-U", "muster", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync"]
        argv = [str(self._bin / "initdb"), "-D", self._data, *options]
        subprocess.run([*self._as_user, *argv], check=True, stdout=subprocess.DEVNULL)
        self.start()
        to = ["-h", "127.0.0.1", "-p", str(self.port), "-U", "muster", "muster"]
        subprocess.run([str(self._bin / "createdb"), *to], check=True)

    def start(self) -> None:
        settings = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "fsync": "off",
            "shared_buffers": "32MB",
        }
        flags = [text for name, value in settings.items() for text in ("-c", f"{name}={value}")]
        argv = [str(self._bin / "postgres"), "-D", self._data, "-p", str(self.port), *flags]
        self._process = subprocess.Popen([*self._as_user, *argv], stderr=subprocess.DEVNULL)
        end = time.monotonic() + 30
        while time.monotonic() < end:
            ready = [str(self._bin / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
            if subprocess.run(ready, check=False).returncode == 0:
                return
            time.sleep(0.05)
        raise TimeoutError("postgres did not come up")

    def stop(self) -> None:
        """At once, with all its sessions."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait()
            self._process = None

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self._scratch, ignore_errors=True)

    def psql(self, sql: str) -> str:
        argv = [
            str(self._bin / "psql"),
            "-XAtq",
            "-v",
            "ON_ERROR_STOP=1",
            "-d",
            self.url,
            "-c",
            sql,
        ]
        return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()


def postgres_bin() -> Path:
    """The folder with PostgreSQL's programs."""
    chosen = os.environ.get("MUSTER_POSTGRES_BIN")
    found = shutil.which("postgres")
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    on_path = [Path(found).resolve().parent] if found else []
    for folder in [*([Path(chosen)] if chosen else []), *on_path, *debian]:
        if all((folder / name).exists() for name in ("initdb", "postgres", "createdb", "psql")):
            return folder
    if os.environ.get("CI"):
        pytest.fail("no PostgreSQL on this machine")
    pytest.skip("no PostgreSQL on this machine")
