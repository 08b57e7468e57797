"""Fixtures: the people and the campaign, for every test that asks for them by name."""

import pytest
from django.utils import translation
from hypothesis import settings

from annotate.models import Campaign, Role, User
from tests.people import make_campaign, person
from tests.side_by_side import pytest_collection_modifyitems, pytest_xdist_make_scheduler

__all__ = ["pytest_collection_modifyitems", "pytest_xdist_make_scheduler"]

# A slow example says something of the machine, not of the code.
settings.register_profile("podium", deadline=None)
settings.load_profile("podium")


@pytest.fixture(autouse=True)
def default_language() -> None:
    """Speak the default language again: a page asked for in another leaves that one with the thread."""
    translation.deactivate()


@pytest.fixture
def ada(db: None) -> User:
    return person("ada", Role.ADMIN)


@pytest.fixture
def rosa(db: None) -> User:
    return person("rosa", Role.RESEARCHER)


@pytest.fixture
def lena(db: None) -> User:
    return person("lena")


@pytest.fixture
def lars(db: None) -> User:
    return person("lars")


@pytest.fixture
def sten(db: None) -> User:
    return person("sten")


@pytest.fixture
def campaign(lena: User, lars: User) -> Campaign:
    campaign = make_campaign()
    campaign.labelers.set([lena, lars])
    return campaign
