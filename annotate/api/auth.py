"""Who asks: the owner of the bearer token, and not too often."""

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from annotate.actions import tokens
from annotate.models import ApiToken, User


class ApiRequest(Request):
    """A request whose token is known: TokenHasScope let it through."""

    user: User
    auth: ApiToken


class BearerToken(BaseAuthentication):
    """Read `Authorization: Bearer TOKEN`; a browser's session opens nothing here."""

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        scheme, _space, text = get_authorization_header(request).decode("latin-1").partition(" ")
        if scheme.lower() != "bearer":
            return None
        token = tokens.use(text.strip())
        if token is None:
            raise AuthenticationFailed(
                _("This token is not known, has expired or was revoked; make a new one.")
            )
        return token.owner, token

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class RequestsAMinute(BaseThrottle):
    """Let a token make so many requests a minute; the token's row has counted them."""

    def allow_request(self, request: Request, view: APIView) -> bool:
        token = request.auth
        return not isinstance(token, ApiToken) or token.requests <= settings.API_REQUESTS_A_MINUTE

    def wait(self) -> float:
        return 60.0 - timezone.now().second


class BearerTokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How the OpenAPI document says it."""

    target_class = BearerToken
    name = "token"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer"}
