"""The command line: one module a command."""

import errno
import gc
import os
import sys
from importlib import import_module

import click

from canireuse import VERSION
from canireuse.spec.problems import InputError, UsageError

#: after how many new objects garbage is looked for: specs and records stay, and with Python's own 700 a sixth of the time goes there
OFTEN = 100_000
#: the exit code for input that cannot be used; pytest's own for wrong usage
BAD_INPUT = 4
#: the exit code where canireuse itself cannot go on; also where its output cannot be written
FAILED = 3


#: in the order in which help lists them; each is the function of its name in the module of its name
COMMANDS = ("run", "merge", "report", "diff", "port", "show", "claims", "list", "lint", "new", "fuzz", "doctor")


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
        code = commands.main(standalone_mode=False) or 0
        if sys.stdout is not None:  # it may have been closed from the first
            sys.stdout.flush()
        sys.exit(code)
    except (InputError, UsageError) as error:
        click.echo(f"error: {error}", err=True)
    except click.ClickException as error:
        error.show()
    except click.Abort:
        click.echo("interrupted", err=True)
        sys.exit(2)
    except OSError as error:
        if error.errno not in {errno.EPIPE, errno.ENOSPC} or sys.stdout is None:
            raise
        nowhere = os.open(os.devnull, os.O_WRONLY)  # what is left is written at the end
        os.dup2(nowhere, sys.stdout.fileno())
        if error.errno != errno.EPIPE:  # a reader who has enough needs no word of it
            click.echo(f"error: the output cannot be written: {error.strerror}", err=True)
        sys.exit(FAILED)
    sys.exit(BAD_INPUT)
