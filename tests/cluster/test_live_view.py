"""Pages of `interphase serve` from MongoDB: campaigns of the database, without its password."""

import pytest

from interphase_flows.campaign.schema import Campaign
from interphase_flows.live_view.application import live_view
from interphase_flows.runners.campaign_records import RUNNING, register_campaign
from interphase_flows.storage.workspace import Workspace
from loop_documents import iteration, rejected_label

pytestmark = pytest.mark.cluster


def test_pages_show_campaigns_of_a_database_without_secrets(settings, needles):
    for name in ("first", "second"):
        with Workspace(settings, name) as workspace:
            register_campaign(workspace, Campaign(name=name), False, RUNNING)
            workspace.ledger.put("iterations", f"i-{name}", iteration(f"i-{name}", 0))
            workspace.ledger.put("labels", f"bad-{name}", rejected_label(f"bad-{name}", "max_force", f"of {name}"))
    client = live_view(settings).test_client()
    pages = [client.get(path) for path in ("/", "/campaigns/first/", "/campaigns/second/")]
    assert [page.status_code for page in pages] == [200, 200, 200]
    overview, first, second = (page.text for page in pages)
    assert '<a href="campaigns/first/">first</a>' in overview
    assert '<a href="campaigns/second/">second</a>' in overview
    assert 'id="figure-learning_curve"' in first
    assert "of first" in first
    assert "of second" not in first
    assert "of second" in second
    assert not [needle for needle in needles for page in pages if needle in page.data]
    assert client.get("/campaigns/third/").status_code == 404
