/* SPDX-License-Identifier: MIT
 *
 * The one table of what a client is told when a request is refused.
 */
#ifndef WARREN_NODE_SOCKS_SOCKS_CODE_H
#define WARREN_NODE_SOCKS_SOCKS_CODE_H

#include "tunnel/link/reason.h"

#include <stdint.h>

/* Of SOCKS5, RFC 1928 §6. */
enum socks5_code {
    SOCKS5_DONE = 0,
    SOCKS5_FAILED = 1,
    SOCKS5_FORBIDDEN = 2, /* by the rules, of an exit here */
    SOCKS5_NO_NETWORK = 3,
    SOCKS5_NO_HOST = 4,
    SOCKS5_REFUSED = 5,
    SOCKS5_EXPIRED = 6, /* "TTL expired": as tor has it, no answer in time */
    SOCKS5_NO_COMMAND = 7,
    SOCKS5_NO_ADDRESS_TYPE = 8
};

/* Of SOCKS4, which tells no reasons. */
enum socks4_code { SOCKS4_DONE = 90, SOCKS4_FAILED = 91 };

enum socks5_code socks5_code_of(enum reason r);
/* "504 Gateway Timeout" */
const char *http_status_of(enum reason r);

#endif
