"""What passes the sockets of a run, as packets of a pcapng file: loaded where somebody asks for one."""
