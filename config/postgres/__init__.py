"""Django's PostgreSQL backend, which does not wait for ever: see `config.postgres.base`."""
