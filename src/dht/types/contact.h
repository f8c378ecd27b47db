/* SPDX-License-Identifier: MIT
 *
 * A node as the routing table remembers it. A plain value: what the table hands
 * out is a copy.
 *
 * Times are ticks of 2^27 ns (an eighth of a second) that wrap after 18
 * years; 0 is never.
 */
#ifndef WARREN_DHT_TYPES_CONTACT_H
#define WARREN_DHT_TYPES_CONTACT_H

#include "base/endpoint.h"
#include "base/id.h"
#include "base/timestamp.h"
#include "dht/types/dht_status.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#define CONTACT_TICK_SHIFT 27
#define CONTACT_FRESH      (15 * TIME_MIN) /* BEP 5 */
#define CONTACT_FRESH_TICKS \
    (uint32_t)((CONTACT_FRESH >> CONTACT_TICK_SHIFT) + 1)
#define CONTACT_BAD_FAILS 3 /* unanswered in a row */

#define CONTACT_RTT_MAX ((UINT32_C(1) << 24) - 1)

/* How it behaves. */
struct contact_state {
    uint32_t rtt_us : 24; /* smoothed round trip; 0 unknown */
    uint32_t fails : 7;   /* queries of ours unanswered in a row */
    uint32_t misfit : 1;  /* others go first (NODE_ID_LENIENT) */
    uint32_t last_answer; /* tick of its last answer to us */
    uint32_t last_heard;  /* tick of its last query to us, or, in the cache,
                             of when it was last named */
    uint32_t last_asked;  /* tick of the last ping that the table asked for */
};

static_assert(sizeof(struct contact_state) == 16, "four fill a cache line");

struct contact {
    struct id id;
    struct endpoint ep;
    struct contact_state state;
};

static inline uint32_t contact_tick(uint64_t now)
{
    uint32_t tick = (uint32_t)(now >> CONTACT_TICK_SHIFT);

    return tick == 0 ? 1 : tick;
}

/* Ticks from `then` to `now`; 0 when `then` lies ahead, the maximum when it
 * is never. */
static inline uint32_t contact_age(uint32_t then, uint32_t now)
{
    uint32_t age = now - then;

    if (then == 0)
        return UINT32_MAX;
    return age > UINT32_MAX / 2 ? 0 : age;
}

/* BEP 5: good has answered within 15 minutes, or has ever answered and asked
 * us within 15 minutes; bad has left three queries in a row unanswered. */
static inline enum dht_quality contact_quality(const struct contact_state *c,
                                               uint64_t now)
{
    uint32_t tick = contact_tick(now);

    if (c->fails >= CONTACT_BAD_FAILS)
        return DHT_BAD;
    if (c->last_answer != 0 &&
        (contact_age(c->last_answer, tick) <= CONTACT_FRESH_TICKS ||
         contact_age(c->last_heard, tick) <= CONTACT_FRESH_TICKS))
        return DHT_GOOD;
    return DHT_QUESTIONABLE;
}

#endif
