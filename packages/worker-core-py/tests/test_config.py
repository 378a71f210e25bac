"""What the environment makes of a member's configuration."""

from pathlib import Path

import pytest

from muster_worker import load_config
from muster_worker.errors import ConfigError

GOOD = {"NATS_URL": "nats://127.0.0.1:4222", "MUSTER_STREAM": "ORDERS", "MUSTER_GROUP": "g"}
URL = "postgres://muster:secret@db/muster"


def test_takes_the_database_url_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_text(f"{URL}\n")
    assert load_config({**GOOD, "DATABASE_URL_FILE": str(file)}).database_url == URL


@pytest.mark.parametrize(
    ("content", "also"),
    [(None, {}), ("http://user:secret@x", {}), ("\n", {}), (URL, {"DATABASE_URL": URL})],
    ids=["not there", "no URL", "empty", "beside the variable"],
)
def test_says_what_is_wrong_with_the_file(
    tmp_path: Path, content: str | None, also: dict[str, str]
) -> None:
    file = tmp_path / "url"
    if content is not None:
        file.write_text(content)
    with pytest.raises(ConfigError) as raised:
        load_config({**GOOD, **also, "DATABASE_URL_FILE": str(file)})
    assert str(raised.value).startswith("DATABASE_URL_FILE: ")
    assert "secret" not in str(raised.value)
