"""Be `python -m services`: everything in one process, and the operator's commands (see `cli`)."""

from services.cli import app

if __name__ == "__main__":
    app()
