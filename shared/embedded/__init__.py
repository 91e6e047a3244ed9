"""PostgreSQL without installing it: `EmbeddedPostgres` runs the programs of a wheel.

For `make run`, small shops and the tests; in production PostgreSQL is reached by URL instead.
"""

from shared.embedded.server import EmbeddedPostgres

__all__ = ["EmbeddedPostgres"]
