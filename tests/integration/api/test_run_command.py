"""`make run` as a user meets it in a terminal: the first request at once, and Ctrl-C."""

import os
import signal
import subprocess
import sys
from http.client import HTTPConnection
from pathlib import Path

from callboard.local.ports import free_ports
from tests.servers import ROOT


def test_it_says_that_it_listens_when_it_does_and_ctrl_c_ends_it_clean(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    env = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join((str(ROOT / "src"), str(ROOT))),
        "CALLBOARD_PORT": str(port),
        "CALLBOARD_FILES_URL": tmp_path.as_uri(),
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "callboard", "run"],
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        assert "Callboard listens on" in process.stdout.readline()
        connection = HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request("GET", "/readyz")
        assert connection.getresponse().status == 200
        connection.close()
        os.killpg(process.pid, signal.SIGINT)  # a terminal sends it to all of them
        said = process.stdout.read()
        assert process.wait() == 0
        assert "stopped after" in said
        assert "SIGKILL" not in said
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if process.stdout is not None:
            process.stdout.close()
