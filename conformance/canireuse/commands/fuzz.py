"""`canireuse fuzz`: random programs on a backend, compared with what the reference model observes."""

import secrets
from importlib.util import find_spec
from typing import TYPE_CHECKING

import click

from canireuse.spec.problems import UsageError

if TYPE_CHECKING:
    from canireuse.fuzz.campaign import Campaign


@click.command()
@click.option("--backend", required=True, metavar="NAME", help="The backend that is compared with the reference model.")
@click.option(
    "--examples",
    type=click.IntRange(1, 1_000_000),
    default=500,
    show_default=True,
    metavar="N",
    help="How many programs.",
)
@click.option(
    "--seed",
    type=click.IntRange(0),
    metavar="S",
    help="Write the programs of an earlier run of this version, with the same Hypothesis; a new seed if left out.",
)
def fuzz(backend: str, examples: int, seed: int | None) -> int:
    """Run random programs on a backend and on the reference model, and print each kind of disagreement as a spec.

    Programs are about what is shared; on tf1 and reference half of them are about reuse by name. What a spec declares to differ is
    counted with its id. What a backend cannot say, or does otherwise as a spec declares, is left out, and the rest is compared. A spec
    that is printed can be saved and run with `canireuse run`: what a seed writes is another program after any change of the words
    that programs are made of. Exit code 1 if anything disagrees.
    """
    if find_spec("hypothesis") is None:
        raise UsageError(
            "random programs are built by Hypothesis, which is not installed\n    expected: the package `hypothesis`\n    to do: pip install 'canireuse[fuzz]'"
        )
    from canireuse.fuzz.campaign import Campaign

    campaign = Campaign(backend, examples, secrets.randbelow(2**32) if seed is None else seed)
    disagreements = campaign.run(lambda line: click.echo(line, err=True))
    click.echo(told(campaign))
    for found in disagreements:
        case = found.case
        click.echo(f"\n# {campaign.times[found.signature] or 1} times {case.id}: {case.reason}")
        for one in case.expectations:
            if not one.holds:
                click.echo(f"# {one.label}: reference {one.contract!r}, {backend} {one.observed!r}")
        click.echo(found.located.text)
    return int(bool(disagreements))


def told(campaign: "Campaign") -> str:
    """Return what became of a campaign, with how many programs hold what."""
    shares = ", ".join(
        f"{word} {100 * count / max(campaign.compared, 1):.0f}%" for word, count in campaign.holds.most_common()
    )
    lines = [
        f"{campaign.written} programs of seed {campaign.seed} in {campaign.seconds:.0f} s ({campaign.written / max(campaign.seconds, 1e-9):.1f} a second)",
        f"{campaign.compared} compared; {campaign.backend} said {campaign.said} of them, in {campaign.ran} cases",
        f"in programs: {shares}",
        *(f"declared, {count} cases: {spec}" for spec, count in campaign.declared.most_common()),
        *(f"cannot say, {count} cases: {reason}" for reason, count in campaign.unsaid.most_common(12)),
        *(f"cannot say, left out {count} times: {reason}" for reason, count in campaign.left_out.most_common(12)),
        f"{sum(campaign.times.values())} cases disagree, of {len(campaign.times)} kinds",
    ]
    return "\n".join(lines)
