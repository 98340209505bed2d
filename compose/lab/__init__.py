"""The lab on loopback: a whole cluster and its clients as processes of one host, with faults and a report."""
