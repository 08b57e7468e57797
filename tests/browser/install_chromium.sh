#!/bin/sh
# Find Chromium for the browser tests, or install it where that is ours to do: as root on Debian.
set -u

for name in "${PODIUM_CHROMIUM:-}" chromium chromium-browser google-chrome; do
    if [ -n "$name" ] && command -v "$name" >/dev/null 2>&1; then
        exit 0
    fi
done
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "Installing chromium for the browser tests ..."
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null && exit 0
fi
echo "No Chromium here: the browser tests will skip, unless playwright has its own. Set PODIUM_CHROMIUM to name one."
