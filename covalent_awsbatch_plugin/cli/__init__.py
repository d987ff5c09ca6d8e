"""The command ``covalent-awsbatch``: one module a subcommand, loaded when it is called for."""

from __future__ import annotations

import importlib
import io
import sys
from typing import Any

import click

# The subcommands in the order of their help; each is the function of its module's name.
COMMANDS = (
    *("local", "deploy", "doctor", "image", "config"),
    *("jobs", "watch", "show", "logs", "cancel", "recover", "reap"),
)


class LazyGroup(click.Group):
    """A group that imports a subcommand's module when the subcommand is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the subcommands' names."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a subcommand by its name."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"{__name__}.{cmd_name}")
        command: click.Command = getattr(module, cmd_name)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run the subcommand; what AWS refuses ends as a sentence, not as a traceback."""
        from .shared.errors import explained

        for stream in (sys.stdout, sys.stderr):
            # A character that the terminal's encoding lacks must not end a command.
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="replace")
        with explained():
            return super().invoke(ctx)


def _print_version(ctx: click.Context, _param: click.Parameter, wanted: bool) -> None:
    if not wanted or ctx.resilient_parsing:
        return
    from importlib import metadata
    from platform import python_version

    for package in ("covalent-awsbatch-plugin", "covalent", "boto3"):
        click.echo(f"{package} {metadata.version(package)}")
    click.echo(f"Python {python_version()}")
    ctx.exit()


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "-v",
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Show the versions of the plugin and of what it works with.",
)
def main() -> None:
    """Set up, check and operate Covalent's AWS Batch executor."""
