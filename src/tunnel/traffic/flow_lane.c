/* SPDX-License-Identifier: MIT
 *
 * Circuits that flows send over: which one, and whether it still works.
 */
#include "tunnel/traffic/flow_internal.h"

#include <stdlib.h>

/* Silence before the exit is asked, doubled each time that it answers, and the
 * time that it has; it is asked so often. */
#define QUIET_MIN TIME_S
#define QUIET_MAX (16 * TIME_S)
#define PONG_WAIT (1500 * TIME_MS)
#define ASKS_MAX  2

#define OPEN_MAX 4 /* circuits between two pauses */

/* ---- Life --------------------------------------------------------------- */

struct lane *lane_find(const struct bundle *b, uint32_t circuit)
{
    struct lane *lane;

    LIST_FOREACH(lane, &b->lanes, link)
    {
        if (lane->circuit == circuit)
            return lane;
    }
    return NULL;
}

void lane_free(struct lane *lane)
{
    LIST_REMOVE(lane, link);
    free(lane);
}

static struct lane *lane_get(struct bundle *b, uint32_t circuit)
{
    struct lane *lane = lane_find(b, circuit);

    if (lane != NULL)
        return lane;
    lane = calloc(1, sizeof(*lane));
    if (lane == NULL)
        return NULL;
    lane->circuit = circuit;
    lane->silent_since = lane->asked_at = TIME_NEVER;
    lane->quiet = QUIET_MIN;
    LIST_INSERT_HEAD(&b->lanes, lane, link);
    return lane;
}

/* ---- Which -------------------------------------------------------------- */

static struct circuit_wish wish_of(const struct bundle *b,
                                   const struct destination *d, bool any)
{
    return (struct circuit_wish){.hops = b->hops,
                                 .isolation = b->isolation,
                                 .protocol = MEMBER_UDP,
                                 .port = any ? 0 : destination_port(d),
                                 .avoid = (const uint8_t(*)[32])d->by,
                                 .avoid_count = d->refusals};
}

/* Of those that stay for a while, one that is the key's already; else any of
 * them; else one that soon ends. */
static uint32_t pick(const struct chooser *c, uint32_t *ids, unsigned count)
{
    unsigned stay = 0;

    for (unsigned i = 0; i < count; i++) {
        uint32_t id = ids[i];

        if (member_retires(c->member, id))
            continue;
        if (claims_find(c->claims, id) != NULL)
            return id;
        ids[i] = ids[stay];
        ids[stay++] = id;
    }
    return choose_one(c, ids, stay > 0 ? stay : count);
}

/* When another flow has last sent over the circuit to where answers to this one
 * come from; 0: not within FLOW_APART. */
static uint64_t met_at(const struct flow *f, const struct destination *d,
                       uint32_t circuit, uint64_t now)
{
    const struct flow *other;
    struct keyed_entry *e;
    uint64_t at = 0;

    TAILQ_FOREACH(other, &f->bundle->members, link)
    {
        if (other == f)
            continue;
        for (e = other->destinations.newest; e != NULL; e = e->older) {
            const struct destination *to = destination_of(e);

            if (to->circuit == circuit && to->sent_at > at &&
                time_since(to->sent_at, now) < FLOW_APART &&
                destinations_meet(to, d))
                at = to->sent_at;
        }
    }
    return at;
}

/* Of the circuits those stay over which no other flow sends there. Without any
 * the one over which that was longest ago, if they are to `share`. Returns how
 * many. */
static unsigned keep_apart(const struct flow *f, const struct destination *d,
                           bool share, uint32_t *ids, unsigned count,
                           uint64_t now)
{
    uint64_t oldest = TIME_NEVER;
    uint32_t longest_ago = 0;
    unsigned free_ones = 0;

    for (unsigned i = 0; i < count; i++) {
        uint64_t at = met_at(f, d, ids[i], now);

        if (at == 0) {
            ids[free_ones++] = ids[i];
        } else if (at < oldest) {
            oldest = at;
            longest_ago = ids[i];
        }
    }
    if (free_ones > 0 || longest_ago == 0 || !share)
        return free_ones;
    ids[0] = longest_ago;
    return 1;
}

