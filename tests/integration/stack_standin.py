"""`callboard stack` of a test: real servers and supervisor, stand-ins for our own programs.

Run as `stack_standin.py FOLDER` it is the stack of that folder, as `stack_standin.py as NAME` one program.
"""

import os
import signal
import sys
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from callboard.errors import CallboardError
from callboard.local import stack
from callboard.local.supervisor import Program
from callboard.settings import Settings


class _Ready(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()


def _programs(settings: Settings, workers: int) -> list[Program]:
    standin = [sys.executable, __file__, "as"]
    return [
        replace(program, argv=[*standin, program.argv[-1]])
        for program in stack.app_programs(settings, workers)
    ]


def _run(name: str) -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    print(name, "sees", *sorted(key for key in os.environ if key.startswith("CALLBOARD_")))
    if port := {"web": "CALLBOARD_PORT", "dashboard": "CALLBOARD_DASHBOARD_PORT"}.get(name):
        ThreadingHTTPServer(("127.0.0.1", int(os.environ[port])), _Ready).serve_forever()
    signal.pause()


if __name__ == "__main__":
    if sys.argv[1] == "as":
        _run(sys.argv[2])
    else:
        try:
            sys.exit(stack.run(os.environ, root=Path(sys.argv[1]), programs=_programs))
        except CallboardError as error:
            sys.exit(f"callboard: {error}")
