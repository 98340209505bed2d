"""Makes the rules of one session out of the settings: what is fixed for it before its client says anything."""

import msgspec

from balancer.core.conversation import Rules
from balancer.core.data_address import advertised_address
from balancer.surroundings import Surroundings
from cluster.balancer_settings import Service


def session_rules(
    around: Surroundings, service: Service, client: tuple[str, int], local: tuple[str, int], *, implicit_tls: bool
) -> Rules:
    """The rules of a session of `service`; those of the sites that a client can ask for by name are in `hosts`."""
    hosts: dict[str, Rules] = {}
    first = _rules_of(around, service, service.site, client, local)
    first = msgspec.structs.replace(first, implicit_tls=implicit_tls, hosts=hosts)
    for host, site in service.hosts.items():
        other = _rules_of(around, service, site, client, local)
        hosts[host] = msgspec.structs.replace(other, implicit_tls=implicit_tls, hosts=hosts)
    return first


def _rules_of(
    around: Surroundings, service: Service, site_name: str, client: tuple[str, int], local: tuple[str, int]
) -> Rules:
    settings = around.settings
    site = settings.sites[site_name]
    return Rules(
        site=site_name,
        greeting=site.greeting,
        client=client,
        local=local,
        pasv_address=advertised_address(settings.balancer.advertise, client[0], local[0]),
        host_names=site.host_names,
        accounts=frozenset(site.accounts),
        guest=next((name for name in site.accounts if settings.accounts[name].password is None), ""),
        passive_accounts=frozenset(
            name for name in site.accounts if not settings.accounts[name].compatibility.active_mode
        ),
        protected_accounts=frozenset(name for name in site.accounts if settings.accounts[name].needs_tls),
        resumption={name: settings.accounts[name].data_tls_resumption for name in site.accounts},
        login_attempts=settings.limits.login_attempts,
        reply_timeout_s=settings.balancer.reply_timeout_s,
        publish_timeout_s=settings.limits.publish_timeout_s,
        replicated=settings.replication.mode != "none",
        digest_timeout_s=settings.balancer.digest_timeout_s,
        commands=service.commands,
        features=around.nodes.features(),
        reads_anywhere=service.reads == "any",
        mirrors=frozenset(settings.nodes) - settings.writers,
        readers=settings.readers_at(site_name),
    )
