"""Print this host's .env; run by `callboard-host`.

`host.json` says what is in it: `env` {variable: text}, in which `{name}` stands for the secret whose
parameter `secrets` names, and `documents` [parameters that are JSON objects with more variables].
"""

import json
import sys
from pathlib import Path

import boto3


def main() -> None:
    """Read the file named in the first argument, fetch, print."""
    host = json.loads(Path(sys.argv[1]).read_text())
    names = sorted({*host["secrets"].values(), *host["documents"]})
    client = boto3.client("ssm", region_name=host["region"])
    found: dict[str, str] = {}
    for start in range(0, len(names), 10):  # as many as one call takes
        answer = client.get_parameters(Names=names[start : start + 10], WithDecryption=True)
        if answer["InvalidParameters"]:
            sys.exit(f"callboard-host: no such parameter: {', '.join(answer['InvalidParameters'])}")
        found |= {each["Name"]: each["Value"] for each in answer["Parameters"]}
    secrets = {name: found[parameter] for name, parameter in host["secrets"].items()}
    values: dict[str, str] = {}
    for name in host["documents"]:
        values |= json.loads(found[name])
    values |= {variable: text.format_map(secrets) for variable, text in host["env"].items()}
    for variable, value in sorted(values.items()):
        if not value.isprintable() or "'" in value or "$" in value:
            sys.exit(
                f"callboard-host: {variable} has a quote, a $, a line break or a control character in it"
            )
        if value:
            sys.stdout.write(f"{variable}='{value}'\n")


if __name__ == "__main__":
    main()
