"""Where our ftpnode deliberately answers otherwise than pyftpdlib's own tests expect, and why.

Keys are a test's name, a class's, or both. A test that is listed and passes fails the run, and so does a key that no
test has. Texts of replies alone are no difference, but where a test compares a whole reply it has to be listed.
"""

from typing import Final

_OWN_TEXTS: Final = "compares whole replies; the codes are the same, the texts are our own"
_QUEUE: Final = "commands in a transfer wait for its end (RFC 959 section 4.1.3); only ABOR and STAT are heard before"
_BINARY: Final = "binary by default: every byte is kept as it is, whatever TYPE says; old receivers never send TYPE I"
_IDLE_226: Final = "226, as for a transfer that is over already (RFC 959 section 4.1.3)"
_REST_503: Final = "503: a wrong sequence does not become right by waiting, so it is no 4yz"
_CONNECTS_LATER: Final = "PORT is answered at once; the connection is made when a transfer begins (RFC 959 section 3.2)"
_NO_STAT_PATH: Final = "STAT of a path would put a listing on the control connection; MLST and LIST are there"
_NOT_TOLD_IN_DATA: Final = "a data connection that times out costs its transfer (425, 426) and not the session"
_PYTHON: Final = "reaches into the server's own Python process; ours is a program of its own"
_NO_OPTION: Final = "an option of pyftpdlib that our settings do not have"

DIFFERENCES: Final = {
    "test_anon_auth": "`Anonymous` and `FTP` are understood in any case, as old receivers write them",
    "test_rein_during_transfer": _QUEUE,
    "test_user_during_transfer": _QUEUE,
    "test_quit_during_transfer": _QUEUE,
    "test_help": "HELP lists all commands whatever it is asked",
    "test_site_help": "HELP lists all commands whatever it is asked",
    "test_opts_feat": "facts that are not known are passed over (RFC 3659 section 7.9), not refused",
    "test_rest": "REST is taken under TYPE A too: " + _BINARY,
    "test_size": "SIZE is answered under TYPE A too: " + _BINARY,
    "test_stor_ascii": _BINARY,
    "TestFtpStoreData.test_stor_ascii_2": _BINARY,
    "test_retr_ascii": _BINARY,
    "test_arg_cmds": "ALLO without an argument is superfluous as any ALLO is; else " + _OWN_TEXTS,
    "test_no_arg_cmds": "an argument that is not needed is passed over: some receivers send one",
    "test_auth_cmds": "OPTS UTF8 is sent before the login by clients that we want; else " + _OWN_TEXTS,
    "test_no_auth_cmds": "SITE and the list of its commands are for those who have logged in",
    "test_site_chmod": "202: modes are the server's business, and mirroring clients must not fail on that",
    "test_appe_rest": _REST_503,
    "test_stou_rest": _REST_503,
    "test_stou": "STOU without PORT or PASV before it: there is no default data port, so 425",
    "test_mlsd_all_facts": "MLST tells no inode, mode, owner or group of the host",
    "test_stat": _NO_STAT_PATH,
    "test_use_gmt_times": _NO_STAT_PATH + "; times are UTC always (RFC 3659 section 2.3)",
    "test_unforeseen_time_event": _NO_STAT_PATH,
    "test_abor_no_data": _IDLE_226,
    "test_abor_pasv": _IDLE_226,
    "test_abor_port": _IDLE_226,
    "test_oob_abor": _IDLE_226,
    "test_data_timeout": _NOT_TOLD_IN_DATA,
    "test_idle_data_timeout1": _NOT_TOLD_IN_DATA,
    "test_idle_data_timeout2": _NO_OPTION + ": an idle time below a second",
    "test_pasv_timeout": _NOT_TOLD_IN_DATA,
    "test_idle_timeout": _NO_OPTION + ": an idle time below a second",
    "test_encoding": "names are UTF-8; an account whose clients write Latin-1 has `latin1_names`",
    "test_masquerade_address": _NO_OPTION + ": what PASV tells behind a NAT is the balancer's `advertise`",
    "test_masquerade_address_map": _NO_OPTION + ": what PASV tells behind a NAT is the balancer's `advertise`",
    "test_max_connections": "`sessions` counts sessions; their data connections come with them",
    "test_passive_ports": _NO_OPTION + ": passive ports are one range",
    "test_eprt": _OWN_TEXTS,
    "test_eprt_v4": _OWN_TEXTS,
    "test_eprt_v6": "`::foo` is no address; else " + _OWN_TEXTS,
    "test_port_v4": _OWN_TEXTS,
    "TestIPv6MixedEnvironment": "a node listens on the one address of its settings",
    "test_active_conn_error": _CONNECTS_LATER,
    "test_port_race_condition": _CONNECTS_LATER,
    "test_ioloop_fileno": _PYTHON,
    "test_permit_foreign_address_false": _PYTHON,
    "test_permit_foreign_address_true": _PYTHON,
    "test_sendfile_fails": _PYTHON,
    "test_permit_privileged_ports": _NO_OPTION + ": no setting lets a client point us at a port below 1024",
    "TestFTPS.test_feat": "AUTH SSL is taken, but AUTH TLS is what we offer (RFC 4217 section 4)",
    "TestFTPS.test_pbsz": _OWN_TEXTS,
    "TestFTPS.test_tls_control_required": "what an account needs is told at PASS (530); USER tells nothing of accounts",
    "TestFTPS.test_tls_data_required": _NO_OPTION + ": `data_tls_resumption: require` is what demands TLS on data",
}

NOT_ASKED: Final = {
    "TestFtpStoreDataNoSendfile": "the same again, with an option of their Python class",
    "TestFtpStoreDataWithCustomIO": "the same again, with another reader in the client",
    "TestFtpRetrieveDataNoSendfile": "the same again, with an option of their Python class",
    "TestFtpRetrieveDataCustomIO": "the same again, with another reader in the client",
    "TestCallbacks": _PYTHON,
}
