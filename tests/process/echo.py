#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A UDP echo server that tells who asked: the answer to DATA from 1.2.3.4:5
is "DATA from 1.2.3.4:5". Prints that source as a line too.

Usage: echo.py ADDR PORT
"""
import socket
import sys


def main():
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((sys.argv[1], int(sys.argv[2])))
    print("ready", flush=True)
    while True:
        data, source = sock.recvfrom(65535)
        line = f"{source[0]}:{source[1]}"
        print(line, flush=True)
        sock.sendto(data + f" from {line}".encode(), source)


if __name__ == "__main__":
    main()
