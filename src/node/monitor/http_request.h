/* SPDX-License-Identifier: MIT
 *
 * A request of HTTP/1.0 or 1.1, read as RFC 9112 has it, as far as two pages
 * for GET and HEAD need it: method, target, and whom it was sent to.
 *
 * The last is what keeps pages of strangers out. A browser lets a page of
 * evil.example read what evil.example answers, and whoever has that name can
 * let it point to 127.0.0.1 a moment later (DNS rebinding). So a name counts
 * only if it is known to be this machine's; an address cannot be rebound.
 */
#ifndef WARREN_NODE_MONITOR_HTTP_REQUEST_H
#define WARREN_NODE_MONITOR_HTTP_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

#define HTTP_NAMES_MAX 8

/* Names besides localhost under which this machine is asked. */
struct http_names {
    unsigned count;
    const char *at[HTTP_NAMES_MAX];
};

/* Views into what was read. */
struct http_request {
    const char *method;
    const char *target; /* begins with '/', without what follows '?' or '#' */
    const char *host;   /* as sent; NULL: HTTP/1.0 without one */
};

/* Reads request line and headers in place: `head` has `len` bytes and room for
 * a terminator behind them. False when this is no request, or says less or
 * more than once whom it is for: 400. */
bool http_request_read(char *head, size_t len, struct http_request *out);

/* True for an address, localhost or one of `names`, with or without a port,
 * and for NULL, which no browser sends. */
bool http_host_is_ours(const char *host, const struct http_names *names);

#endif
