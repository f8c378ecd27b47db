/* SPDX-License-Identifier: MIT */
#include "node/socks/socks_code.h"

#include <assert.h>
#include <stddef.h>

#define FORBIDDEN   "403 Forbidden"
#define BAD_GATEWAY "502 Bad Gateway"         /* the destination, or the exit */
#define UNAVAILABLE "503 Service Unavailable" /* this node, or its circuit */
#define NO_ANSWER   "504 Gateway Timeout"

static const struct {
    enum socks5_code code;
    const char *status;
} codes[REASON_END_] = {
    [REASON_UNKNOWN] = {SOCKS5_FAILED, BAD_GATEWAY},
    [REASON_REQUESTED] = {SOCKS5_FAILED, UNAVAILABLE},
    [REASON_TIMEOUT] = {SOCKS5_EXPIRED, NO_ANSWER},
    [REASON_UNREACHABLE] = {SOCKS5_NO_NETWORK, UNAVAILABLE},
    [REASON_LINK_LOST] = {SOCKS5_NO_NETWORK, UNAVAILABLE},
    [REASON_HANDSHAKE] = {SOCKS5_FAILED, UNAVAILABLE},
    [REASON_FULL] = {SOCKS5_FAILED, UNAVAILABLE},
    [REASON_ADDRESS] = {SOCKS5_FORBIDDEN, FORBIDDEN},
    [REASON_DEPTH] = {SOCKS5_FAILED, UNAVAILABLE},
    [REASON_PROTOCOL] = {SOCKS5_FAILED, BAD_GATEWAY},
    [REASON_VERSION] = {SOCKS5_FAILED, BAD_GATEWAY},
    [REASON_IDLE] = {SOCKS5_EXPIRED, NO_ANSWER},
    [REASON_AGE] = {SOCKS5_FAILED, UNAVAILABLE},
    [REASON_TRAFFIC] = {SOCKS5_FAILED, UNAVAILABLE},
    [REASON_SHUTDOWN] = {SOCKS5_FAILED, UNAVAILABLE},
    [REASON_NO_EXIT] = {SOCKS5_FORBIDDEN, FORBIDDEN},
    [REASON_POLICY] = {SOCKS5_FORBIDDEN, FORBIDDEN},
    [REASON_RESOLVE] = {SOCKS5_NO_HOST, BAD_GATEWAY},
    [REASON_NO_RELAYS] = {SOCKS5_NO_NETWORK, UNAVAILABLE},
    [REASON_RATE] = {SOCKS5_FAILED, UNAVAILABLE},
    [REASON_SILENT] = {SOCKS5_NO_HOST, NO_ANSWER},
    [REASON_IO] = {SOCKS5_NO_HOST, BAD_GATEWAY},
    [REASON_REFUSED] = {SOCKS5_REFUSED, BAD_GATEWAY},
    [REASON_NO_NAME] = {SOCKS5_NO_HOST, BAD_GATEWAY},
    [REASON_DNS] = {SOCKS5_NO_HOST, BAD_GATEWAY},
};

enum socks5_code socks5_code_of(enum reason r)
{
    assert(r < REASON_END_ && codes[r].code != SOCKS5_DONE);
    return codes[r].code;
}

const char *http_status_of(enum reason r)
{
    assert(r < REASON_END_ && codes[r].status != NULL);
    return codes[r].status;
}
