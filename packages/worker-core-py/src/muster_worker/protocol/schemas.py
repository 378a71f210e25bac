"""The committed copies of the contracts' schemas; a test compares the two."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import Any, cast

import jsonschema_rs


@cache
def read_schema(name: str) -> dict[str, Any]:
    """A document's JSON Schema."""
    path = resources.files(__package__) / "documents" / f"{name}.json"
    return cast("dict[str, Any]", json.loads(path.read_text("utf-8")))


def is_document(name: str, value: Any) -> bool:
    """Whether a JSON value is such a document."""
    return _validator(name).is_valid(value)


@cache
def _validator(name: str) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(read_schema(name), validate_formats=False)
