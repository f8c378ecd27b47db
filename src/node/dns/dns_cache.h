/* SPDX-License-Identifier: MIT
 *
 * What exits have answered, for as long as they said, within bounds; of one
 * listener, so that none learns what is asked at another. The one not used for
 * longest makes room.
 */
#ifndef WARREN_NODE_DNS_DNS_CACHE_H
#define WARREN_NODE_DNS_DNS_CACHE_H

#include "base/bytes.h"
#include "base/endpoint.h"
#include "base/random_source.h"
#include "base/table/keyed_table.h"
#include "base/timestamp.h"
#include "node/dns/dns_message.h"
#include "stream/stream_request.h"

#include <stddef.h>
#include <stdint.h>

#define DNS_TTL_MIN 5 /* s: what is less counts as so long */
#define DNS_TTL_MAX 3600
#define DNS_ADDRS   16

/* Within these bounds. */
uint32_t dns_ttl(uint32_t ttl);

struct dns_cache {
    struct keyed_table entries;
};

/* Of a name or an address. */
struct dns_known {
    enum dns_rcode code; /* OK or NO_NAME */
    uint32_t ttl;        /* s; from dns_cache_find: of what is left */
    struct endpoint addrs[DNS_ADDRS];
    size_t count;
    char name[DNS_TEXT_SIZE]; /* of an address; else empty */
};

/* What an exit has answered to RESOLVE, or to REVERSE. Addresses that are not
 * of the Internet are left out, unless they are wanted too. False: it has
 * nothing that can be told. */
bool dns_known_take(struct dns_known *out, const struct stream_answer *answer,
                    bool reverse, bool local_too);

void dns_cache_init(struct dns_cache *c, size_t max,
                    const struct random_source *random);
void dns_cache_deinit(struct dns_cache *c);

/* The key is the name that was asked for. False: it is not known, or no
 * longer. */
bool dns_cache_find(struct dns_cache *c, const char *key, uint64_t now,
                    struct dns_known *out);
/* Without memory it is not kept. */
void dns_cache_add(struct dns_cache *c, const char *key,
                   const struct dns_known *known, uint64_t now);

#endif
