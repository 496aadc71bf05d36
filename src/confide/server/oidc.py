"""Allauth's OpenID Connect provider, made strict: code flow with PKCE and a nonce, a verified ID token,
and no request to anybody but the issuer. Allauth loads a module named ``provider`` in
every command; this one has another name.
"""

from __future__ import annotations

import secrets
from typing import Any, Final

import requests
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialApp, SocialLogin
from allauth.socialaccount.providers import registry
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.oauth2.utils import generate_code_challenge
from allauth.socialaccount.providers.openid_connect.provider import OpenIDConnectProvider
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.conf import settings
from django.core.cache import cache
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from confide.access.freshness import FRESH
from confide.errors import AccessDenied, Unavailable
from confide.server import idtoken
from confide.server.apps import system
from confide.server.idtoken import Claims, StrangeKey
from confide.server.issuers import Issuer, origin

PATIENCE: Final = 5.0
"""Seconds."""
_MOST: Final = 1 << 20
_KEPT: Final = 600  # seconds for which an issuer's addresses and keys are remembered
_ENDPOINTS: Final = ("authorization_endpoint", "token_endpoint", "jwks_uri")


def find(id_: str) -> Issuer | None:
    """Return the identity provider of that name, if the configuration has it."""
    listed: tuple[Issuer, ...] = settings.CONFIG.issuers
    return next((each for each in listed if each.id == id_), None)


def offers(request: HttpRequest) -> dict[str, Any]:  # noqa: ARG001 - a context processor
    """Give every template the identity providers, for the buttons."""
    return {"issuers": settings.CONFIG.issuers}


class Line(requests.Session):
    """Speaks to configured issuers and to nobody else, follows no redirect, and reads a megabyte at most."""

    def request(self, method: str, url: str | bytes, *args: Any, **others: Any) -> requests.Response:
        """Send a request to an issuer.

        Raises:
            AccessDenied: It would go elsewhere.
        """
        address = url.decode() if isinstance(url, bytes) else url
        if origin(address) not in {each.origin for each in settings.CONFIG.issuers}:
            raise AccessDenied("the identity provider names an address on another host")
        others |= {"timeout": PATIENCE, "allow_redirects": False, "stream": True}
        response = super().request(method, address, *args, **others)
        body = response.raw.read(_MOST + 1, decode_content=True)
        response.close()
        if len(body) > _MOST:
            raise requests.RequestException
        response._content = body  # noqa: SLF001 - where requests keeps what was read
        return response


class IssuerAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc] # allauth has no annotations
    """What Confide asks of allauth's sign-in by others."""

    def list_apps(
        self,
        request: HttpRequest,  # noqa: ARG002 - allauth passes it
        provider: str | None = None,
        client_id: str | None = None,
    ) -> list[SocialApp]:
        """Providers stand in the configuration alone: whoever writes to the database adds none."""
        return [
            SocialApp(
                provider=OpenIDConnectProvider.id,
                provider_id=each.id,
                name=each.name,
                client_id=each.client_id,
                secret=each.secret(),
                settings={"server_url": each.url, "fetch_userinfo": False, "oauth_pkce_enabled": True},
            )
            for each in settings.CONFIG.issuers
            if provider in {None, each.id} and client_id in {None, each.client_id}
        ]

    def get_requests_session(self) -> Line:
        """Whatever asks, asks an issuer."""
        return Line()

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:  # noqa: ARG002 - allauth passes it
        """Let in only whom somebody has connected; the pages have looked already."""
        if not sociallogin.is_existing:
            raise PermissionDenied

    def authenticate_by_email(self, login: SocialLogin) -> None:
        """Nobody: an address that a provider writes is not a proof of whose account it is."""

    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:  # noqa: ARG002 - as above
        """Staff are added by their practice."""
        return False

    def send_notification_mail(self, *args: Any, **kwargs: Any) -> None:
        """Send nothing: the journal tells of it."""


