"""Tokens: who asks, which tokens there are, and revoking one.

None is made here: whoever found one could make others with it, which would outlive its end.
"""

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from annotate import access
from annotate.actions import tokens
from annotate.api.auth import ApiRequest
from annotate.api.endpoints import Endpoint, once
from annotate.api.people import PersonShape
from annotate.api.shapes import username
from annotate.models import ApiToken, Scope


class TokenShape(serializers.ModelSerializer[ApiToken]):
    owner = PersonShape()
    scopes = serializers.ListField(child=serializers.ChoiceField(choices=Scope.choices))

    class Meta:
        model = ApiToken
        fields = ("name", "owner", "scopes", "expires_at")


class ListedTokenShape(serializers.ModelSerializer[ApiToken]):
    owner = username()
    scopes = serializers.ListField(child=serializers.ChoiceField(choices=Scope.choices))

    class Meta:
        model = ApiToken
        fields = (
            "id",
            "name",
            "owner",
            "begins",
            "scopes",
            "created_at",
            "expires_at",
            "revoked_at",
            "last_used_at",
        )
        extra_kwargs = {"begins": {"help_text": "Its first characters; the rest is stored nowhere."}}


class OwnToken(Endpoint):
    @extend_schema(responses=TokenShape)
    def get(self, request: ApiRequest) -> Response:
        """Read whose token this is and what it may be used for."""
        return Response(TokenShape(request.auth).data)


class Tokens(Endpoint):
    @extend_schema(responses=ListedTokenShape(many=True))
    def get(self, request: ApiRequest) -> Response:
        """List one's own tokens; for admins everybody's."""
        return self.listed(access.tokens(request.user).select_related("owner"), ListedTokenShape)


class RevokeToken(Endpoint):
    write_scope = Scope.PEOPLE

    @extend_schema(request=None, responses=ListedTokenShape)
    @once
    def post(self, request: ApiRequest, pk: int) -> Response:
        """End a token of one's own at once, for admins anyone's; it may be the one that asks."""
        tokens.revoke(access.token(request.user, pk), request.user)
        return Response(ListedTokenShape(access.token(request.user, pk)).data)
