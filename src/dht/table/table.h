/* SPDX-License-Identifier: MIT
 *
 * The routing table of one address family (BEP 5; Maymounkov and Mazieres,
 * "Kademlia", 2002). Bucket i holds nodes that share exactly i leading bits
 * with our id, the last bucket those that share at least as many; only the
 * last one splits. A bucket has DHT_K live contacts, which have all answered
 * a query of ours, and a replacement cache of as many candidates, which have
 * been heard of.
 *
 * Who gets in:
 * - an id that BEP 42 does not allow for its global address never enters,
 *   neither live nor as a candidate; a lookup may still ask it. On the mainline
 *   DHT it may, and goes first where somebody has to go (node_id.h);
 * - one live contact per IP address, at most two per /24 (IPv4) or /32 (IPv6)
 *   in a bucket: BEP 42 leaves 18 bits of an id to who has a /48, which anybody
 *   can have;
 * - a known id at another address, or a known address with another id, is
 *   refused unless the contact that is there is bad. On the mainline DHT who
 *   answers from the same address and port takes its place: nodes make up a new
 *   id each time they are started;
 * - a full bucket gives up a bad contact, else the new one becomes a
 *   candidate and the least recently seen questionable contact will be named
 *   by table_next_ping.
 * In testing mode ids and subnets are not looked at and the address that
 * counts as one is IP and port.
 *
 * A bad contact stays until somebody takes its place or it has failed
 * TABLE_DROP_FAILS times in a row: after an outage there is whom to ask.
 *
 * Memory: nothing at first, then 20 bytes a bucket and, in one array of all,
 * 52 (IPv4) or 64 a contact; at most 160 * 2 * DHT_K contacts. Out of memory, a
 * contact is refused.
 */
#ifndef WARREN_DHT_TABLE_TABLE_H
#define WARREN_DHT_TABLE_TABLE_H

#include "base/endpoint.h"
#include "base/error.h"
#include "base/id.h"
#include "base/random_source.h"
#include "dht/types/contact.h"
#include "dht/types/dht_request.h"
#include "dht/types/node_id.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TABLE_SUBNET_MAX  2
#define TABLE_SUBNET4     24
#define TABLE_SUBNET6     32
#define TABLE_DROP_FAILS  5
#define TABLE_MAX_BUCKETS ID_BITS

/* Pings that the table asks for: of one contact, of questionable ones in one
 * bucket, and of anybody. They bound what a flood of made-up nodes can make
 * us send, and what an idle node sends. */
#define TABLE_PING_CONTACT (15 * TIME_S)
#define TABLE_PING_BUCKET  (5 * TIME_MIN)
#define TABLE_PING_ANY     (20 * TIME_MS)

struct table_bucket;

struct table {
    struct id self;
    uint8_t family;        /* enum family */
    uint8_t ids;           /* enum node_id_rule; ANY: in testing mode */
    uint16_t bucket_count; /* 0 until the first contact; then at least 1 */
    uint16_t bucket_cap;
    uint16_t contact_cap;
    uint16_t live, cached; /* contacts, in all buckets */
    uint64_t ping_at;      /* not before this is a ping due, */
    uint64_t ping_floor;   /* nor before this: TABLE_PING_ANY */
    uint64_t refresh_at;   /* not before this is a refresh due */
    struct table_bucket *buckets;
    /* All contacts: see table_bucket.h. */
    uint32_t *tags, *addrs;
    struct contact_state *states;
    uint8_t *cards;
    uint64_t refresh; /* ns after which an idle bucket is refreshed */
};

void table_init(struct table *t, enum family family, const struct id *self,
                enum node_id_rule ids, uint64_t refresh, uint64_t now);
void table_deinit(struct table *t);
void table_set_refresh(struct table *t, uint64_t refresh);

/* Brings into the cache what finding a contact looks at. How contacts behave is
 * left out: it is most of a table, and few of them are looked at. */
void table_prefetch(const struct table *t);

/* ---- What happened ----------------------------------------------------- */

/* All take any endpoint; those of the other family, and our own id, have no
 * effect (TABLE_REFUSED). */

/* A node asked us something: a sign of life of a live contact, and otherwise
 * a candidate. */
