"""Print this host's environment as lines that docker compose reads; run by `callboard-host`.

`host.json` says which parameters of Parameter Store this host uses: `variables` {variable: name of a secret},
`documents` [names of JSON objects with more variables], and what never changes, `fixed` {variable: value}.
`{VARIABLE}` in a fixed value is replaced by that variable, so that an address can hold a password.
"""

import json
import sys
from pathlib import Path

import boto3


def main() -> None:
    """Read the file named in the first argument, fetch, print."""
    host = json.loads(Path(sys.argv[1]).read_text())
    names = sorted({*host["variables"].values(), *host["documents"]})
    client = boto3.client("ssm", region_name=host["region"])
    found: dict[str, str] = {}
    for start in range(0, len(names), 10):  # as many as one call takes
        answer = client.get_parameters(Names=names[start : start + 10], WithDecryption=True)
        if answer["InvalidParameters"]:
            sys.exit(f"callboard-host: no such parameter: {', '.join(answer['InvalidParameters'])}")
        found |= {each["Name"]: each["Value"] for each in answer["Parameters"]}
    values = {variable: found[name] for variable, name in host["variables"].items()}
    fixed = {variable: text.format_map(values) for variable, text in host["fixed"].items()}
    for name in host["documents"]:
        values |= json.loads(found[name])
    for variable, value in sorted({**values, **fixed}.items()):
        if "'" in value or not value.isprintable():
            sys.exit(f"callboard-host: {variable} has a quote, a line break or a control character in it")
        sys.stdout.write(f"{variable}='{value}'\n")  # single quotes: taken as it is


if __name__ == "__main__":
    main()
