"""Gives every test process keys of its own in Redis, so that parallel ones do not meet.

A pytest plugin (see pyproject.toml) because it must run before Django's settings are read.
"""

import os
import secrets

os.environ["REDIS_KEY_PREFIX"] = f"test-{secrets.token_hex(6)}"
