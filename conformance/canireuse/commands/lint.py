"""`canireuse lint`: the house style of specs, claims and scenarios, each rule explained where it is broken."""

import json

import click

from canireuse.commands.places import spec_paths, specs_folder
from canireuse.commands.style import RULES, lint_specs
from canireuse.program.loader import load_all
from canireuse.spec.claims import check_claims, load_claims
from canireuse.spec.reading import CLAIMS, SCENARIOS
from canireuse.spec.scenarios import check_scenarios


@click.command()
@click.argument("specs", nargs=-1)
@click.option("--rules", is_flag=True, help="Print every rule and why it is there.")
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON.")
def lint(specs: tuple[str, ...], rules: bool, as_json: bool) -> int:
    """Check SPECS (all, and claims and scenarios, if none is named) against the house style."""
    if rules:
        for name, rule in RULES.items():
            click.echo(f"{name}: {rule.explanation}")
        return 0
    loaded = load_all(spec_paths(specs))
    problems = lint_specs(loaded)
    if not specs:
        check_claims(load_claims(specs_folder() / CLAIMS), loaded)
        check_scenarios(specs_folder() / SCENARIOS, loaded)
    if as_json:
        click.echo(json.dumps([{**vars(problem), "path": str(problem.path)} for problem in problems], indent=2))
    else:
        for problem in problems:
            click.echo(str(problem))
        click.echo(f"{len(loaded)} specs, {len(problems)} problems")
    return int(bool(problems))
