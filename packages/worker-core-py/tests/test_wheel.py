"""The wheel that uv builds has all that a worker reads, and works without the sources beside it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest
from support import ROOT

USE = """
import muster_worker
from muster_worker.protocol.spec import parse_spec
assert "unpacked" in muster_worker.__file__
spec = b'{"v":1,"stream":"S","group":"g","contracts":["n.v1"],"subjects":["s.>"]}'
print(parse_spec(spec, "S", "g").ledger)
"""


def test_the_wheel_is_whole(tmp_path: Path) -> None:
    own = ROOT / ".muster" / "lib" / "uv" / "bin" / "uv"
    uv = str(own) if own.exists() else shutil.which("uv")
    if uv is None:
        assert not os.environ.get("CI"), "uv is missing"
        pytest.skip("uv is missing")
    for project in ("packages/worker-core-py", "apps/worker-py"):
        # The back end is uv's own: nothing is fetched.
        build = [uv, "build", "--quiet", "--offline", "--wheel", "--out-dir", str(tmp_path)]
        subprocess.run([*build, str(ROOT / project)], check=True, timeout=50)
    unpacked = tmp_path / "unpacked"
    for wheel in tmp_path.glob("*.whl"):
        ZipFile(wheel).extractall(unpacked)
    source = ROOT / "packages" / "worker-core-py" / "src"
    for kind in ("py.typed", "*.json", "*.sql", "*.py"):
        wanted = {str(file.relative_to(source)) for file in source.rglob(kind)}
        assert wanted <= {str(file.relative_to(unpacked)) for file in unpacked.rglob(kind)}
        assert wanted
    assert (unpacked / "worker_py" / "py.typed").exists()
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(unpacked)}
    ran = subprocess.run([sys.executable, "-c", USE], env=env, capture_output=True, check=True)
    assert ran.stdout == b"kv\n"
