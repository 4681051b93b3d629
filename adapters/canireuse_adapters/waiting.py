"""Waiting for JAX: a call returns before its result is computed, so the clock is read after a wait."""

import ast

from canireuse.translation import TextAdapter


class Waiting(TextAdapter):
    """Words what a measured loop waits for: the arrays that its last turn has bound.

    A device computes in the order in which it was told to, so what the last turn bound is ready when
    all turns are done.
    """

    fences = {"cpu": "jax.block_until_ready", "gpu": "jax.block_until_ready"}

    def fence(self, body: list[str]) -> str:
        """Wait for the arrays that a measured loop binds: a call returns before they are computed."""
        made = self.awaited(body)
        words = ", ".join(made) if len(made) == 1 else f"({', '.join(made)})"
        return f"lambda: jax.block_until_ready({words})" if made else ""

    def awaited(self, body: list[str]) -> list[str]:
        """Return the names that the lines of a loop bind."""
        return assigned(body)


def assigned(lines: list[str]) -> list[str]:
    """Return the names that lines assign to, each once; a line that opens a block assigns nothing."""
    names: list[str] = []
    for line in lines:
        try:
            tree = ast.parse(line)
        except SyntaxError:
            continue
        targets = [target for node in tree.body if isinstance(node, ast.Assign) for target in node.targets]
        names += [node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)]
    return list(dict.fromkeys(names))
