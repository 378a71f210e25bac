"""What the core writes passes the schemas of the protocol."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from support import ROOT, Group

from muster_worker import Context, MusterError, PermanentError, RetryableError
from muster_worker.protocol.spec import parse_spec

SCHEMAS = ROOT / "packages" / "contracts" / "schemas"
OWN_COPY = Path(__file__).resolve().parents[1] / "src" / "muster_worker" / "protocol" / "documents"


def check(name: str, value: Any) -> None:
    schema = json.loads((SCHEMAS / f"{name}.json").read_text())
    errors = [str(e) for e in jsonschema_rs.Draft202012Validator(schema).iter_errors(value)]
    assert errors == []


def test_the_copied_schema_is_the_committed_one() -> None:
    for copy in OWN_COPY.iterdir():
        assert copy.read_bytes() == (SCHEMAS / copy.name).read_bytes(), (
            f"{copy.name} differs: run ./muster generate"
        )


def test_a_spec_gets_its_defaults() -> None:
    raw = {"v": 1, "stream": "S", "group": "g", "contracts": ["n.v1"], "subjects": ["s.>"]}
    spec = parse_spec(json.dumps(raw).encode(), "S", "g")
    assert (spec.delivery.mode, spec.ledger, spec.concurrency) == ("pull", "kv", 10)
    assert spec.retry.backoff_ms == (1000, 5000, 30000, 120000)


@pytest.mark.parametrize("change", [{"v": 2}, {"concurrency": 0}, {"group": "other"}, {"v": None}])
def test_refuses_a_spec(change: dict[str, Any]) -> None:
    raw = {"v": 1, "stream": "S", "group": "g", "contracts": ["n.v1"], "subjects": ["s.>"]}
    with pytest.raises(MusterError):
        parse_spec(json.dumps(raw | change).encode(), "S", "g")


async def test_what_is_written_passes(group: Group) -> None:
    seen: list[dict[str, Any]] = []

    async def handler(order: Any, ctx: Context) -> Any:
        members = await group.js.key_value("MUSTER_MEMBERS")
        seen.append(json.loads((await members.get(f"{group.stream}.g1.m1")).value or b""))
        if ctx.attempt == 1:
            raise RetryableError("again é", delay_ms=10)
        records = await group.js.key_value("MUSTER_ATTEMPTS")
        found = await records.get(f"{group.stream}.g1.{order['n']}")
        check("attempts-record", json.loads(found.value or b""))
        if order["n"] == 2:
            raise PermanentError("no")

    async with group.worker(handler, member="m1") as worker:
        done, dead = await group.publish(1), await group.publish(2)
        check("ledger-row", await group.settled(done, "done"))
        check("ledger-row", await group.settled(dead, "dead"))
        [letter] = await group.dead_letters()
        check("dead-letter-headers", letter.headers)
        check("member-record", worker._life.record())
    for record in seen:
        check("member-record", record)
