"""The server as a WSGI application."""

from __future__ import annotations

import os

from django.core.wsgi import get_wsgi_application

from confide.server import logging as log

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "confide.server.settings")
log.install()
application = get_wsgi_application()
