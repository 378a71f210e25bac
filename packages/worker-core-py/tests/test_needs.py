"""Which refusals of the server a member cannot work with."""

from __future__ import annotations

import pytest

from muster_worker.config import Config
from muster_worker.needs import is_needed

CONFIG = Config(
    servers=("nats://127.0.0.1:4222",), stream="S", group="g", member="m", api_prefix="JSF.API"
)


@pytest.mark.parametrize(
    "what",
    [
        'Publish to "JSF.API.CONSUMER.MSG.NEXT.S.g"',
        'Publish to "$KV.MUSTER_MEMBERS.S.g.m"',
        'Publish to "muster.dlq.S.g.permanent"',
        'Publish to "$JS.ACK.S.g.1.2.3.4.5"',
        'Publish to "$JS.ACK.domain.account.S.g.1.2.3.4.5"',
        'Subscription to "orders.>" using queue "g"',
        'Subscription to "_INBOX.abc.*"',
        'Subscription to "muster.member.S.g.m.drain"',
        'Subscription to "muster.push.S.g"',
    ],
)
def test_cannot_work_without(what: str) -> None:
    assert is_needed(f"Permissions Violation for {what}", CONFIG)


@pytest.mark.parametrize(
    "what",
    [
        'Publish to "JSF.APIS.x"',
        'Publish to "$KV.OTHER.x"',
        'Publish to "muster.dlq.S.other.permanent"',
        'Publish to "$JS.ACK.S.other.1.2.3.4.5"',
        'Publish to "$JS.API.STREAM.DELETE.S"',
        'Publish to "_INBOX.of.who.commands"',
        'Subscription to "orders.>"',
        "something else",
    ],
)
def test_came_with_a_message(what: str) -> None:
    assert not is_needed(f"Permissions Violation for {what}", CONFIG)
