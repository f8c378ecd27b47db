/* SPDX-License-Identifier: MIT
 *
 * Which circuit a delivery goes over. Of the circuits that are ready those fit
 * that nobody with another isolation key has claimed and whose exit has not
 * refused it; of these one is drawn, the idle ones first. Where none fits, one
 * is built through an exit that says that it sends to the port. When the pool
 * is full of circuits of other keys, the one that rests longest makes room.
 */
#include "tunnel/traffic/delivery_internal.h"

#include "base/timestamp.h"

#include <stdlib.h>
#include <string.h>

#define ACTIVE_MAX 64 /* circuits to choose one from */
#define OPEN_MAX   8  /* circuits built for one datagram */

/* ---- Those that are there ----------------------------------------------- */

static bool has_refused(const struct deliveries *ds, const struct delivery *d,
                        uint32_t circuit)
{
    uint8_t exit[32];

    if (!member_exit_of(ds->member, circuit, exit))
        return true;
    for (unsigned i = 0; i < d->refusals; i++)
        if (memcmp(d->refused_by[i], exit, sizeof(exit)) == 0)
            return true;
    return false;
}

/* For `port`, or any (0). */
static bool fits(const struct deliveries *ds, const struct delivery *d,
                 uint32_t circuit, uint16_t port)
{
    return claims_allow(ds->claims, circuit, d->isolation) &&
           !has_refused(ds, d, circuit) &&
           (port == 0 || member_sends_to(ds->member, circuit, port));
}

static bool same_host_port(const struct host_port *a, const struct host_port *b)
{
    return endpoint_equal(&a->ep, &b->ep) && a->name.len == b->name.len &&
           memcmp(a->name.text, b->name.text, a->name.len) == 0;
}

/* An answer from there would be taken for another one's. */
static bool is_taken(const struct deliveries *ds, const struct delivery *d,
                     uint32_t circuit)
{
    struct call *call;

    TAILQ_FOREACH(call, &ds->calls, link)
    {
        const struct delivery *o = delivery_of(call);

        if (o != d && o->circuit == circuit && same_host_port(&o->to, &d->to))
            return true;
    }
    return false;
}

/* Puts those first that satisfy both, and returns how many that are. */
static unsigned prefer_free(const struct deliveries *ds,
                            const struct delivery *d, uint32_t *ids,
                            unsigned count)
{
    unsigned free = 0;

    for (unsigned i = 0; i < count; i++) {
        uint32_t id = ids[i];

        if (is_taken(ds, d, id))
            continue;
        ids[i] = ids[free];
        ids[free++] = id;
    }
    return free > 0 ? free : count;
}

static uint32_t draw(struct deliveries *ds, const struct delivery *d,
                     uint16_t port)
{
    uint32_t ids[ACTIVE_MAX];
    unsigned count = member_active(ds->member, d->hops, ids, ACTIVE_MAX);
    unsigned fit = 0;

    for (unsigned i = 0; i < count && i < ACTIVE_MAX; i++)
        if (fits(ds, d, ids[i], port))
            ids[fit++] = ids[i];
    if (fit == 0)
        return 0;
    return ids[random_below(&ds->random, prefer_free(ds, d, ids, fit))];
}

static bool looks_around(const struct delivery *d, uint64_t now)
{
    return now < d->around_until;
}

uint32_t delivery_choose(struct deliveries *ds, const struct delivery *d,
                         uint64_t now)
{
    uint32_t circuit = draw(ds, d, d->to.ep.port);

    if (circuit == 0 && !looks_around(d, now))
        circuit = draw(ds, d, 0);
    if (circuit == 0 ||
        claims_take(ds->claims, circuit, d->hops, d->isolation, now) == NULL)
        return 0;
    return circuit;
}

/* ---- One more ----------------------------------------------------------- */

static bool is_in_use(const void *arg, uint32_t circuit)
{
    const struct deliveries *ds = arg;
    struct call *call;

    TAILQ_FOREACH(call, &ds->calls, link)
    {
        const struct delivery *d = delivery_of(call);

        if (d->circuit == circuit || d->opening == circuit)
            return true;
    }
    return false;
}

/* Its end is told in the next turn, and then there is room. */
static void make_room(struct deliveries *ds, const struct delivery *d,
                      uint64_t now)
{
    uint32_t spare =
        claims_spare(ds->claims, d->hops, d->isolation, is_in_use, ds, now);

    if (spare != 0)
        member_close(ds->member, spare, now);
}

static bool open_for(struct deliveries *ds, struct delivery *d, uint16_t port,
                     uint64_t now)
{
    struct member_wish wish = {.port = port,
                               .avoid = (const uint8_t(*)[32])d->refused_by,
                               .avoid_count = d->refusals};
    enum error e;

    if (d->opened == OPEN_MAX)
        return false;
    e = member_open(ds->member, d->hops, &wish, now, &d->opening);
    if (e == ERR_FULL)
        make_room(ds, d, now);
    if (e != OK)
        return false;
    d->opened++;
    claims_take(ds->claims, d->opening, d->hops, d->isolation, now);
    return true;
}

/* Circuits of the pool, which any may claim, come by themselves: they will do
 * unless there is a reason to want another one. */
static bool needs_its_own(const struct delivery *d)
{
    return d->refusals > 0 || d->isolation != 0;
}

bool delivery_open(struct deliveries *ds, struct delivery *d, uint64_t now)
{
    if (d->opening != 0 || open_for(ds, d, d->to.ep.port, now))
        return true;
    return !looks_around(d, now) && needs_its_own(d) && open_for(ds, d, 0, now);
}

bool delivery_is_hopeless(struct deliveries *ds, struct delivery *d,
                          uint64_t now)
{
    return d->refusals > 0 && !looks_around(d, now) &&
           !delivery_open(ds, d, now);
}
