#!/usr/bin/env bash
# Compile requirements/*.txt. Usage: scripts/lock.sh PATH_OF_UV [options of `uv pip compile`, such as --upgrade]
# Run by `make lock`. The sets build on each other, so that one package has one version in all three files.
set -euo pipefail
cd "$(dirname "$0")/.."
uv=$1
shift

# Settings of this machine (extra indexes, local wheels) must not decide what everybody gets.
unset "${!UV_@}" "${!PIP_@}"

compile() { # compile NAME SOURCE…
  local name=$1
  shift
  echo "compiling requirements/$name.txt"
  "$uv" pip compile "$@" "${options[@]}" --output-file "requirements/$name.txt" --quiet \
    --no-config --universal --fork-strategy fewest --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
    --override requirements/overrides.txt --annotation-style line \
    --custom-compile-command "make lock"
}

options=("$@")
compile run pyproject.toml requirements/run.in
compile dashboard pyproject.toml requirements/run.in requirements/dashboard.in
compile fast requirements/fast.in
compile otel pyproject.toml requirements/run.in requirements/otel.in
compile dev pyproject.toml requirements/run.in requirements/dashboard.in requirements/otel.in requirements/pulumi.in requirements/dev.in
compile pulumi requirements/pulumi.in --constraints requirements/dev.txt

if grep -nE 'https?:|file:|--(extra-)?index|--find-links|@ ' requirements/*.txt | grep -v '^requirements/overrides.txt'; then
  echo "the lines above name an address; none may be committed" >&2
  exit 1
fi
