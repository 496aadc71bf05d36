"""The rules of ``access.passwords``, as Django and allauth ask for them wherever a password is set."""

from __future__ import annotations

from functools import cache

from django.conf import settings
from django.core.exceptions import ValidationError

from confide.access import passwords
from confide.access.models import Account, Membership
from confide.access.passwords import Blocklist
from confide.access.ranges import RangeApi
from confide.errors import Unavailable, WeakPassword
from confide.server import factors


@cache
def blocklists() -> tuple[Blocklist, ...]:
    """Open the lists of breached passwords that this installation checks against."""
    url = settings.CONFIG.password_range_url
    return (*passwords.corpora(settings.CONFIG.password_filter), *([RangeApi(url)] if url else ()))


def require_strong(password: str, user: Account | None, *, alone: bool) -> None:
    """Refuse a password by the rules of ``access.passwords``.

    Args:
        password: What was typed.
        user: Whose it is to be.
        alone: No second factor is asked for beside it, so that it has to be longer.

    Raises:
        ValidationError: With the reason. A list that does not answer is a reason, too: try later.
    """
    shortest = passwords.ALONE if alone else passwords.WITH_SECOND_FACTOR
    try:
        passwords.require_strong(password, blocklists(), _about(user), shortest=shortest)
    except (WeakPassword, Unavailable) as refusal:
        raise ValidationError(f"{str(refusal).capitalize()}.", code=refusal.code) from None


class Strong:
    """Refuses a short, expected or breached password."""

    def validate(self, password: str, user: Account | None = None) -> None:
        """See ``passwords.require_strong``.

        Raises:
            ValidationError: With the reason. A list that does not answer is a reason, too: try later.
        """
        require_strong(password, user, alone=user is None or not factors.enrolled(user))

    def get_help_text(self) -> str:
        return (
            f"At least {passwords.ALONE} characters, {passwords.WITH_SECOND_FACTOR} beside a second factor."
            " A few words are easy to remember and hard to guess."
        )


def _about(user: Account | None) -> list[str]:
    if user is None:
        return []
    practices = Membership.objects.filter(account_id=user.pk).values_list("practice__name", flat=True)
    return [user.username, user.display_name, user.email, *practices]
