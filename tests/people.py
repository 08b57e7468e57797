"""The people of the tests, each with a character, and the campaign they know.

ada is the admin, rosa the researcher; lena and lars label in the campaign; sten labels, but elsewhere.
"""

from django.test import Client

from annotate.models import Campaign, Instructions, Role, User

PASSWORD = "a long enough password"


def person(username: str, role: Role = Role.LABELER) -> User:
    return User.objects.create_user(username, password=PASSWORD, role=role)


def make_campaign(name: str = "Helpful answers", **fields: object) -> Campaign:
    """Return an open campaign with one version of instructions, K = 4 unless said otherwise."""
    campaign = Campaign.objects.create(name=name, **fields)
    Instructions.objects.create(campaign=campaign, version=1, text="Prefer **helpful**, true answers.")
    return campaign


def client_of(user: User) -> Client:
    """Return a browser in which this person is signed in."""
    client = Client()
    client.force_login(user)
    return client
