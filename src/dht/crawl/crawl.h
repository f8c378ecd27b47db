/* SPDX-License-Identifier: MIT
 *
 * A walk through a whole network: whom to ask next, and what was learned. It
 * knows no engine, socket or clock: whoever drives it sends what crawl_next
 * says (dht_ask, or a find_node in another dialect) and tells what came back.
 *
 *     while (crawl_next(c, now, &q)) send find_node(q.target) to q.to;
 *     crawl_answered(c, &q.to, answer, now) | crawl_failed(c, &q.to, why, now)
 *     ... until crawl_is_over(c)
 *
 * Manners: each address is asked once, and `tries` times if it stays silent; no
 * more than `rate` queries a second, so many in flight.
 *
 * What is asked for: every other question belongs to a probe, one of some
 * random targets, whose nearest nodes are asked until the DHT_K nearest have
 * answered. From these the size of the network can be told long before the walk
 * is over (crawl_size.h). The others are for random ids in parts of the id
 * space that are known least, each to a node near to it, and four of ten for
 * the id of who is asked. (Asking all for their own ids, parts of a network are
 * never named outside of themselves; asking for random ones alone, single nodes
 * are missed.)
 *
 * Nobody is believed: only who has answered is seen, whom others name is named.
 * What is remembered has a cap, and one for each source of addresses (those of
 * one host, site, network; base/source.h): what is above it is counted and not
 * asked. IPv4 and IPv6 are networks of their own and are told apart.
 */
#ifndef WARREN_DHT_CRAWL_CRAWL_H
#define WARREN_DHT_CRAWL_CRAWL_H

#include "base/endpoint.h"
#include "base/error.h"
#include "base/id.h"
#include "base/random_source.h"
#include "base/source.h"
#include "dht/types/dht_request.h"
#include "wire/krpc/dht_message.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CRAWL_RATE      20 /* queries a second, unless told otherwise */
#define CRAWL_RATE_MAX  1000
#define CRAWL_NODES_MAX 20000000
#define CRAWL_NOBODY    UINT32_MAX

struct crawl_config {
    bool family[FAMILIES]; /* which are asked */
    bool testing_network;  /* private addresses are fine, sites not counted */
    bool mainline;         /* who names an address under two ids is believed: it
                              may know somebody by the id of an earlier life */
    bool has_self[FAMILIES];
    struct id self[FAMILIES]; /* our own node's ids, which are left out */
    unsigned rate;            /* queries a second, at most CRAWL_RATE_MAX */
    unsigned max_in_flight;
    unsigned tries;        /* queries to an address that stays silent */
    uint64_t retry_after;  /* ns from its silence to the next try */
    uint64_t max_queries;  /* the walk is over then; 0: no limit */
    unsigned probes;       /* random targets, in each family */
    unsigned max_nodes;    /* addresses remembered */
    unsigned max_per_host; /* of an IPv4 address or IPv6 /64; a site has 8
                              times, a network 256 times as many */
    struct random_source random;
};

/* The defaults, both families, without a source of random bytes. */
void crawl_config_init(struct crawl_config *config);

enum crawl_state {
    CRAWL_NAMED,    /* not asked yet */
    CRAWL_ASKED,    /* in flight */
    CRAWL_WAITS,    /* it was silent, and is asked again */
    CRAWL_ANSWERED, /* seen */
    CRAWL_SILENT,
    CRAWL_REFUSED, /* answered with an error */
    CRAWL_UNSENT   /* the query did not leave this machine */
};
#define CRAWL_STATES (CRAWL_UNSENT + 1)

/* "named", "asked", "waits", "answered", "silent", "refused", "unsent" */
const char *crawl_state_name(enum crawl_state state);

/* What is known of an address. */
struct crawl_node {
    struct endpoint ep;
    struct id id; /* which it answers with; before that, as it was named */
    bool has_id;
    bool id_changed; /* it answered with another one than it was named with */
    uint8_t state;   /* enum crawl_state */
    uint8_t tries;
    uint8_t version_len;
    uint8_t version[DHT_VERSION_MAX]; /* of its implementation, as it says */
    uint8_t names;                    /* nodes in its answer */
    uint16_t named_by;    /* that answered; no more than UINT16_MAX */
    uint32_t first_namer; /* CRAWL_NOBODY: it was known from the beginning */
    uint32_t last_namer;
    uint32_t rtt_us;
    uint32_t settled_ms; /* when that was known, since the beginning */
    uint32_t next;       /* among those that wait; private */
};

struct crawl;

struct crawl_question {
    struct endpoint to;
    struct id target;
};

/* ERR_RANGE (a cap or rate of 0, or beyond its limit), ERR_NO_MEMORY. */
enum error crawl_new(const struct crawl_config *config, uint64_t now,
                     struct crawl **out);
void crawl_free(struct crawl *c);

/* Somebody to begin with; `id` NULL: not known. One that there is already is
 * left as it is. */
void crawl_add(struct crawl *c, const struct id *id, const struct endpoint *ep);

/* Whom to ask now, if anybody; it counts as asked. */
bool crawl_next(struct crawl *c, uint64_t now, struct crawl_question *out);
/* When crawl_next is to be called again, even if nothing comes back:
 * TIME_NEVER while it waits for answers alone, and when it is over. */
uint64_t crawl_next_at(const struct crawl *c);
/* Nobody is left to ask, and nothing in flight. */
bool crawl_is_over(const struct crawl *c);

/* What came of a question. Of an address that is not asked: no effect. */
void crawl_answered(struct crawl *c, const struct endpoint *from,
                    const struct dht_answer *answer, uint64_t now);
/* ERR_TIMEOUT; ERR_CANCELLED (whoever drives it was stopped meanwhile): both
 * are tries. ERR_FULL, ERR_RATE_LIMITED: it was not sent, and will be asked
 * later. ERR_REMOTE: it refused. All others: it cannot be sent there. */
void crawl_failed(struct crawl *c, const struct endpoint *to, enum error why,
                  uint64_t now);

/* For who goes on with a walk from its record: this one was asked at `now`;
 * and then, all that are in flight will never be heard of. */
void crawl_asked(struct crawl *c, const struct endpoint *to, uint64_t now);
void crawl_interrupted(struct crawl *c, uint64_t now);
/* Another rate, and other limits, for what is still to come. */
enum error crawl_reconfigure(struct crawl *c,
                             const struct crawl_config *config);

/* ---- What it has found so far -------------------------------------------- */

struct crawl_counts {
    uint64_t queries; /* sent, tries included */
    uint64_t states[FAMILIES][CRAWL_STATES];
    uint64_t refused_sources[SOURCE_LEVELS]; /* names above a source's cap */
    uint64_t refused_full;                   /* above the overall cap */
    uint64_t contradicting; /* answers with two ids at one address */
    unsigned in_flight;
    unsigned probes_done[FAMILIES];
};

void crawl_counts(const struct crawl *c, struct crawl_counts *out);

uint32_t crawl_node_count(const struct crawl *c);
/* Valid until something is added. */
const struct crawl_node *crawl_node_at(const struct crawl *c, uint32_t i);
const struct crawl_config *crawl_config_of(const struct crawl *c);

/* The random targets, and whether the nearest nodes to it have answered. */
bool crawl_probe(const struct crawl *c, enum family f, unsigned i,
                 struct id *target);

size_t crawl_memory(const struct crawl *c);

#endif
