"""Who a client is to the server."""

import re
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import unquote, urlsplit


class Login(NamedTuple):
    """User and password, a token, or nothing."""

    user: str | None = None
    password: str | None = None
    token: str | None = None


def split_server_urls(urls: Sequence[str]) -> tuple[list[str], Login]:
    """Takes user and password out of server URLs: nats-py sends them as they stand, encoded.

    The login is the first URL's; a user alone is a token.
    """
    return [_without_user(url) for url in urls], _login_of(urls[0])


def can_log_in(url: str) -> bool:
    """Whether user and password can be decoded, or there are none."""
    login = urlsplit(url).netloc.rpartition("@")[0]
    if re.search(r"%(?![0-9A-Fa-f]{2})", login):
        return False
    try:
        unquote(login, errors="strict")
    except UnicodeDecodeError:
        return False
    return True


def _login_of(url: str) -> Login:
    parts = urlsplit(url)
    if not parts.username:
        return Login()
    name = unquote(parts.username)
    if parts.password:
        return Login(user=name, password=unquote(parts.password))
    return Login(token=name)


def _without_user(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
