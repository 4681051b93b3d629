"""Random programs on TensorFlow 1, whose scopes are the contract: it agrees with the reference model, but for what specs declare."""

from importlib.util import find_spec

import pytest

from canireuse.fuzz.campaign import Campaign


@pytest.mark.skipif(find_spec("tensorflow") is None, reason="TensorFlow is not installed")
def test_fifty_programs_agree():
    campaign = Campaign("tf1", examples=50, seed=1)
    found = campaign.run()
    assert [(one.case.reason, one.located.text) for one in found] == []
    assert (campaign.written, campaign.compared >= 40, campaign.said >= 20) == (50, True, True)
