"""One member on a real server: every ending of a delivery."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from support import Group, until

from muster_worker import Context, PermanentError, RetryableError, Snooze


async def double(order: Any, ctx: Context) -> Any:
    return {"twice": order["n"] * 2, "subject": ctx.subject}


async def test_writes_the_row_and_acks_when_the_handler_returns(group: Group) -> None:
    async with group.worker(double):
        event_id = await group.publish(21)
        row = await group.settled(event_id, "done")
        await group.empty()
    assert row["result"] == {"twice": 42, "subject": f"{group.prefix}.made"}
    assert row["sequences"] == []


async def test_retries_with_a_record_and_then_is_done(group: Group) -> None:
    attempts: list[int] = []

    async def handler(_: Any, ctx: Context) -> Any:
        attempts.append(ctx.attempt)
        if ctx.attempt < 3:
            raise RetryableError("not yet")

    async with group.worker(handler):
        event_id = await group.publish()
        await group.settled(event_id, "done")
        await group.empty()
    assert attempts == [1, 2, 3]


async def test_dead_letters_a_permanent_failure_with_its_bytes_and_headers(group: Group) -> None:
    async def handler(_: Any, ctx: Context) -> Any:
        raise PermanentError("negative é amount")

    body = b'{"n": 1 }'
    async with group.worker(handler):
        event_id = await group.publish(
            body, **{"X-Trace": "abc", "Muster-Dlq-Reason": "forged", "Nats-Msg-Id": "m1"}
        )
        [letter] = await group.dead_letters()
        await group.empty()
    headers = letter.headers
    assert letter.data == body
    assert letter.subject == f"muster.dlq.{group.stream}.g1.permanent"
    assert headers["X-Trace"] == "abc"
    assert headers["Muster-Original-Nats-Msg-Id"] == "m1"
    assert headers["Muster-Dlq-Error"] == "negative \\u00e9 amount"
    assert headers["Muster-Dlq-Attempts"] == "1"
    assert json.loads(headers["Muster-Dlq-History"])[0]["outcome"] == "failed"
    row = await group.row(event_id)
    assert row is not None
    assert row["headers"]["Muster-Dlq-Id"] == headers["Nats-Msg-Id"]


async def test_is_exhausted_after_the_last_attempt(group: Group) -> None:
    async def handler(_: Any, ctx: Context) -> Any:
        raise ValueError("boom")

    async with group.worker(handler):
        await group.publish()
        [letter] = await group.dead_letters()
        await group.empty()
    assert letter.headers["Muster-Dlq-Reason"] == "exhausted"
    assert letter.headers["Muster-Dlq-Attempts"] == "3"
    assert letter.headers["Muster-Dlq-Error-Class"] == "ValueError"
    assert [e["attempt"] for e in json.loads(letter.headers["Muster-Dlq-History"])] == [1, 2, 3]


async def test_acks_a_repeat_and_joins_its_sequence(group: Group) -> None:
    ran: list[str] = []

    async def handler(_: Any, ctx: Context) -> Any:
        ran.append(ctx.event_id)

    async with group.worker(handler):
        await group.publish(1, event_id="e1")
        await group.settled("e1", "done")
        await group.publish(1, event_id="e1")
        await group.empty()
        row = await group.row("e1")
    assert ran == ["e1"]
    assert row is not None
    assert row["sequences"] == [2]


async def test_dead_letters_another_body_under_a_settled_event_id(group: Group) -> None:
    async with group.worker(double):
        await group.publish(1, event_id="e2")
        await group.settled("e2", "done")
        await group.publish(2, event_id="e2")
        [letter] = await group.dead_letters()
        await group.empty()
    assert letter.headers["Muster-Dlq-Reason"] == "conflict"
    row = await group.row("e2")
    assert row is not None
    assert row["result"]["twice"] == 2


async def test_finishes_what_a_killed_member_began(group: Group) -> None:
    """A row `dead` without its dead letter: the next delivery publishes and terms it."""

    async def handler(_: Any, ctx: Context) -> Any:
        raise PermanentError("no")

    def die(step: str, _: Any) -> None:
        if step == "row_dead":
            raise RuntimeError("as if killed")

    first = group.worker(handler, {"on_step": die})
    async with first:
        await group.publish(1, event_id="e3")
        await group.settled("e3", "dead")
    async with group.worker(handler):
        [letter] = await group.dead_letters()
        await group.empty()
    assert letter.headers["Muster-Dlq-Event-Id"] == "e3"


async def test_runs_the_corrected_order_of_a_dead_event(group: Group) -> None:
    async def handler(order: Any, ctx: Context) -> Any:
        if order["n"] < 0:
            raise PermanentError("negative")
        return order

    async with group.worker(handler):
        await group.publish(-1, event_id="e4")
        await group.settled("e4", "dead")
        await group.empty()
        await group.publish(5, event_id="e4")
        row = await group.settled("e4", "done")
    assert row["sequences"] == [1]


async def test_sets_invalid_bodies_aside(group: Group) -> None:
    bodies = [b"\xff", b"", b"[" * 100_000, b'{"n":1e400}', b'{"n":NaN}', b'{"x":1}']
    async with group.worker(double):
        for body in bodies:
            await group.publish(body)
        letters = await group.dead_letters(len(bodies))
        await group.empty()
    assert {letter.headers["Muster-Dlq-Reason"] for letter in letters} == {"invalid"}
    assert sorted(letter.data or b"" for letter in letters) == sorted(bodies)


async def test_sets_an_unknown_contract_aside(group: Group) -> None:
    async with group.worker(double):
        await group.publish(1, **{"Muster-Contract": "other.v9"})
        [letter] = await group.dead_letters()
    assert letter.headers["Muster-Dlq-Reason"] == "unknown_contract"
    assert letter.headers["Muster-Dlq-Error"] == "unknown contract other.v9"


async def test_a_snooze_counts_no_attempt(group: Group) -> None:
    attempts: list[int] = []

    async def handler(_: Any, ctx: Context) -> Any:
        attempts.append(ctx.attempt)
        if len(attempts) < 5:
            raise Snooze(20)

    async with group.worker(handler):
        event_id = await group.publish()
        await group.settled(event_id, "done")
    assert attempts == [1] * 5


async def test_a_result_that_is_not_json_is_permanent(group: Group) -> None:
    async def handler(_: Any, ctx: Context) -> Any:
        return float("nan")

    async with group.worker(handler):
        await group.publish()
        [letter] = await group.dead_letters()
    assert letter.headers["Muster-Dlq-Error-Class"] == "InvalidResult"


async def test_a_handler_past_its_deadline_is_retried_and_its_late_result_counts(
    group: Group,
) -> None:
    await group.put_spec(
        timeout_ms=100,
        retry={"max_attempts": 3, "backoff_ms": [60_000], "jitter": 0, "max_snooze_ms": 1000},
    )
    aborted = asyncio.Event()

    async def handler(_: Any, ctx: Context) -> Any:
        await ctx.signal.wait()
        aborted.set()
        await until("the record", record_written)
        return "late"

    async def record_written() -> bool:
        kv = await group.js.key_value("MUSTER_ATTEMPTS")
        try:
            entry = await kv.get(f"{group.stream}.g1.1")
        except Exception:
            return False
        return b"DeadlineExceeded" in (entry.value or b"")

    async with group.worker(handler):
        event_id = await group.publish()
        row = await group.settled(event_id, "done")
        await group.empty()
    assert aborted.is_set()
    assert row["result"] == "late"


async def test_extends_what_it_holds_beyond_the_ack_wait(group: Group) -> None:
    runs = 0

    async def handler(_: Any, ctx: Context) -> Any:
        nonlocal runs
        runs += 1
        await asyncio.sleep(3)

    async with group.worker(handler, grace_ms=6000):
        event_id = await group.publish()
        await group.settled(event_id, "done")
    assert runs == 1


async def test_odd_headers_and_names_reach_the_dead_letter(group: Group) -> None:
    async def handler(_: Any, ctx: Context) -> Any:
        raise PermanentError("no")

    block = b"NATS/1.0\r\nno colon\r\nA/b(c): 1\r\nDup: x\r\nDup: y\r\nU: \xc3\xa9\xff\r\n\r\n"
    payload = block + b'{"n":1}'
    nc: Any = group.nc
    async with group.worker(handler):
        await nc._send_command(
            f"HPUB {group.prefix}.made {len(block)} {len(payload)}\r\n".encode() + payload + b"\r\n"
        )
        await nc.flush()
        [letter] = await group.dead_letters()
    assert letter.headers["Dup"] == "y"
    assert "A/b(c)" not in letter.headers
    assert letter.headers["U"] == "\\u00e9\\ufffd"


async def test_a_short_header_block_stops_nobody(group: Group) -> None:
    nc: Any = group.nc
    async with group.worker(double):
        payload = b'NATS/1.0{"n":1}'
        await nc._send_command(
            f"HPUB {group.prefix}.made 8 {len(payload)}\r\n".encode() + payload + b"\r\n"
        )
        await nc.flush()
        event_id = await group.publish(3)
        await group.settled(event_id, "done")
        await group.empty()


async def test_subjects_that_are_no_text_stop_nobody(group: Group) -> None:
    nc: Any = group.nc
    async with group.worker(double):
        for token in (b"a\x0bb", b"a\x0cb", b"a\xffb", b"\x01\x7f"):
            await nc._send_command(
                b"PUB " + group.prefix.encode() + b"." + token + b' 7\r\n{"n":1}\r\n'
            )
        await nc.flush()
        await group.empty()
    assert group.logs.getvalue().count('"outcome":"done"') == 4
