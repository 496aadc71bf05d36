"""What second factors are made of, sealed: the secret of a code app, the digests of recovery codes.

They belong to people, not to a practice: each account has a data key of its own in the key store, under a key
of the host that the KMS wraps. Whoever steals the records has no factor; nor has who steals the key store.
"""

from __future__ import annotations

from base64 import b64decode, b64encode

from confide.cipher.derive import frame
from confide.errors import SealBroken
from confide.vault.host import Host


class FactorSeals:
    """Seals and opens the secrets of second factors, each bound to its account and kind.

    Args:
        host: Whose keys wrap those of the accounts.
    """

    def __init__(self, host: Host) -> None:
        self._host = host

    def seal(self, account: str, kind: str, secret: str) -> str:
        """Seal a secret; the account gets a data key if it has none.

        Args:
            account: The account's id.
            kind: What it is for, such as ``totp``.
            secret: ASCII or any text.

        Returns:
            Base64, to be stored.

        Raises:
            KeyUnavailable: The KMS or the key store does not answer.
        """
        key = self._host.keyring().create([account])[account]
        return b64encode(key.seal(secret.encode(), frame("factor", account, kind))).decode()

    def open(self, account: str, kind: str, sealed: str) -> str:
        """Give back what :meth:`seal` took.

        Raises:
            KeyUnavailable: The KMS or the key store does not answer, or the account's key was destroyed.
            SealBroken: Another account's, another kind's, or edited.
        """
        try:
            data = b64decode(sealed, validate=True)
        except ValueError:
            raise SealBroken("a second factor is not as it was stored") from None
        return self._host.keyring().subject(account).open(data, frame("factor", account, kind)).decode()
