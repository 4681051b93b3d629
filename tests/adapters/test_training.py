"""What holds of training in every backend: who makes the optimizer, and where a loop stands."""

import pytest

from canireuse_adapters import adapter

TRAINING = """
steps:
  - {variable: weight, shape: [2], init: 1.0, as: weight}
  - function: learn
    traced: true
    steps:
      - {train: sgd, minimize: sum(square(weight)), wrt: weight, rate: 0.1, times: TIMES}
  - invoke: learn
  - {expect: after, value: weight, is: [0.8, 0.8]}
"""
BACKENDS = ("tf1-eager", "tf2", "linen", "nnx", "torch")


def code(load_spec, backend, times):
    return adapter(backend)().translate(load_spec(TRAINING.replace("TIMES", str(times))).spec).text


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_optimizer_is_made_before_the_compiled_step(load_spec, backend):
    text = code(load_spec, backend, 1)
    assert 0 < text.index("optimizer = ") < text.index("def learn(")
    assert text.count("optimizer = ") == 1


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_loop_stands_only_where_there_are_several_turns(load_spec, backend):
    assert "range(" not in code(load_spec, backend, 1)
    assert "for _ in range(3):" in code(load_spec, backend, 3)


@pytest.mark.parametrize("backend", ["linen", "nnx"])
def test_what_a_script_does_not_use_it_does_not_import(load_spec, backend):
    text = code(load_spec, backend, 1)
    assert "import optax\n" in text
    assert "import flax\n" not in text
