/* SPDX-License-Identifier: MIT
 *
 * How many clients the proxy has, of all and of one source (base/source.h), and
 * who makes way when there are as many as may be: one that has not said for
 * GRACE where it wants to go, of whoever holds most. A client that has is never
 * cut off for another.
 */
#ifndef WARREN_NODE_SOCKS_SOCKS_CLIENTS_H
#define WARREN_NODE_SOCKS_SOCKS_CLIENTS_H

#include "base/endpoint.h"
#include "base/error.h"
#include "base/random_source.h"
#include "base/table/shares.h"
#include "base/timestamp.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SOCKS_CLIENT_GRACE TIME_S

/* In each connection. */
struct socks_client {
    struct endpoint from; /* through a Unix socket: 127.0.0.1 */
    uint64_t since;
    size_t at; /* in the array; SIZE_MAX: it has asked */
};

struct socks_clients {
    unsigned count, max, max_per_source;
    struct shares shares;
    struct socks_client **unasked;
    size_t unasked_count, unasked_cap;
};

void socks_clients_init(struct socks_clients *c, unsigned max,
                        unsigned max_per_source,
                        const struct random_source *random);
/* The clients are the caller's. */
void socks_clients_deinit(struct socks_clients *c);

/* Whether there is room for one from `from`. `*victim` is the one that has to
 * be removed before, or NULL. */
bool socks_clients_find(struct socks_clients *c, const struct endpoint *from,
                        uint64_t now, struct socks_client **victim);
/* socks_clients_find said yes. ERR_NO_MEMORY. */
enum error socks_clients_add(struct socks_clients *c,
                             struct socks_client *client,
                             const struct endpoint *from, uint64_t now);
/* It has said where it wants to go. */
void socks_clients_asked(struct socks_clients *c, struct socks_client *client);
void socks_clients_remove(struct socks_clients *c, struct socks_client *client);

#endif
