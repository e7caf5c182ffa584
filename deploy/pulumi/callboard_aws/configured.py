"""All values of one namespace of the configuration, so that a misspelt key can be told."""

from pulumi.runtime.config import CONFIG, get_config_env


def configured(namespace: str) -> dict[str, str]:
    """Return `{key: text}`; what has parts is JSON. `pulumi.Config` only answers for keys one knows."""
    known = {**get_config_env(), **CONFIG.get()}
    start = f"{namespace}:"
    return {key.removeprefix(start): str(value) for key, value in known.items() if key.startswith(start)}
