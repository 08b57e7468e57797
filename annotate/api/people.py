"""People: the list, adding one, role and access; and which languages one reads oneself."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.response import Response

from annotate import access
from annotate.actions import people
from annotate.api.auth import ApiRequest
from annotate.api.endpoints import Endpoint, once, sent
from annotate.models import Role, Scope, User


class PersonShape(serializers.ModelSerializer[User]):
    # Any name that is there: those from files and of customers have signs that nobody can be invited with.
    username = serializers.CharField()

    class Meta:
        model = User
        fields = ("id", "username", "role", "is_active", "languages", "qualifications", "last_login")


class NewPersonShape(serializers.Serializer[Any]):
    username = serializers.CharField(max_length=150)
    role = serializers.ChoiceField(choices=Role.choices)


class LanguagesShape(serializers.Serializer[Any]):
    languages = serializers.ListField(
        child=serializers.CharField(max_length=20),
        max_length=50,
        help_text="Codes of the languages that one reads; none means any.",
    )


class ChangedPersonShape(serializers.Serializer[Any]):
    role = serializers.ChoiceField(choices=Role.choices, required=False)
    is_active = serializers.BooleanField(required=False)
    languages = serializers.ListField(
        child=serializers.CharField(max_length=20),
        max_length=50,
        required=False,
        help_text="Codes of the languages that they read; none means any.",
    )
    qualifications = serializers.ListField(
        child=serializers.CharField(max_length=50), max_length=50, required=False
    )


class PasswordShape(serializers.Serializer[Any]):
    password = serializers.CharField(help_text="Shown this once.")


class People(Endpoint):
    write_scope = Scope.PEOPLE

    @extend_schema(responses=PersonShape(many=True))
    def get(self, request: ApiRequest) -> Response:
        """List everyone, also who is known from a file only. Admins."""
        access.only_admins(request.user)
        return self.listed(access.people(request.user), PersonShape)

    @extend_schema(request=NewPersonShape, responses={201: PersonShape})
    @once
    def post(self, request: ApiRequest) -> Response:
        """Add a person, who can sign in once they are given a password. Admins."""
        access.only_admins(request.user)
        person, _password = people.invite(request.user, **sent(NewPersonShape, request))
        return Response(PersonShape(person).data, status.HTTP_201_CREATED)


class OnePerson(Endpoint):
    write_scope = Scope.PEOPLE

    @extend_schema(responses=PersonShape)
    def get(self, request: ApiRequest, pk: int) -> Response:
        """Read a person. Admins."""
        return Response(PersonShape(access.person(request.user, pk)).data)

    @extend_schema(request=ChangedPersonShape, responses=PersonShape)
    def patch(self, request: ApiRequest, pk: int) -> Response:
        """Change a person's role or what they work on, shut them out, or let them in again. Admins."""
        person = access.person(request.user, pk)
        people.change_person(person, request.user, **sent(ChangedPersonShape, request))
        return Response(PersonShape(access.person(request.user, pk)).data)


class PersonPassword(Endpoint):
    write_scope = Scope.PEOPLE

    @extend_schema(request=None, responses=PasswordShape)
    def post(self, request: ApiRequest, pk: int) -> Response:
        """Give a person a new password, shown this once; the old one ends. Admins."""
        password = people.reset_password(access.person(request.user, pk), request.user)
        return Response({"password": password}, headers={"Cache-Control": "no-store"})


class OwnLanguages(Endpoint):
    write_scope = Scope.LABEL

    @extend_schema(request=LanguagesShape, responses=PersonShape)
    def put(self, request: ApiRequest) -> Response:
        """Say which languages one reads: prompts in others are not handed out to one."""
        people.change_work(request.user, request.user, **sent(LanguagesShape, request))
        return Response(PersonShape(request.user).data)
