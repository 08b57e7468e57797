#!/bin/sh
# Become one part of Podium: web, worker-web, worker-sample, worker-train or beat; or run a command of manage.py.
# HOST and PORT say where the website listens.
set -eu
cd "$(dirname "$0")/.."
export DJANGO_SETTINGS_MODULE=annotate.settings
part=${1:-web}
if [ -n "${TMPDIR:-}" ]; then
    mkdir -p "$TMPDIR"
fi

# One list of parts and their arguments serves containers and `manage.py run` alike.
arguments=$(python -c '
import os, sys
from annotate.processes import everything
parts = everything(os.environ.get("HOST", "127.0.0.1"), int(os.environ.get("PORT", "8000")))
print(*parts.get(sys.argv[1], []))' "$part")

if [ -z "$arguments" ]; then
    exec python manage.py "$@"
fi
if [ "$part" = web ]; then
    python manage.py collectstatic --noinput --verbosity 0
fi
# shellcheck disable=SC2086  # one word an argument
exec python -m $arguments
