"""What a host runs once, at its first start: it writes the files of `files/` and two of its own."""

import json
import shlex
from pathlib import Path
from typing import Final

from callboard_aws.jobs import Job
from callboard_aws.parameters import RELEASE, SECRET_SETTINGS, path
from callboard_aws.plan import Plan

_FILES: Final = Path(__file__).parent / "files"
#: Where each file goes, and its mode.
_PLACES: Final = {
    "daemon.json": ("/etc/docker/daemon.json", "0644"),
    "parameters.py": ("/usr/local/lib/callboard/parameters.py", "0644"),
    "callboard-host": ("/usr/local/sbin/callboard-host", "0755"),
    "callboard.service": ("/etc/systemd/system/callboard.service", "0644"),
}
_LIMIT_BYTES: Final = 16_384  # of EC2
_END: Final = "END-OF-FILE"


def render(plan: Plan, job: Job, *, data_volume: str = "") -> str:
    """Return the script of a host.

    Args:
        plan: the whole plan.
        job: what this host is for.
        data_volume: the id of its disk with data, e.g. `vol-0123`; empty: none.

    Raises ValueError when it is longer than EC2 takes.
    """
    parts = [
        "#!/bin/bash",
        "# Sets this host up, once; its words are in /var/log/cloud-init-output.log. No secret is in here.",
        "set -euo pipefail",
        *_write("/etc/callboard/host.conf", "0644", _host_conf(plan, job, data_volume)),
        *_write("/etc/callboard/host.json", "0644", _host_json(plan, job)),
    ]
    for name, place in _PLACES.items():
        parts += _write(*place, (_FILES / name).read_text(encoding="utf-8"))
    parts += [
        "/usr/local/sbin/callboard-host setup",
        "systemctl daemon-reload",
        "systemctl enable --now --no-block callboard.service",
        "",
    ]
    script = "\n".join(parts)
    if len(script.encode()) > _LIMIT_BYTES:
        raise ValueError(f"user-data has {len(script.encode())} bytes, and EC2 takes {_LIMIT_BYTES}")
    return script


def _write(file: str, mode: str, text: str) -> list[str]:
    if _END in text:
        raise ValueError(f"{file} has the line that ends it in user-data")
    return [f"install -D -m {mode} /dev/stdin {file} <<'{_END}'", text.rstrip("\n"), _END]


def _host_conf(plan: Plan, job: Job, data_volume: str) -> str:
    """Return what `callboard-host` reads, in the shell's language."""
    return "\n".join(
        [
            f"GIT_URL={shlex.quote(plan.git_url)}",
            f"APPLICATION={int(job.application)}",
            f"ONE_A_CORE={job.one_a_core}",
            f"SIZED={job.sized}",
            f"DATA_VOLUME={shlex.quote(data_volume)}",
        ]
    )


def _host_json(plan: Plan, job: Job) -> str:
    """Return what `parameters.py` reads."""
    documents = [RELEASE, SECRET_SETTINGS] if job.application else [RELEASE]
    return json.dumps(
        {
            "region": plan.region,
            "secrets": {name: path(plan, name) for name in job.secrets},
            "documents": [path(plan, name) for name in documents],
            "env": job.env,
        },
        indent=1,
    )
