"""A message as it came off the wire."""

from __future__ import annotations


class Msg:
    """Subject, reply ("" without one) and bytes; the header block is read when somebody asks."""

    __slots__ = ("data", "head", "reply", "subject")

    def __init__(self, subject: str, reply: str, data: bytes, head: bytes = b"") -> None:
        self.subject = subject
        self.reply = reply
        self.data = data
        self.head = head
