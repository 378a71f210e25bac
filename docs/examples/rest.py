"""Looks at a fleet and puts its dead letters back to work, by the control plane's REST interface alone.

    MUSTER_URL=http://127.0.0.1:4600 MUSTER_TOKEN=... python3 rest.py ORDERS billing

The standard library is enough. MUSTER_TOKEN is needed wherever the control plane has a login.
"""

import json
import os
import sys
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import quote, urlencode

URL = os.environ.get("MUSTER_URL", "http://127.0.0.1:4600")
TOKEN = os.environ.get("MUSTER_TOKEN", "")


class Problem(Exception):
    """A refusal: branch on `code`; `request_id` finds it in the control plane's log and audit."""

    def __init__(self, told: dict[str, Any]) -> None:
        super().__init__(told["detail"])
        self.code: str = told["code"]
        self.request_id: str = told["request_id"]


def call(method: str, path: str, body: dict[str, Any] | None = None) -> Any:
    """The answer of one operation, or Problem."""
    request = urllib.request.Request(f"{URL}/api/v1{path}", method=method)
    if TOKEN:
        request.add_header("Authorization", f"Bearer {TOKEN}")
    if body is not None:
        request.data = json.dumps(body).encode()
        request.add_header("Content-Type", "application/json")
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return json.load(response)
    except urllib.error.HTTPError as error:
        if error.headers.get_content_type() != "application/problem+json":
            raise
        raise Problem(json.load(error)) from error


def main(stream: str, group: str) -> None:
    for line in call("GET", "/groups"):
        print(
            f"group {line['stream']}.{line['group']}: {line['ready']} ready,"
            f" {line['in_flight']} in flight, {line['dead']} dead"
        )

    order = {
        "id": "from-python",
        "customer": "ada",
        "amount": 10,
        "status": "pending",
        "created_at": "2026-01-02T03:04:05Z",
    }
    sent = call("POST", "/orders", {"orders": [{"event": "created", "order": order}]})
    print("order from-python:", sent["outcomes"][0]["outcome"])

    # Each id is encoded by itself: it may hold anything.
    letters = f"/streams/{quote(stream, safe='')}/dead-letters"
    query = {"group": group}
    while True:
        page = call("GET", f"{letters}?{urlencode(query)}")
        for letter in page["items"]:
            answer = call("POST", f"{letters}/{quote(letter['id'], safe='')}/replay", {})
            outcome = answer["outcomes"][0]
            # What could not be replayed says why; what it says comes from messages, so it is escaped.
            why = f" ({outcome['code']})" if "code" in outcome else ""
            print(f"dead letter {letter['id']!a}: {outcome['outcome']}{why}")
        if "next_cursor" not in page:
            break
        query["cursor"] = page["next_cursor"]


if __name__ == "__main__":
    try:
        main(*sys.argv[1:3])
    except Problem as problem:
        sys.exit(f"{problem.code}: {problem} (request {problem.request_id})")
