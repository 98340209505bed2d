"""The domain: RINEX names and files, what receivers and their companions do over FTP, and what must hold afterwards."""
