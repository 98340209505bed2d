"""The command `ftpnode`: one node's FTP server in the foreground, until SIGTERM or Ctrl-C."""

import resource
import signal
from pathlib import Path

import click

from cluster.command import config_option, give_up, hosted_settings_or_exit, log_format_option, node_option
from cluster.log import LogFormat
from cluster.problem import ConfigError
from ftpnode.alone import Alone
from ftpnode.core.rights import settings_at
from ftpnode.process_log import start_process_log
from ftpnode.workers.supervisor import Supervisor


@click.command()
@config_option
@node_option
@log_format_option
def main(file: Path, node: str, log_format: LogFormat) -> None:
    """Take files in: FTP and FTPS for the sites of one node."""
    settings = settings_at(hosted_settings_or_exit(file, node), node)
    start_process_log(log_format)
    _raise_file_limit()
    try:
        alone = settings.nodes[node].workers == 1
        program = Alone(settings, node, file) if alone else Supervisor(settings, node, file, log_format)
    except ConfigError as error:
        give_up(*(str(problem) for problem in error.problems))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: program.stop())
    signal.signal(signal.SIGHUP, lambda *_: program.reload())
    try:
        program.run()
    finally:
        program.close()


def _raise_file_limit() -> None:
    """Every session and transfer takes file descriptors: use all that the host allows."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    main()
