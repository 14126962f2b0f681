#!/usr/bin/env bash
# On Debian as root, install the libraries to build GPAW, Slurm, and a browser to test the report. Otherwise print what is
# missing; the tests that need it are skipped with a reason.
set -uo pipefail

missing=()
for package in libxc-dev libopenblas-dev libopenmpi-dev gcc; do
  # on another distribution, or with modules, compiler and headers may exist without these packages
  if command -v dpkg-query >/dev/null && ! dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q "ok installed"; then
    missing+=("$package")
  fi
done
if ! command -v chromium >/dev/null && ! command -v chromium-browser >/dev/null && ! command -v google-chrome >/dev/null; then
  missing+=(chromium)
fi
command -v slurmctld >/dev/null && command -v slurmd >/dev/null && command -v sbatch >/dev/null || missing+=(slurm-wlm)
command -v munged >/dev/null || missing+=(munge)
if [ ${#missing[@]} -eq 0 ]; then
  exit 0
fi

skipped="the tests of GPAW (its libraries), of Slurm and of the report's page (chromium) are skipped where these are needed"
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
  echo "not Debian as root, so not installed: ${missing[*]}; $skipped"
  exit 0
fi
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
if apt-get -o DPkg::Lock::Timeout=300 update -q >"$log" 2>&1 \
  && apt-get -o DPkg::Lock::Timeout=300 install -y -q --no-install-recommends "${missing[@]}" >>"$log" 2>&1; then
  rm -f "$log"
else
  tail -n 5 "$log" | sed 's/^/  /'
  echo "apt-get could not install ${missing[*]} (log: $log); $skipped"
fi
exit 0
