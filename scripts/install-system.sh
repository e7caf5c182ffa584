#!/usr/bin/env bash
# Make sure programs that pip cannot install are on this machine. Called by make and by `callboard stack`.
#
#   scripts/install-system.sh servers    rabbitmq-server and redis-server
#   scripts/install-system.sh browser    a Chromium for the browser tests
#   scripts/install-system.sh axe        axe-core, into node_modules, for the browser tests (see package.json)
#   scripts/install-system.sh bench      wrk
#   scripts/install-system.sh venv       Python's venv module, for the interpreter in $PYTHON
#
# What is there is left alone. On Debian and Ubuntu, as root, what is missing is installed with apt-get and no service
# is started; anywhere else the script says what to install and ends with 1.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin # where Debian keeps servers; not on the PATH of a user

missing=() # Debian package names
say() { printf 'callboard: %s\n' "$*" >&2; }
need() { # need PACKAGE PROGRAM…: one of the programs must be there
  local package=$1 program
  shift
  for program in "$@"; do command -v "$program" >/dev/null 2>&1 && return; done
  missing+=("$package")
}
has_browser() {
  local program
  for program in chromium chromium-browser google-chrome google-chrome-stable; do
    # On Ubuntu chromium-browser may be a stub that only names the snap, so ask it.
    "$program" --version >/dev/null 2>&1 && return
  done
  compgen -G "${PLAYWRIGHT_BROWSERS_PATH:-$HOME/.cache/ms-playwright}/chromium-*" >/dev/null
}
axe_version() { sed -n 's/.*"axe-core": "\(.*\)".*/\1/p' package.json; }
node_modules_version() { sed -n 's/^  "version": "\(.*\)",/\1/p' node_modules/axe-core/package.json 2>/dev/null; }
install_axe() {
  case " $* " in *" axe "*) ;; *) return 0 ;; esac
  [ "$(node_modules_version)" = "$(axe_version)" ] || npm ci --ignore-scripts --no-audit --no-fund --silent >&2
}
distribution() { # shellcheck disable=SC1091
  (. /etc/os-release 2>/dev/null && echo "${ID:-}")
}

for what in "$@"; do
  case $what in
    servers)
      need rabbitmq-server rabbitmq-server
      need redis-server redis-server valkey-server
      ;;
    axe)
      [ "$(node_modules_version)" = "$(axe_version)" ] || need npm npm
      ;;
    bench) need wrk wrk ;;
    venv)
      "${PYTHON:?name the interpreter in PYTHON}" -c 'import ensurepip, venv' 2>/dev/null ||
        missing+=("$("$PYTHON" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')")
      ;;
    browser)
      if has_browser; then
        :
      elif [ "$(distribution)" = ubuntu ] && [ -x .venv/bin/playwright ]; then
        say "installing Chromium through playwright (Ubuntu ships it only as a snap)"
        .venv/bin/playwright install --with-deps chromium
      else
        missing+=(chromium)
      fi
      ;;
    *)
      say "unknown argument $what; choose from: servers browser axe bench venv"
      exit 2
      ;;
  esac
done
[ ${#missing[@]} -gt 0 ] || { install_axe "$@"; exit; }

if ! command -v apt-get >/dev/null 2>&1; then
  say "missing: ${missing[*]} (Debian's names). Install them with this system's package manager,"
  say "for example: brew install ${missing[*]/redis-server/redis}"
  exit 1
fi
if [ "$(id -u)" != 0 ]; then
  say "missing: ${missing[*]}. Run this once, then try again:"
  say "  sudo apt-get install --no-install-recommends ${missing[*]}"
  exit 1
fi

# Debian starts a service as soon as it is installed, on the default port and on every address; ours are private.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap 'rm -f "$policy"' EXIT
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
fi

export DEBIAN_FRONTEND=noninteractive
apt() { apt-get -q -y -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@" >&2; }
say "installing ${missing[*]} with apt-get (a minute or two)"
if ! apt-cache show "${missing[@]}" >/dev/null 2>&1; then
  apt update
fi
# A list of packages that is too old names files that are gone: fetch a new one and try once more.
apt install --no-install-recommends "${missing[@]}" ||
  { apt update && apt install --no-install-recommends "${missing[@]}"; }
say "installed ${missing[*]}"
install_axe "$@"
