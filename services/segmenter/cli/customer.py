"""`nps customer …`: the group of commands about customers, at a running instance.

Each command is a module of its own that adds itself in `services.cli`, as `quality_cli` does.
"""

import typer

customer = typer.Typer(
    name="customer",
    help="The customer base: one row per person, and what is wrong with it. NPS_TOKEN holds the "
    "token.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