static bool is_well_served(const struct bundle *b)
{
    const struct lane *lane;
    unsigned count = 0;

    LIST_FOREACH(lane, &b->lanes, link)
    {
        count++;
    }
    return count >= FLOW_CIRCUITS;
}

/* As fits `wish`, and as keep_apart. */
static unsigned choose_apart(const struct flow *f, const struct destination *d,
                             bool any, uint32_t ids[CHOICE_MAX], uint64_t now)
{
    const struct chooser *c = &f->bundle->flows->chooser;
    struct circuit_wish wish = wish_of(f->bundle, d, any);
    unsigned count = choose_fitting(c, &wish, ids);

    if (TAILQ_FIRST(&f->bundle->members) == f && TAILQ_NEXT(f, link) == NULL)
        return count;
    return keep_apart(f, d, any || is_well_served(f->bundle), ids, count, now);
}

struct lane *lane_for(const struct flow *f, const struct destination *d,
                      bool any, uint64_t now)
{
    struct bundle *b = f->bundle;
    const struct chooser *c = &b->flows->chooser;
    uint32_t ids[CHOICE_MAX], circuit;
    struct lane *lane = NULL;

    if (d->circuit != 0)
        lane = lane_find(b, d->circuit);
    if (lane != NULL)
        return lane;
    circuit = pick(c, ids, choose_apart(f, d, any, ids, now));
    if (circuit == 0 ||
        claims_take(c->claims, circuit, b->hops, b->isolation, now) == NULL)
        return NULL;
    return lane_get(b, circuit);
}

static bool is_opening(const void *arg, uint32_t circuit)
{
    const struct flows *fs = arg;
    const struct bundle *b;

    LIST_FOREACH(b, &fs->bundles, link)
    {
        if (b->opening == circuit)
            return true;
    }
    return false;
}

void lane_open(struct bundle *b, const struct destination *d, bool any,
               uint64_t now)
{
    struct circuit_wish wish = wish_of(b, d, false);
    const struct chooser *c = &b->flows->chooser;

    if (b->opening != 0 || b->opened == OPEN_MAX)
        return;
    b->opened++;
    if (choose_to_open(c, &wish, is_opening, b->flows, now, &b->opening) ==
            OK ||
        !any)
        return;
    wish.port = 0;
    choose_to_open(c, &wish, is_opening, b->flows, now, &b->opening);
}

/* ---- Whether it works --------------------------------------------------- */

void lane_sent(struct lane *lane, struct flow *f, uint64_t now)
{
    lane->last = f;
    if (lane->silent_since == TIME_NEVER)
        lane->silent_since = now;
}

void lane_heard(struct lane *lane, bool data)
{
    if (data)
        lane->quiet = QUIET_MIN;
    else if (lane->asked_at != TIME_NEVER)
        lane->quiet = time_min(2 * lane->quiet, QUIET_MAX);
    lane->silent_since = lane->asked_at = TIME_NEVER;
    lane->asks = 0;
}

uint64_t lane_wakes_at(const struct lane *lane)
{
    if (lane->asked_at != TIME_NEVER)
        return time_after(lane->asked_at, PONG_WAIT);
    return time_after(lane->silent_since, lane->quiet);
}

bool lane_wake(struct bundle *b, struct lane *lane, uint64_t now)
{
    struct flows *fs = b->flows;

    if (lane->asks < ASKS_MAX) {
        lane->asks++;
        lane->asked_at = now;
        member_ping(fs->chooser.member, lane->circuit, now);
        return true;
    }
    fs->stats.silences++;
    member_close(fs->chooser.member, lane->circuit, now);
    lane_free(lane);
    return false;
}
