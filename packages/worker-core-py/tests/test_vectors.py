"""Every vector file of the contracts, read as it is by all three languages."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from support import ROOT

from muster_worker import MusterError
from muster_worker.protocol.attempts import (
    admit,
    empty_record,
    failed,
    same_message,
    snoozed,
    started,
)
from muster_worker.protocol.backoff import backoff_delay_ms
from muster_worker.protocol.headers import DeadLetterFacts, dead_letter_headers
from muster_worker.protocol.ids import dead_letter_id, event_id_of, replay_msg_id
from muster_worker.protocol.keys import attempts_key, group_key, ledger_key, member_key
from muster_worker.protocol.names import check_name, is_name, is_stream, is_subject
from muster_worker.protocol.reply import parse_ack_reply
from muster_worker.protocol.row import decide_row, knows, over, with_sequence
from muster_worker.protocol.spec import with_defaults
from muster_worker.protocol.spec_problems import spec_problems
from muster_worker.protocol.subjects import (
    archive_subject,
    dlq_subject,
    member_subject,
    replay_subject,
    strip_replay_prefix,
)
from muster_worker.protocol.texts import MAX_TEXT, fingerprint, header_text
from muster_worker.protocol.verdict import Judge, create_verdict

CONTRACTS = ROOT / "packages" / "contracts"
SUBJECTS = {
    "replay": replay_subject,
    "dlq": dlq_subject,
    "archive": archive_subject,
    "member": member_subject,
    "strip": strip_replay_prefix,
}
KEYS = {
    "group": group_key,
    "member": member_key,
    "attempts": attempts_key,
    "ledger": ledger_key,
}
NAMES = {"name": is_name, "stream": is_stream, "subject": is_subject}
READ = {
    "verdicts",
    "backoff",
    "names",
    "subjects",
    "keys",
    "ids",
    "replies",
    "headers",
    "texts",
    "rows",
    "row-writes",
    "admits",
    "attempt-writes",
    "spec-problems",
}
READ_BY_THE_ORDER_WORKER = {"orders"}
SCHEMAS_OF_VERDICTS = {"any.v1", "paths.v1"}


def vectors(file: str) -> Any:
    cases = json.loads((CONTRACTS / "vectors" / f"{file}.json").read_text("utf-8"))["cases"]
    ids = [f"{file}-{n}-{case.get('name', '')}"[:80] for n, case in enumerate(cases)]
    return pytest.mark.parametrize("case", cases, ids=ids)


def judge(contract: str, compiled: dict[str, Judge] = {}) -> Judge:  # noqa: B006
    if contract not in compiled:
        folders = [CONTRACTS / folder / f"{contract}.json" for folder in ("schemas", "vectors")]
        [path] = [path for path in folders if path.exists()]
        schema = json.loads(path.read_text("utf-8"))
        compiled[contract] = create_verdict(contract, schema)
    return compiled[contract]


def test_reads_every_vector_file() -> None:
    files = {path.stem for path in (CONTRACTS / "vectors").glob("*.json")}
    assert files == READ | READ_BY_THE_ORDER_WORKER | SCHEMAS_OF_VERDICTS


@vectors("verdicts")
def test_verdict(case: dict[str, Any]) -> None:
    if "body_base64" in case:
        body = base64.b64decode(case["body_base64"])
    else:
        body = "".join(text * count for text, count in case["body_repeat"]).encode()
    verdict = judge(case["contract"])(body)
    assert (verdict.code is None) == case["valid"]
    assert verdict.code == case.get("code")
    if "error" in case:
        assert verdict.error == case["error"]


@vectors("backoff")
def test_backoff(case: dict[str, Any]) -> None:
    delay = backoff_delay_ms(case["backoff_ms"], case["jitter"], case["attempt"], case["random"])
    assert delay == case["delay_ms"]


@vectors("names")
def test_name(case: dict[str, Any]) -> None:
    assert NAMES[case["kind"]](case["value"]) == case["valid"]


@vectors("subjects")
def test_subject(case: dict[str, Any]) -> None:
    assert SUBJECTS[case["fn"]](*case["args"]) == case["result"]


@vectors("keys")
def test_key(case: dict[str, Any]) -> None:
    assert KEYS[case["fn"]](*case["args"]) == case["result"]


@vectors("ids")
def test_id(case: dict[str, Any]) -> None:
    match case["fn"]:
        case "event_id":
            made = event_id_of(case["headers"], case["stream"], case["seq"], case["store_time"])
        case "dead_letter_id":
            made = dead_letter_id(*case["args"])
        case _:
            made = replay_msg_id(*case["args"])
    assert made == case["result"]


@vectors("replies")
def test_reply(case: dict[str, Any]) -> None:
    ack = parse_ack_reply(case["subject"])
    assert (None if ack is None else ack._asdict()) == case["result"]


@vectors("headers")
def test_dead_letter_headers(case: dict[str, Any]) -> None:
    facts = DeadLetterFacts(**case["facts"])
    made = dead_letter_headers(case["original"], facts, case["limit_bytes"])
    assert made == case["result"]


@vectors("texts")
def test_text(case: dict[str, Any]) -> None:
    if case["fn"] == "header_text":
        assert header_text(case["value"], case.get("max", MAX_TEXT)) == case["result"]
    else:
        assert fingerprint(case["reason"], case["error"]) == case["result"]


@vectors("rows")
def test_row(case: dict[str, Any]) -> None:
    message = dict(case["message"])
    assert decide_row(case["row"], **message) == case["decision"]
    if "knows" in case:
        del message["body_sha256"]
        assert knows(case["row"], **message) == case["knows"]


@vectors("admits")
def test_admit(case: dict[str, Any]) -> None:
    decision, attempt = admit(
        case["record"],
        delivered=case["delivered"],
        store_time=case["store_time"],
        max_attempts=case["max_attempts"],
    )
    assert (decision, attempt) == (case["decision"], case["attempt"])


@vectors("row-writes")
def test_row_write(case: dict[str, Any]) -> None:
    if case["fn"] == "join":
        assert with_sequence(case["row"], case["sequence"]) == case["expected"]
        return
    ending = (
        {"result": case["value"]}
        if case["fn"] == "done"
        else {"reason": case["reason"], "headers": case["headers"]}
    )
    new = {"v": 1, "status": case["fn"], "sequences": [], "more": 0, **case["facts"], **ending}
    assert over(new, case["earlier"]) == case["expected"]


@vectors("attempt-writes")
def test_attempt_write(case: dict[str, Any]) -> None:
    write = {"note_start": started, "record_failure": failed, "record_snooze": snoozed}[case["fn"]]
    facts = dict(case["facts"])
    delivered = facts.pop("delivered")
    message = {name: facts.pop(name) for name in ("sequence", "store_time", "event_id")}
    same = same_message(case["record"], message["store_time"])
    record = case["record"] if same else empty_record(**message)
    assert write(record, facts, delivered) == case["result"]


@vectors("spec-problems")
def test_spec_problems(case: dict[str, Any]) -> None:
    assert spec_problems(with_defaults(case["spec"])) == case["problems"]


def test_a_bad_name_has_a_code() -> None:
    with pytest.raises(MusterError, match="member"):
        check_name("member", "a.b")
