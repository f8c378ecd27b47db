/* SPDX-License-Identifier: MIT
 *
 * The client's side of SOCKS5 (RFC 1928, 1929), all said at once, as the daemon
 * takes it, and what is answered. No socket.
 */
#ifndef WARREN_CLI_EXEC_EXEC_SOCKS_H
#define WARREN_CLI_EXEC_EXEC_SOCKS_H

#include "base/bytes.h"
#include "base/endpoint.h"
#include "base/error.h"
#include "node/socks/socks_address.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EXEC_USER_SIZE     32 /* with the terminator */
#define EXEC_PASSWORD_SIZE 96
#define EXEC_SOCKS_SAID_MAX \
    (3 + 3 + EXEC_USER_SIZE + EXEC_PASSWORD_SIZE + 3 + SOCKS_ADDRESS_MAX)
#define EXEC_SOCKS_HEARD_MAX (2 + 2 + 3 + SOCKS_ADDRESS_MAX)

/* The daemon's proxy for one run. */
struct exec_proxy {
    struct endpoint at;
    char user[EXEC_USER_SIZE];
    char password[EXEC_PASSWORD_SIZE];
};

/* Returns the bytes. `associate`: datagrams, from the port of `to`; else a
 * connection to there. */
size_t exec_socks_say(const struct exec_proxy *proxy, bool associate,
                      const struct socks_address *to,
                      uint8_t out[EXEC_SOCKS_SAID_MAX]);

/* What was answered so far: ERR_MISSING until it is whole; OK: done, `used`
 * gets its length and `at` the address in it; ERR_REMOTE: refused; ERR_SYNTAX:
 * it makes no sense. */
enum error exec_socks_hear(struct bytes in, size_t *used, struct endpoint *at);

#endif
