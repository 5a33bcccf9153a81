"""Takes the path of somebody's ipc socket, as a misconfigured program does: `thief.py PATH`."""

import sys

import zmq

thief = zmq.Context().socket(zmq.ROUTER)
thief.bind(f"ipc://{sys.argv[1]}")
print("mine", flush=True)  # noqa: T201
while True:
    thief.recv_multipart()
