/* SPDX-License-Identifier: MIT
 *
 * Witnesses of where we are: counted, and looked for.
 */
#include "tunnel/directory/directory_internal.h"

/* Between two relays that are asked to ask us: doubled each time after the
 * first SOON_ONES. */
#define SOON      (250 * TIME_MS)
#define SOON_ONES 8
#define LATE      (5 * TIME_MIN)

static bool is_fresh(const struct reach *r, unsigned i, uint64_t now)
{
    return r->witnesses[i].at != 0 &&
           time_since(r->witnesses[i].at, now) < REACH_FRESH;
}

/* The last word of a network counts; the oldest makes way for a new one. */
void reach_note(struct reach *r, const struct endpoint *from,
                const struct endpoint *reached, uint64_t now)
{
    unsigned at = 0;

    for (unsigned i = 0; i < REACH_WITNESSES; i++) {
        if (r->witnesses[i].at != 0 &&
            source_same(&r->witnesses[i].from, from, SOURCE_NETWORK)) {
            at = i;
            break;
        }
        if (r->witnesses[i].at < r->witnesses[at].at)
            at = i;
    }
    r->witnesses[at].from = *from;
    r->witnesses[at].reached = *reached;
    r->witnesses[at].at = now;
}

/* Those in its own network may be behind the same NAT. */
static unsigned witnesses_of(const struct reach *r, const struct endpoint *ep,
                             uint64_t now)
{
    unsigned count = 0;

    for (unsigned i = 0; i < REACH_WITNESSES; i++)
        count += is_fresh(r, i, now) &&
                 endpoint_equal(&r->witnesses[i].reached, ep) &&
                 !source_same(&r->witnesses[i].from, ep, SOURCE_NETWORK);
    return count;
}

bool reach_is_proven(const struct reach *r, const struct endpoint *ep,
                     uint64_t now)
{
    unsigned count = witnesses_of(r, ep, now);

    for (unsigned i = 0; i < REACH_WITNESSES; i++)
        if (is_fresh(r, i, now) &&
            r->witnesses[i].reached.family == ep->family &&
            witnesses_of(r, &r->witnesses[i].reached, now) > count)
            return false;
    return count >= REACH_PROOF;
}

const struct endpoint *reach_proven(const struct reach *r, enum family f,
                                    uint64_t now)
{
    for (unsigned i = 0; i < REACH_WITNESSES; i++)
        if (is_fresh(r, i, now) && r->witnesses[i].reached.family == f &&
            reach_is_proven(r, &r->witnesses[i].reached, now))
            return &r->witnesses[i].reached;
    return NULL;
}

/* ---- Looking for witnesses ---------------------------------------------- */

static bool is_witness(const struct reach *r, const struct endpoint *ep,
                       uint64_t now)
{
    for (unsigned i = 0; i < REACH_WITNESSES; i++)
        if (is_fresh(r, i, now) &&
            source_same(&r->witnesses[i].from, ep, SOURCE_NETWORK))
            return true;
    return false;
}

/* One that can say something new of this address of ours. */
static bool can_witness(const struct directory *d, const struct endpoint *ep,
                        uint64_t now)
{
    const struct own *own = &d->own;

    for (unsigned i = 0; i < own->unproven_count; i++)
        if (own->unproven[i].family == ep->family &&
            !source_same(&own->unproven[i], ep, SOURCE_NETWORK))
            return !is_witness(&d->reach, ep, now);
    return false;
}

static const struct endpoint *witness_at(const struct directory *d,
                                         const struct known_relay *relay,
                                         uint64_t now)
{
    for (unsigned a = 0; relay->tried && a < relay->d.address_count; a++)
        if (can_witness(d, &relay->d.addresses[a], now))
            return &relay->d.addresses[a];
    return NULL;
}

/* Any of those that would do, each with the same chance. */
static const struct endpoint *any_witness(const struct directory *d,
                                          uint64_t now)
{
    const struct endpoint *found = NULL;
    unsigned seen = 0;

    for (unsigned i = 0; i < d->known.count; i++) {
        const struct endpoint *ep = witness_at(d, d->known.relays[i], now);

        if (ep != NULL && random_below(&d->env.random, ++seen) == 0)
            found = ep;
    }
    return found;
}

static uint64_t pause(const struct reach *r)
{
    unsigned more = r->asked < SOON_ONES ? 0 : r->asked - SOON_ONES;

    return time_min(LATE, SOON << (more < 16 ? more : 16));
}

void reach_tick(struct directory *d, uint64_t now)
{
    struct reach *r = &d->reach;
    const struct endpoint *ep;

    if (d->own.unproven_count == 0) {
        r->ask_at = r->asked = 0;
        return;
    }
    if (r->ask_at <= now) {
        ep = any_witness(d, now);
        if (ep != NULL && ask_now(d, ep, now))
            r->asked++;
        r->ask_at = now + directory_jitter(d, pause(r));
    }
    directory_wake(d, r->ask_at);
}
