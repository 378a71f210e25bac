"""Muster's worker core for Python: a handler, and `run`."""

from .batch import BatchHandler
from .config import CORE_VERSION, Config, load_config
from .context import Context
from .ends import Step
from .errors import (
    Aborted,
    ConfigError,
    MusterError,
    PermanentError,
    RetryableError,
    Snooze,
    Unreachable,
)
from .events import Event, Settled
from .handle import Handler
from .ledger.ledger import Transaction
from .life import WorkerEnd
from .log import Log, create_log
from .middleware import Middleware, Next
from .publish_error import PublishError
from .publisher import Published, Publisher, PublishItem
from .run import run
from .signal import Signal
from .worker import Worker

__all__ = [
    "CORE_VERSION",
    "Aborted",
    "BatchHandler",
    "Config",
    "ConfigError",
    "Context",
    "Event",
    "Handler",
    "Log",
    "Middleware",
    "MusterError",
    "Next",
    "PermanentError",
    "PublishError",
    "PublishItem",
    "Published",
    "Publisher",
    "RetryableError",
    "Settled",
    "Signal",
    "Snooze",
    "Step",
    "Transaction",
    "Unreachable",
    "Worker",
    "WorkerEnd",
    "create_log",
    "load_config",
    "run",
]
