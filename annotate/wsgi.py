"""The WSGI application that gunicorn serves."""

import gc
import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "annotate.settings")
application = get_wsgi_application()
# What is loaded by now stays; looking through it for garbage again and again costs a sixth of each page.
gc.freeze()