void table_heard(struct table *t, const struct id *id,
                 const struct endpoint *ep, uint64_t now);

/* Somebody else named it: a candidate at most. */
void table_named(struct table *t, const struct id *id,
                 const struct endpoint *ep, uint64_t now);

enum table_change {
    TABLE_REFUSED,
    TABLE_REFRESHED, /* was live */
    TABLE_ADDED,     /* is live now; there was room */
    TABLE_REPLACED,  /* is live now, instead of a bad contact */
    TABLE_CACHED     /* its bucket is full of contacts that are not bad */
};

/* It answered a query of ours: the transaction, the address and, where known,
 * the id were right. The only way into the live table. `rtt` in ns. */
enum table_change table_answered(struct table *t, const struct id *id,
                                 const struct endpoint *ep, uint64_t rtt,
                                 uint64_t now);

/* A query to it stayed unanswered. Drops a candidate at once. */
void table_failed(struct table *t, const struct id *id,
                  const struct endpoint *ep, uint64_t now);

/* Somebody else answers there. Drops a contact at once, live or not; true when
 * it was a candidate. */
bool table_gone(struct table *t, const struct id *id, const struct endpoint *ep,
                uint64_t now);

/* A lookup for `target` ran: its bucket needs no refresh for a while. */
void table_touch_bucket(struct table *t, const struct id *target, uint64_t now);

/* Our id changed. Contacts keep their state; those for which the new buckets
 * have no place become candidates or are dropped. On ERR_NO_MEMORY nothing
 * changed. */
enum error table_rehome(struct table *t, const struct id *self, uint64_t now);

/* ---- What is to be done ------------------------------------------------ */

/* Who should be pinged now: a candidate where a bucket has room, or would
 * have it by splitting, or a bad contact, or the least recently seen
 * questionable contact of a full bucket that has candidates. Marks it as asked.
 * Call until false. */
bool table_next_ping(struct table *t, uint64_t now, struct contact *out);

/* A random target in a bucket that was idle for the refresh time; the bucket
 * counts as refreshed from now. Call until false. */
bool table_refresh_due(struct table *t, const struct random_source *random,
                       uint64_t now, struct id *target);

/* Before this neither of the two has anything; TIME_NEVER with no contacts.
 * May be early, is never late. */
uint64_t table_next_deadline(const struct table *t);

/* The live contact that was silent for longest, and for how many ticks: a query
 * of its own counts as well as an answer, unless it has failed since. False
 * when there is none, or all have just been heard. */
bool table_stalest(const struct table *t, uint64_t now, struct contact *out,
                   uint32_t *ticks);

/* ---- Looking ----------------------------------------------------------- */

enum table_which {
    TABLE_GOOD, /* good contacts only: for answers */
    TABLE_ANY   /* all live contacts: for lookups. A caller that wants the
                   good ones first sorts by contact_quality */
};

/* The at most `max` contacts nearest to `target`, nearest first. Returns how
 * many. */
size_t table_closest(const struct table *t, const struct id *target,
                     struct contact *out, size_t max, enum table_which which,
                     uint64_t now);

/* The same good contacts in compact form, COMPACT_NODE4 or COMPACT_NODE6 bytes
 * each, into `out`. Returns the bytes written. */
size_t table_write_closest(const struct table *t, const struct id *target,
                           uint8_t *out, size_t max, uint64_t now);

/* The live contact with this id; false when there is none. */
bool table_find(const struct table *t, const struct id *id,
                struct contact *out);

/* A bucket, of those that there are, with less than DHT_K live contacts. */
bool table_has_room(const struct table *t, unsigned bucket);

/* Live contacts, bucket by bucket. `visit` must not change the table. */
void table_visit(const struct table *t,
                 void (*visit)(void *ctx, const struct contact *,
                               unsigned bucket),
                 void *ctx);

struct table_counts {
    unsigned live, good, bad, cached, buckets;
    size_t memory; /* bytes allocated */
};

void table_counts(const struct table *t, uint64_t now,
                  struct table_counts *out);

/* Asserts every invariant above; for tests. */
void table_check(const struct table *t);

#endif
