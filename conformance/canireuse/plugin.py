"""The pytest plugin: pytest loads it in every project of an environment, so that it imports nothing before it is asked for.

A project asks with the ini option `canireuse_specs`, which names its folders of specs; then `canireuse.runner.hooks` is
registered, which has the options, the hooks and the items. Every other project gets the name of that option and no more.
"""

from typing import Any

import pytest


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """Add the ini option, and register the runner where a project sets it; pytest calls the runner's own hooks then."""
    parser.addini("canireuse_specs", "folders of specs", type="paths", default=[])
    config: Any = pluginmanager.get_plugin("pytestconfig")
    if config.getini("canireuse_specs"):
        from canireuse.runner import hooks

        pluginmanager.register(hooks, "canireuse-runner")
