/* SPDX-License-Identifier: MIT
 *
 * The list of guards in order: let_go shortens it, add lengthens it,
 * guards_list says which of them are ready. A guard is an identity here and
 * looked up in the directory each time, because its relay may be forgotten
 * meanwhile.
 */
#include "tunnel/path/guard.h"

#include "tunnel/path/path_weight.h"

#include <string.h>

#define AWAIT_DESCRIPTOR (10 * TIME_S)

static const struct known_relay *relay_of(const struct directory *d,
                                          const struct guard *g)
{
    return directory_find(d, g->identity);
}

/* ---- Those of an earlier life ------------------------------------------ */

static void insert(struct guards *g, const struct known_relay *relay)
{
    struct guard new = {.since = relay->record.guard_since,
                        .until = relay->record.guard_until,
                        .provisional = relay->provisional};
    unsigned at = g->count;

    memcpy(new.identity, relay->d.identity, sizeof(new.identity));
    /* Two of one second keep the order of their identities. */
    while (at > 0 && g->list[at - 1].since > new.since)
        at--;
    memmove(g->list + at + 1, g->list + at,
            (g->count - at) * sizeof(g->list[0]));
    g->list[at] = new;
    g->count++;
}

void guards_init(struct guards *g, const struct directory *d)
{
    *g = (struct guards){0};
    for (unsigned i = 0; i < directory_count(d); i++) {
        const struct known_relay *relay = directory_at(d, i);

        if (relay->record.guard_since != 0 && g->count < GUARDS_MAX)
            insert(g, relay);
    }
}

/* ---- Letting go -------------------------------------------------------- */

static void drop(struct guards *g, struct directory *d, unsigned i)
{
    directory_set_guard(d, g->list[i].identity, 0, 0, false);
    g->count--;
    memmove(g->list + i, g->list + i + 1, (g->count - i) * sizeof(g->list[0]));
}

/* The last time that any guard was reached. */
static uint64_t last_reached(const struct guards *g, const struct directory *d)
{
    uint64_t last = 0;

    for (unsigned i = 0; i < g->count; i++) {
        const struct known_relay *relay = relay_of(d, &g->list[i]);

        if (relay != NULL && relay->record.last_seen > last)
            last = relay->record.last_seen;
    }
    return last;
}

/* Not reached for long, while another one was: it is not the network. */
static bool is_lost(const struct known_relay *relay, uint64_t last)
{
    return relay == NULL ||
           (relay->record.failures > 0 &&
            relay->record.last_seen + GUARD_LOST < last) ||
           !(relay->d.roles & ROLE_RELAY);
}

static bool may_retire(const struct guards *g, uint64_t now)
{
    return g->retired_at == 0 ||
           time_since(g->retired_at, now) >= GUARD_RETIRE_ONE;
}

static bool is_overdue(const struct guard *g, const struct directory *d)
{
    return g->provisional && directory_is_complete(d);
}

bool guards_are_overdue(const struct guards *g, const struct directory *d)
{
    for (unsigned i = 0; i < g->count; i++)
        if (is_overdue(&g->list[i], d))
            return true;
    return false;
}

static void let_go(struct guards *g, struct directory *d, uint64_t wall,
                   uint64_t now)
{
    uint64_t last = last_reached(g, d);

    for (unsigned i = 0; i < g->count;) {
        if (is_lost(relay_of(d, &g->list[i]), last) ||
            is_overdue(&g->list[i], d)) {
            drop(g, d, i);
        } else if (g->list[i].until <= wall && may_retire(g, now)) {
            g->retired_at = now;
            drop(g, d, i);
        } else {
            i++;
        }
    }
}

/* ---- Choosing ---------------------------------------------------------- */

static bool is_ready(const struct known_relay *relay, uint64_t wall,
                     uint64_t now)
{
    return relay != NULL && known_is_usable(relay, wall) &&
           !known_is_failing(relay, now);
}

