#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Asks the daemon in this container for /health: 0 when it answers 200.
# Its words go to `docker inspect`. bash does the connection, so that the
# image needs no HTTP client.

address=${WARREN_HTTP_LISTEN:-127.0.0.1:7882}
exec 3<>"/dev/tcp/${address%:*}/${address##*:}" || exit 1
printf 'GET /health HTTP/1.0\r\n\r\n' >&3
read -r _ code _ <&3
cat <&3
[ "$code" = 200 ]
