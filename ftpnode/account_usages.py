"""Counts what every account has stored, for operators."""

from typing import Final

from cluster.live import AccountUsage, AccountUsages
from cluster.management import NotNowError
from cluster.settings import Settings
from ftpnode.ports import ChangeRefusedError, Publisher, PublisherUnreachableError, measure

_TIMEOUT_S: Final = 2.0


def account_usages(settings: Settings, publisher: Publisher) -> AccountUsages:
    """Every account of the settings; NotNowError when nobody knows. Blocks."""
    accounts = settings.accounts
    homes = {account.home.strip("/") for account in accounts.values()}
    try:
        used = {home: measure(publisher, home, "", _TIMEOUT_S).used for home in homes}
    except (ChangeRefusedError, PublisherUnreachableError) as error:
        raise NotNowError(f"the replicator does not say what is stored: {error}") from error
    return AccountUsages(
        tuple(
            AccountUsage(
                account=name,
                home=f"/{account.home.strip('/')}",
                used_bytes=used[account.home.strip("/")].bytes,
                used_entries=used[account.home.strip("/")].entries,
                quota_bytes=account.limits.quota_bytes,
                quota_entries=account.limits.quota_entries,
            )
            for name, account in accounts.items()
        )
    )
