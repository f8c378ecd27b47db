/* SPDX-License-Identifier: MIT
 *
 * Which circuit a delivery goes over. Of the circuits that are ready those fit
 * that nobody with another isolation key has claimed and whose exit has not
 * refused it (circuit_choice.h); of these one is drawn, the idle ones first.
 * Where none fits, one is built through an exit that says that it sends to the
 * port. When the pool is full of circuits of other keys, the one that rests
 * longest makes room.
 */
#include "tunnel/traffic/delivery_internal.h"

#include "base/timestamp.h"

#include <stdlib.h>
#include <string.h>

#define OPEN_MAX 8 /* circuits built for one datagram */

/* ---- Those that are there ----------------------------------------------- */

static struct circuit_wish wish_of(const struct delivery *d, uint16_t port)
{
    return (struct circuit_wish){.hops = d->hops,
                                 .isolation = d->isolation,
                                 .port = port,
                                 .avoid = (const uint8_t(*)[32])d->refused_by,
                                 .avoid_count = d->refusals};
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
    struct circuit_wish wish = wish_of(d, port);
    uint32_t ids[CHOICE_MAX];
    unsigned fit = choose_fitting(&ds->chooser, &wish, ids);

    return choose_one(&ds->chooser, ids, prefer_free(ds, d, ids, fit));
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
    if (circuit == 0 || claims_take(ds->chooser.claims, circuit, d->hops,
                                    d->isolation, now) == NULL)
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

static bool open_for(struct deliveries *ds, struct delivery *d, uint16_t port,
                     uint64_t now)
{
    struct circuit_wish wish = wish_of(d, port);

    if (d->opened == OPEN_MAX || choose_to_open(&ds->chooser, &wish, is_in_use,
                                                ds, now, &d->opening) != OK)
        return false;
    d->opened++;
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
