"""A real publisher and a screen in front of it."""

import pytest

from monitor.engine.serving.publisher import Publisher
from monitor.settings import parse
from tests.engine.screens import ANY_PORT, Screen


@pytest.fixture
def bench():
    """make(settings..., callbacks...) → (publisher, screen); all is closed at the end."""
    made = []

    def make(table=None, **calls):
        table = {"results": ANY_PORT | (table or {}).get("results", {})} | {
            key: value for key, value in (table or {}).items() if key != "results"
        }
        calls = {"section": None, "on_operator": lambda r: None, "stored_map": None} | calls
        publisher = Publisher(parse(table), **calls)
        screen = Screen(publisher)
        made.extend([screen, publisher])
        return publisher, screen

    yield make
    for thing in made:
        thing.close()
