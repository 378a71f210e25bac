"""The subjects of the protocol."""

from __future__ import annotations


def replay_prefix(stream: str, group: str) -> str:
    """What stands before the original subject of a replayed message, with its dot."""
    return f"muster.replay.{stream}.{group}."


def replay_subject(stream: str, group: str, original: str) -> str:
    """Where a dead letter of `group` is sent back to work."""
    return replay_prefix(stream, group) + original


def strip_replay_prefix(stream: str, group: str, subject: str) -> str:
    """The subject as its publisher knew it."""
    return subject.removeprefix(replay_prefix(stream, group))


def dlq_subject(stream: str, group: str, reason: str) -> str:
    """Where a dead letter is published."""
    return f"muster.dlq.{stream}.{group}.{reason}"


def archive_subject(stream: str, group: str, reason: str) -> str:
    """Where a discarded dead letter is kept."""
    return f"muster.archive.{stream}.{group}.{reason}"


def member_subject(stream: str, group: str, member: str, command: str) -> str:
    """Where a member listens for a command of the control plane."""
    return f"muster.member.{stream}.{group}.{member}.{command}"


def push_subject(stream: str, group: str) -> str:
    """Where the server pushes a group's messages to; fixed, so that nothing has to be told."""
    return f"muster.push.{stream}.{group}"
