"""The one verdict on a message: the JSON rules, then the contract's JSON Schema."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import jsonschema_rs

from ..errors import MusterError
from .body import BodyError, parse_body


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Valid: `code` is None and `value` the parsed body. Else the protocol's code and error."""

    value: Any = None
    code: str | None = None
    error: str = ""


Judge = Callable[[bytes], Verdict]


def create_verdict(contract: str, schema: Any) -> Judge:
    """Compiles `schema`; raises MusterError `bad_schema` when it is no JSON Schema 2020-12."""
    try:
        validator = jsonschema_rs.Draft202012Validator(schema, validate_formats=False)
    except (ValueError, jsonschema_rs.ValidationError) as error:
        raise MusterError("bad_schema", f"contract {contract} is no JSON Schema") from error

    def judge(data: bytes) -> Verdict:
        try:
            value = parse_body(data)
        except BodyError as error:
            return Verdict(code=error.code, error=str(error))
        if validator.is_valid(value):
            return Verdict(value=value)
        pointer = min(_leaf_pointers(validator.iter_errors(value)), default="") or "/"
        return Verdict(code="schema", error=f"does not match {contract} at {pointer}")

    return judge


def _leaf_pointers(errors: Iterable[jsonschema_rs.ValidationError]) -> Iterator[str]:
    for error in errors:
        branches = getattr(error.kind, "context", None)
        children = [child for branch in branches or () for child in branch]
        if children:
            yield from _leaf_pointers(children)
        else:
            yield "".join(f"/{_escape(str(token))}" for token in error.instance_path)


def _escape(token: str) -> str:
    return token.replace("~", "~0").replace("/", "~1")
