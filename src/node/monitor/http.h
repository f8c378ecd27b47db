/* SPDX-License-Identifier: MIT
 *
 * Two pages for monitoring: GET /metrics (Prometheus) and GET /health (200 or
 * 503, with the reason in JSON). HTTP/1.1, one request a connection.
 *
 * evhttp 2.1 has no limit on connections and none on how slowly a request may
 * arrive, so the few lines of HTTP that this needs are here.
 */
#ifndef WARREN_NODE_MONITOR_HTTP_H
#define WARREN_NODE_MONITOR_HTTP_H

#include "base/endpoint.h"
#include "base/error.h"
#include "base/text.h"
#include "base/timestamp.h"
#include "node/log/log.h"
#include "node/monitor/http_request.h"
#include "node/monitor/metrics.h"

#include <stdbool.h>

struct event_base;

#define HTTP_CONNECTIONS_MAX \
    16                        /* at most; then the oldest make way for others */
#define HTTP_REQUEST_MAX 8192 /* bytes of request line and headers */
#define HTTP_PAGE_MAX    (1024 * 1024)
#define HTTP_DEADLINE    (10 * TIME_S) /* from accept to the last byte */

struct http_pages {
    void *arg;
    void (*metrics)(void *arg, struct metrics *m);
    /* True when healthy; otherwise `reason` gets a sentence. */
    bool (*health)(void *arg, struct text *reason);
};

struct http_config {
    struct endpoint listen;  /* port 0 lets the kernel choose */
    unsigned connections;    /* HTTP_CONNECTIONS_MAX, or fewer files */
    uint64_t deadline;       /* HTTP_DEADLINE outside of tests */
    struct http_names names; /* what they point to outlives the server */
};

struct http;

/* Listens at once. On failure `why` gets a sentence: ERR_IN_USE, ERR_IO,
 * ERR_UNSUPPORTED, ERR_NO_MEMORY. `pages` is copied; `log` outlives it. */
enum error http_new(struct event_base *base, const struct http_config *config,
                    const struct http_pages *pages, struct log *log,
                    struct http **out, struct text *why);
/* Closes the connections too, when the loop turns or its base is freed. */
void http_free(struct http *http);

struct endpoint http_local(const struct http *http);
unsigned http_connections(const struct http *http);

#endif
