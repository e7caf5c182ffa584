"""`key`: a new API key, made by Callboard itself in a container of this installation."""

from collections.abc import Sequence

from deploy.containers.compose import Compose
from deploy.containers.services import SERVICES
from deploy.containers.trouble import Trouble


def key(compose: Compose, arguments: Sequence[str]) -> int:
    """Run `callboard keys …` in a running container, its output shown; return its exit code."""
    ours = [each for each in compose.running() if SERVICES[each.service].ours]
    if not ours:
        raise Trouble("none of Callboard's own containers runs on this host; ask on the one with web")
    done = compose.call("exec", ours[-1].id, "callboard", "keys", *arguments)
    print(done.stdout + done.stderr, end="", flush=True)
    return done.returncode