unsigned guards_list(const struct guards *g, const struct directory *d,
                     uint64_t wall, uint64_t now,
                     const struct known_relay *out[GUARDS_MAX])
{
    unsigned count = 0;

    for (int doubtful = 0; doubtful <= 1; doubtful++)
        for (unsigned i = 0; i < g->count; i++) {
            const struct known_relay *relay = relay_of(d, &g->list[i]);

            if (is_ready(relay, wall, now) &&
                known_is_doubtful(relay, now) == doubtful)
                out[count++] = relay;
        }
    return count;
}

/* Guards are not of one operator or network, as hops of a path are not. */
static bool fits(const struct guards *g, const struct directory *d,
                 const struct known_relay *relay)
{
    const struct directory_config *c = directory_config_of(d);

    for (unsigned i = 0; i < g->count; i++) {
        const struct known_relay *other = relay_of(d, &g->list[i]);

        if (other != NULL &&
            path_conflict(&other->d, &relay->d, c->testing_network))
            return false;
    }
    return true;
}

static bool can_reach(const struct directory *d,
                      const struct known_relay *relay)
{
    const struct directory_config *c = directory_config_of(d);

    for (unsigned i = 0; i < relay->d.address_count; i++)
        if (c->family[relay->d.addresses[i].family])
            return true;
    return false;
}

static const struct known_relay *choose(const struct guards *g,
                                        const struct directory *d,
                                        const struct random_source *random,
                                        bool exits_too, uint64_t wall,
                                        uint64_t now)
{
    const struct descriptor *self = directory_self_of(d);
    struct weighing w;
    const struct known_relay *chosen;

    if (!weighing_init(&w, directory_count(d)))
        return NULL;
    for (unsigned i = 0; i < directory_count(d); i++) {
        const struct known_relay *relay = directory_at(d, i);

        if (is_ready(relay, wall, now) && can_reach(d, relay) &&
            (exits_too || !(relay->d.roles & ROLE_EXIT)) &&
            (self == NULL || !path_conflict(self, &relay->d, true)) &&
            fits(g, d, relay))
            weighing_add(&w, relay, now);
    }
    weighing_by_network(&w, directory_config_of(d)->testing_network);
    chosen = weighing_choose(&w, random);
    weighing_deinit(&w);
    return chosen;
}

/* Later ones are further down, also after a restart: `since` grows. */
static void add(struct guards *g, struct directory *d,
                const struct known_relay *relay,
                const struct random_source *random, uint64_t wall)
{
    struct guard *new = &g->list[g->count];
    uint64_t since = wall;

    if (g->count > 0 && g->list[g->count - 1].since >= since)
        since = g->list[g->count - 1].since + 1;
    memcpy(new->identity, relay->d.identity, sizeof(new->identity));
    new->since = since;
    new->until = wall + GUARD_LIFETIME - GUARD_JITTER +
                 random_below(random, 2 * GUARD_JITTER);
    g->count++;
    new->provisional = !directory_is_complete(d);
    directory_set_guard(d, new->identity, new->since, new->until,
                        new->provisional);
}

/* Its descriptor ran out while we were away, and it was asked for another
 * just now, or is about to be. */
static bool is_awaited(const struct known_relay *relay, uint64_t wall,
                       uint64_t now)
{
    return relay != NULL && !known_is_usable(relay, wall) &&
           (relay->asked_at == 0 ||
            time_since(relay->asked_at, now) < AWAIT_DESCRIPTOR);
}

/* All guards fail: one more is needed. */
static bool needs_more(const struct guards *g, const struct directory *d,
                       uint64_t wall, uint64_t now)
{
    for (unsigned i = 0; i < g->count; i++) {
        const struct known_relay *relay = relay_of(d, &g->list[i]);

        if (is_ready(relay, wall, now) || is_awaited(relay, wall, now))
            return false;
    }
    return true;
}

void guards_update(struct guards *g, struct directory *d,
                   const struct random_source *random, uint64_t wall,
                   uint64_t now)
{
    let_go(g, d, wall, now);
    while (g->count < GUARDS_PRIMARY ||
           (g->count < GUARDS_MAX && needs_more(g, d, wall, now))) {
        const struct known_relay *relay =
            choose(g, d, random, false, wall, now);

        if (relay == NULL)
            relay = choose(g, d, random, true, wall, now);
        if (relay == NULL)
            return;
        add(g, d, relay, random, wall);
    }
}
