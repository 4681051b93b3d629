"""The command line: one module a command."""

import gc
import sys
from importlib import import_module

import click

from canireuse import VERSION
from canireuse.problems import InputError, UsageError

#: after how many new objects garbage is looked for: specs and records stay, and with Python's own 700 a sixth of the time goes there
OFTEN = 100_000
#: the exit code for input that cannot be used; pytest's own for wrong usage
BAD_INPUT = 4


#: in the order in which help lists them; each is the function of its name in the module of its name
COMMANDS = ("run", "report", "diff", "port", "show", "claims", "list", "lint", "new", "doctor")


class Commands(click.Group):
    """A group that imports the module of a command when it is asked for: some need much that others do not."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command, None if there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"canireuse.commands.{cmd_name}")
        command: click.Command = getattr(module, "list_specs" if cmd_name == "list" else cmd_name)
        return command


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(VERSION, prog_name="canireuse")
def commands() -> None:
    """Say "use that variable again" to every deep-learning framework, and see what really happens.

    Exit codes: 0 all well; 1 a case failed, a backend that was named is absent, or lint or claims found something;
    2 interrupted; 3 canireuse itself failed, or the results could not be written whole; 4 unusable input or options, nothing was run; 5 nothing was selected.
    """


def main() -> None:
    """Run the command line; tell bad input in three parts and without a traceback."""
    gc.set_threshold(OFTEN)
    try:
        sys.exit(commands.main(standalone_mode=False) or 0)
    except (InputError, UsageError) as error:
        click.echo(f"error: {error}", err=True)
    except click.ClickException as error:
        error.show()
    except click.Abort:
        click.echo("interrupted", err=True)
        sys.exit(2)
    sys.exit(BAD_INPUT)
