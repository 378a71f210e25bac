"""Muster's worker core for Python: a handler, and `run`."""

from .config import Config, load_config
from .errors import (
    Aborted,
    ConfigError,
    IdTaken,
    MusterError,
    PermanentError,
    RetryableError,
    Snooze,
    Unreachable,
)
from .message import Context, Handler
from .run import run
from .signal import Signal
from .worker import Worker

__all__ = [
    "Aborted",
    "Config",
    "ConfigError",
    "Context",
    "Handler",
    "IdTaken",
    "MusterError",
    "PermanentError",
    "RetryableError",
    "Signal",
    "Snooze",
    "Unreachable",
    "Worker",
    "load_config",
    "run",
]
