"""The command line: one module a command."""

import sys

import click

from canireuse import VERSION
from canireuse.commands.claims import claims
from canireuse.commands.diff import diff
from canireuse.commands.doctor import doctor
from canireuse.commands.lint import lint
from canireuse.commands.list import list_specs
from canireuse.commands.new import new
from canireuse.commands.port import port
from canireuse.commands.report import report
from canireuse.commands.run import run
from canireuse.commands.show import show
from canireuse.problems import InputError, UsageError

#: the exit code for input that cannot be used; pytest's own for wrong usage
BAD_INPUT = 4


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(VERSION, prog_name="canireuse")
def commands() -> None:
    """Say "use that variable again" to every deep-learning framework, and see what really happens.

    Exit codes: 0 all well; 1 a case failed, a backend that was named is absent, or lint or claims found something;
    2 interrupted; 3 canireuse itself failed; 4 unusable input or options, nothing was run; 5 nothing was selected.
    """


for _command in (run, report, diff, port, show, claims, list_specs, lint, new, doctor):
    commands.add_command(_command)


def main() -> None:
    """Run the command line; tell bad input in three parts and without a traceback."""
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
