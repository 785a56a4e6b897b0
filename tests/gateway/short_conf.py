"""The gateway's gunicorn settings, with the limits of a test instead of a minute's."""

import json
import os

from gateway.gunicorn_conf import *  # noqa: F403 - gunicorn reads them here
from gateway.server.limits import Limits
from gateway.worker import Worker

Worker.bounds = Limits(**json.loads(os.environ["TEST_LIMITS"]))
worker_connections = Worker.bounds.connections
