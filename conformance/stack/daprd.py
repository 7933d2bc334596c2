#!/usr/bin/env python3
"""daprd 1.14 for a pod of `tidewatch up`: it reads --metrics-listen-address and does not use it, so that of all sidecars on one machine
one alone has the port of metrics. Each gets a free port of metrics here, and what comes to the pod's address is passed on to it.

Arguments: daprd, its flags. Everything else is daprd's: this ends with it, and passes signals on.
"""

import signal
import socket
import subprocess
import sys
import threading


def relay(source, sink):
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def serve(listener, port):
    while True:
        client, _ = listener.accept()
        try:
            server = socket.create_connection(("127.0.0.1", port))
        except OSError:
            client.close()
            continue
        for pair in ((client, server), (server, client)):
            threading.Thread(target=relay, args=pair, daemon=True).start()


command = sys.argv[1:]
ip, at = command[command.index("--metrics-listen-address") + 1], command.index("--metrics-port") + 1
with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    free = probe.getsockname()[1]
listener = socket.create_server((ip, int(command[at])))
command[at] = str(free)
threading.Thread(target=serve, args=(listener, free), daemon=True).start()
child = subprocess.Popen(command)
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, lambda number, _: child.send_signal(number))
code = child.wait()
sys.exit(code if code >= 0 else 128 - code)
