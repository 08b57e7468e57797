#!/bin/sh
# Exit 0 if this container's part works: web, worker-web, worker-sample, worker-train or beat.
set -eu
cd "$(dirname "$0")/.."
part=${1:-web}

case $part in
web)
    # Asked under a name it answers to, as a load balancer would.
    exec python -c '
import os, urllib.request
host = os.environ.get("ALLOWED_HOSTS", "localhost").split(",")[0].strip().lstrip(".*") or "localhost"
url = "http://127.0.0.1:" + os.environ.get("PORT", "8000") + "/health"
urllib.request.urlopen(urllib.request.Request(url, headers={"Host": host}), timeout=4)'
    ;;
beat)
    # Beat answers no ping; while it lives it writes its schedule anew every three minutes.
    exec python -c '
import glob, os, sys, time
files = glob.glob(os.environ["PODIUM_DATA"] + "/beat-schedule*")
sys.exit(not any(time.time() - os.path.getmtime(file) < 600 for file in files))'
    ;;
*)
    exec python -m celery --app annotate.celery inspect ping --timeout 10 \
        --destination "${part#worker-}@$(uname -n)"
    ;;
esac
