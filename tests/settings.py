"""The product's settings, on the embedded servers of a data folder of their own.

They start here because pytest-django reads the settings before any conftest.py.
"""

import os
from pathlib import Path

from annotate import embedded

os.environ.setdefault("PODIUM_DATA", str(Path(__file__).resolve().parent.parent / ".podium" / "test"))
embedded.start()
if process := os.environ.get("PYTEST_XDIST_WORKER"):
    # Ids repeat from one database to the next, and so do files and messages that are named by them:
    # processes that test side by side keep theirs apart. pytest-django gives each its database.
    os.environ["PODIUM_DATA"] = str(embedded.data_dir() / process)
    if os.environ["BROKER_URL"].startswith("redis+socket:"):
        os.environ["BROKER_URL"] += f"?virtual_host={int(process.removeprefix('gw')) + 1}"

from annotate.settings import *  # noqa: E402, F403
from annotate.settings import DATABASES, STATIC_ROOT, STORAGES  # noqa: E402

# Two test runs at once need a database each: name it with PODIUM_TEST_DB.
DATABASES["default"]["TEST"] = {"NAME": os.environ.get("PODIUM_TEST_DB", "test_podium")}
# The real hash is slow on purpose, and tests sign in often.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# Static files straight from static/, without collecting them first.
STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
STATIC_ROOT.mkdir(exist_ok=True)