class Exchange(OpenIDConnectOAuth2Adapter):  # type: ignore[misc] # as above
    """One exchange with an issuer: its addresses, and the token that it gives for a code."""

    claims: Claims
    nonce: str = ""

    @property
    def issuer(self) -> Issuer:
        found = find(self.provider_id)
        if found is None:
            raise AccessDenied("there is no such identity provider")
        return found

    @property
    def openid_config(self) -> dict[str, Any]:
        """The issuer's addresses: only what says that it is this issuer's, and lies on its own host.

        Source:
            OpenID Connect Discovery 1.0 section 4.3.
        """
        issuer = self.issuer
        key = f"oidc.addresses.{idtoken.uid_of(issuer, '')}"
        found: dict[str, Any] | None = cache.get(key)
        if found is None:
            found = self._ask(issuer.url.rstrip("/") + "/.well-known/openid-configuration")
            addresses = [found.get(each) for each in _ENDPOINTS]
            if found.get("issuer") != issuer.url:
                raise AccessDenied("the identity provider calls itself by another name")
            if not all(isinstance(each, str) and origin(each) == issuer.origin for each in addresses):
                raise AccessDenied("the identity provider names an address on another host")
            cache.set(key, found, _KEPT)
        return found

    def _keys(self, *, anew: bool) -> dict[str, Any]:
        key = f"oidc.keys.{idtoken.uid_of(self.issuer, '')}"
        found: dict[str, Any] | None = None if anew else cache.get(key)
        if found is None:
            found = self._ask(self.openid_config["jwks_uri"])
            cache.set(key, found, _KEPT)
        return found

    def _ask(self, url: str) -> dict[str, Any]:
        try:
            with Line() as line:
                response = line.get(url)
                response.raise_for_status()
                found = response.json()
        except (requests.RequestException, OSError, ValueError):
            raise Unavailable("the identity provider does not answer now") from None
        if not isinstance(found, dict):
            raise Unavailable("the identity provider does not answer as one")
        return found

    def redeem(self, nonce: str, verifier: str) -> None:
        """Give the code of this request for a token, and keep what that says in ``claims``.

        Args:
            nonce: As it was sent with the question.
            verifier: The secret of which the challenge was sent (RFC 7636).

        Raises:
            AccessDenied: The issuer does not take the code, or its token is not good for this sign-in.
            Unavailable: It does not answer.
        """
        self.nonce = nonce
        provider = self.get_provider()
        try:
            client = self.get_client(self.request, provider.app)
            answer = self.get_access_token_data(self.request, provider.app, client, verifier)
            token = self.parse_token(answer)
        except (requests.RequestException, OSError):
            raise Unavailable("the identity provider does not answer now") from None
        except (OAuth2Error, ValueError, TypeError, KeyError, AttributeError):
            raise AccessDenied("the identity provider does not take the code") from None
        self.complete_login(self.request, provider.app, token, response=answer)

    def complete_login(self, request: HttpRequest, app: SocialApp, token: Any, **kwargs: Any) -> SocialLogin:  # noqa: ARG002 - allauth's
        """Verify the ID token; its subject is all that is taken from it. The access token is not used."""
        sent, now = kwargs["response"].get("id_token"), system().clock()
        try:
            self.claims = idtoken.verify(sent, self._keys(anew=False), self.issuer, self.nonce, now)
        except StrangeKey:
            try:
                self.claims = idtoken.verify(sent, self._keys(anew=True), self.issuer, self.nonce, now)
            except StrangeKey:
                raise AccessDenied("the identity provider's token is signed by somebody else") from None
        return self.get_provider().sociallogin_from_response(request, {"uid": self.claims.uid})

    def get_callback_url(self, request: HttpRequest, app: SocialApp) -> str:  # noqa: ARG002 - allauth's
        """Where the issuer sends the browser back: one for each, so that none can speak for another."""
        return request.build_absolute_uri(reverse("issuer_return", args=[self.provider_id]))


class Provider(OpenIDConnectProvider):  # type: ignore[misc] # as above
    """Asks for as little as there is: who it is. No name, no e-mail address."""

    oauth2_adapter_class = Exchange

    def get_default_scope(self) -> list[str]:
        return ["openid"]

    def get_pkce_params(self) -> dict[str, Any]:
        made: dict[str, Any] = generate_code_challenge()
        return made

    def extract_uid(self, data: dict[str, str]) -> str:
        return data["uid"]

    def extract_extra_data(self, data: dict[str, str]) -> dict[str, str]:  # noqa: ARG002 - allauth's
        return {}

    def extract_common_fields(self, data: dict[str, str]) -> dict[str, str]:  # noqa: ARG002 - as above
        return {}

    def extract_email_addresses(self, data: dict[str, str]) -> list[Any]:  # noqa: ARG002 - as above
        return []

    def address(self, request: HttpRequest, process: str, *, anew: bool, **state: Any) -> str:
        """Return where the browser goes to sign in; what is to be checked afterwards is kept in its session.

        Args:
            request: The request.
            process: What for.
            anew: The person proves who they are again, whatever the issuer remembers.
            state: What else is to be kept.

        Raises:
            AccessDenied: The issuer's addresses are not its own.
            Unavailable: It does not answer.
        """
        issuer = find(self.app.provider_id)
        nonce = secrets.token_urlsafe(32)
        asked = {"nonce": nonce, "max_age": "0" if anew else str(int(FRESH.total_seconds()))}
        if anew:
            asked["prompt"] = "login"
        if issuer is not None and issuer.acr:
            asked["acr_values"] = " ".join(issuer.acr)
        response: HttpResponse = self.redirect(
            request, process, auth_params=asked, nonce=nonce, began=system().clock().timestamp(), **state
        )
        return response["Location"]


registry.register(Provider)
