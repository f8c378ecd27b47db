/* SPDX-License-Identifier: MIT
 *
 * Hops are chosen one after the other, each by lot among all that fit those
 * that stand (fits); there is no search: what leads nowhere is tried again, a
 * few times with each guard, and then once more with exits in any place. When
 * that fails too, diagnose counts why.
 */
#include "tunnel/path/path.h"

#include "tunnel/path/path_weight.h"

#include <assert.h>
#include <string.h>

#define ATTEMPTS 8 /* with each guard */

/* A path in the making. */
struct choice {
    struct directory *d;
    const struct path_request *request;
    const struct random_source *random;
    const struct directory_config *config;
    uint64_t wall, now;
    bool exits_too;                         /* exits may stand anywhere */
    struct descriptor hops[ONION_HOPS_MAX]; /* address_count 0: none yet */
    uint8_t answered[ONION_HOPS_MAX];       /* addresses of them (known.h) */
    unsigned fixed;                         /* hops that stand */
};

static const struct {
    const char *name;
    const char *text;
} results[PATH_RESULTS] = {
    [PATH_FOUND] = {"found", "found"},
    [PATH_NO_RELAYS] = {"no_relays", "too few relays are known"},
    [PATH_NO_EXITS] = {"no_exits", "no exit is known that would do"},
    [PATH_RELAYS_FAILING] = {"relays_failing",
                             "too many of the known relays failed lately"},
    [PATH_EXITS_FAILING] = {"exits_failing",
                            "all exits that would do failed lately"},
    [PATH_GUARDS_FAILING] = {"guards_failing",
                             "none of the guards can be reached"},
    [PATH_TOO_FEW_SUBNETS] = {"too_few_subnets",
                              "the known relays are of too few subnets or "
                              "families"},
};

const char *path_result_text(enum path_result r)
{
    assert(r >= PATH_FOUND && r < PATH_RESULTS);
    return results[r].text;
}

const char *path_result_name(enum path_result r)
{
    assert(r >= PATH_FOUND && r < PATH_RESULTS);
    return results[r].name;
}

/* ---- One hop ----------------------------------------------------------- */

static bool has_family(const struct descriptor *desc, unsigned family)
{
    for (unsigned i = 0; i < desc->address_count; i++)
        if (desc->addresses[i].family == family)
            return true;
    return false;
}

static bool can_talk(const struct descriptor *a, const struct descriptor *b)
{
    for (unsigned f = 0; f < FAMILIES; f++)
        if (has_family(a, f) && has_family(b, f))
            return true;
    return false;
}

static bool we_can_reach(const struct choice *c, const struct descriptor *desc)
{
    for (unsigned f = 0; f < FAMILIES; f++)
        if (c->config->family[f] && has_family(desc, f))
            return true;
    return false;
}

static bool is_listed(const uint8_t (*list)[32], unsigned count,
                      const uint8_t identity[32])
{
    for (unsigned i = 0; i < count; i++)
        if (memcmp(list[i], identity, 32) == 0)
            return true;
    return false;
}

static bool is_unwanted(const struct choice *c, const struct descriptor *desc)
{
    const struct descriptor *self = directory_self_of(c->d);

    if (is_listed(c->request->avoid, c->request->avoid_count, desc->identity))
        return true;
    return self != NULL &&
           path_conflict(self, desc, true); /* our subnet does not matter */
}

/* May not be in a path with one of these that is known. */
static bool conflicts_with(const struct choice *c,
                           const struct path_place *place,
                           const struct descriptor *desc)
{
    for (unsigned i = 0; i < place->but_count; i++) {
        const struct known_relay *other = directory_find(c->d, place->but[i]);

        if (other != NULL &&
            path_conflict(&other->d, desc, c->config->testing_network))
            return true;
    }
    return false;
}

static bool has_place(const struct choice *c, unsigned at,
                      const struct descriptor *desc)
{
    const struct path_place *place;

    if (c->request->places == NULL)
        return true;
    place = &c->request->places[at];
    if ((desc->roles & place->roles) != place->roles ||
        is_listed(place->but, place->but_count, desc->identity))
        return false;
    if (place->other_than != NULL &&
        memcmp(place->other_than, desc->identity, 32) == 0)
        return false;
    if (place->among != NULL &&
        !is_listed(place->among, place->among_count, desc->identity))
        return false;
    return !place->apart || !conflicts_with(c, place, desc);
}

/* Whether hop `at` may be in one path with hop `other`, which is there. No
 * relay extends to itself, nor back to where a circuit came from. */
static bool go_together(const struct choice *c, unsigned at, unsigned other,
                        const struct descriptor *desc)
{
    if (c->request->free_last && at == c->request->hops - 1)
        return other + 2 < at ||
               memcmp(c->hops[other].identity, desc->identity, 32) != 0;
    return !path_conflict(&c->hops[other], desc, c->config->testing_network);
}

/* Goes with the hops that are there. */
static bool fits(const struct choice *c, unsigned at,
                 const struct descriptor *desc)
{
    const struct descriptor *before = at > 0 ? &c->hops[at - 1] : NULL;
    const struct descriptor *after =
        at + 1 < c->request->hops ? &c->hops[at + 1] : NULL;

    for (unsigned i = 0; i < c->request->hops; i++)
        if (c->hops[i].address_count > 0 && !go_together(c, at, i, desc))
            return false;
    if (before == NULL && !we_can_reach(c, desc))
        return false;
    if (before != NULL && before->address_count > 0 && !can_talk(before, desc))
        return false;
    return after == NULL || after->address_count == 0 || can_talk(after, desc);
}

static bool is_exit_for(const struct choice *c, const struct descriptor *desc)
{
    const struct path_request *r = c->request;

    return (desc->roles & ROLE_EXIT) != 0 &&
           (r->exit_suits == NULL || r->exit_suits(r->exit_ctx, desc));
}

static bool is_exit_place(const struct choice *c, unsigned at)
{
    return c->request->exit && at == c->request->hops - 1;
}

static bool is_fixed_place(const struct choice *c, unsigned at)
{
    return c->request->places != NULL && c->request->places[at].among != NULL;
}

static bool has_role(const struct choice *c, unsigned at,
                     const struct descriptor *desc)
{
    if (is_exit_place(c, at))
        return is_exit_for(c, desc);
    if (is_fixed_place(c, at)) /* exits were spared when they were chosen */
        return true;
    return c->exits_too || !(desc->roles & ROLE_EXIT);
}

static void set_hop(struct choice *c, unsigned at,
                    const struct known_relay *relay)
{
    c->hops[at] = relay->d;
    c->answered[at] = relay->answered;
}

static const struct known_relay *any_of(const struct choice *c,
                                        const struct weighing *w)
{
    return w->count == 0 ? NULL : w->relays[random_below(c->random, w->count)];
}

/* False when nobody is left for this place. */
static bool choose_hop(struct choice *c, unsigned at)
{
    const struct known_relay *chosen;
    struct weighing w;

    if (!weighing_init(&w, directory_count(c->d)))
        return false;
    for (unsigned i = 0; i < directory_count(c->d); i++) {
        const struct known_relay *relay = directory_at(c->d, i);

        if (known_is_usable(relay, c->wall) &&
            (c->request->failing_too || !known_is_failing(relay, c->now)) &&
            has_role(c, at, &relay->d) && !is_unwanted(c, &relay->d) &&
            has_place(c, at, &relay->d) && fits(c, at, &relay->d))
            weighing_add(&w, relay, c->now);
    }
    chosen = is_fixed_place(c, at) ? any_of(c, &w)
                                   : weighing_choose(&w, c->random);
    weighing_deinit(&w);
    if (chosen != NULL)
        set_hop(c, at, chosen);
    return chosen != NULL;
}

/* ---- All hops ---------------------------------------------------------- */

static void clear_from(struct choice *c, unsigned at)
{
    for (unsigned i = at; i < ONION_HOPS_MAX; i++)
        c->hops[i].address_count = 0;
}

/* The last one first, if it is to be an exit: they are few. */
static bool choose_from(struct choice *c, unsigned at)
{
    unsigned hops = c->request->hops;

    clear_from(c, at);
    if (at == hops)
        return true;
    if (c->request->exit && !choose_hop(c, hops - 1))
        return false;
    for (unsigned i = at; i < hops; i++)
        if (c->hops[i].address_count == 0 && !choose_hop(c, i))
            return false;
    return true;
}

static bool attempt(struct choice *c, unsigned at)
{
    for (unsigned i = 0; i < ATTEMPTS; i++)
        if (choose_from(c, at))
            return true;
    return false;
}

static bool with_guard(struct choice *c, const struct known_relay *guard)
{
    clear_from(c, 0);
    if (is_unwanted(c, &guard->d) || !has_place(c, 0, &guard->d) ||
        !fits(c, 0, &guard->d))
        return false;
    set_hop(c, 0, guard);
    return attempt(c, 1);
}

/* One of the guards in use, by lot; the others when that leads nowhere. */
static bool from_guards(struct choice *c, const struct guards *g)
{
    const struct known_relay *ready[GUARDS_MAX];
    unsigned count = guards_list(g, c->d, c->wall, c->now, ready);
    unsigned used = 1, first;

    if (count == 0)
        return false;
    while (used < count && used < GUARDS_USED &&
           known_is_doubtful(ready[used], c->now) ==
               known_is_doubtful(ready[0], c->now))
        used++;
    first = random_below(c->random, used);
    if (with_guard(c, ready[first]))
        return true;
    for (unsigned i = 0; i < count; i++)
        if (i != first && with_guard(c, ready[i]))
            return true;
    return false;
}

static bool choose_path(struct choice *c, const struct guards *g)
{
    if (c->fixed > 0 || (c->request->hops == 1 && c->request->exit))
        return attempt(c, c->fixed);
    return from_guards(c, g);
}

/* ---- Why not ----------------------------------------------------------- */

static enum path_result diagnose(const struct choice *c, const struct guards *g)
{
    const struct known_relay *ready[GUARDS_MAX];
    unsigned relays = 0, well = 0, exits = 0, exits_well = 0;
    unsigned needed = c->request->hops - c->fixed;

    for (unsigned i = 0; i < directory_count(c->d); i++) {
        const struct known_relay *relay = directory_at(c->d, i);
        bool failing = known_is_failing(relay, c->now);
        bool is_exit;

        if (!known_is_usable(relay, c->wall) || is_unwanted(c, &relay->d))
            continue;
        is_exit = is_exit_for(c, &relay->d);
        relays++;
        well += !failing;
        exits += is_exit;
        exits_well += is_exit && !failing;
    }
    if (relays < needed)
        return PATH_NO_RELAYS;
    if (c->request->exit && exits_well == 0)
        return exits == 0 ? PATH_NO_EXITS : PATH_EXITS_FAILING;
    if (well < needed)
        return PATH_RELAYS_FAILING;
    if (c->fixed == 0 && guards_list(g, c->d, c->wall, c->now, ready) == 0)
        return PATH_GUARDS_FAILING;
    return PATH_TOO_FEW_SUBNETS;
}

/* ---- The result -------------------------------------------------------- */

/* An address that the hop before can send to: one that it answered from rather
 * than one that it says it has, IPv4 rather than IPv6. */
static const struct endpoint *endpoint_for(const struct choice *c, unsigned at)
{
    const struct descriptor *desc = &c->hops[at];
    const struct endpoint *best = NULL;
    bool best_answered = false;

    for (unsigned i = 0; i < desc->address_count; i++) {
        const struct endpoint *ep = &desc->addresses[i];
        bool reached = at == 0 ? c->config->family[ep->family]
                               : has_family(&c->hops[at - 1], ep->family);
        bool answered = i < c->answered[at];

        if (!reached || (best_answered && !answered))
            continue;
        if (best == NULL || answered > best_answered ||
            ep->family < best->family) {
            best = ep;
            best_answered = answered;
        }
    }
    assert(best != NULL);
    return best;
}

static void fill(const struct choice *c, struct path *path)
{
    for (unsigned i = c->fixed; i < c->request->hops; i++) {
        struct link_target *hop = &path->hops[i];

        memcpy(hop->identity, c->hops[i].identity, sizeof(hop->identity));
        memcpy(hop->handshake_key, c->hops[i].handshake_key,
               sizeof(hop->handshake_key));
        hop->ep = *endpoint_for(c, i);
    }
    path->count = c->request->hops;
}

/* A hop that stands may be known no more; its address is. */
static void stand(struct choice *c, const struct path *path)
{
    c->fixed = path->count;
    for (unsigned i = 0; i < path->count; i++) {
        const struct link_target *hop = &path->hops[i];
        const struct known_relay *relay = directory_find(c->d, hop->identity);

        if (relay != NULL) {
            set_hop(c, i, relay);
            continue;
        }
        memcpy(c->hops[i].identity, hop->identity, sizeof(hop->identity));
        c->hops[i].address_count = 1;
        c->hops[i].addresses[0] = hop->ep;
    }
}

enum path_result path_choose(struct directory *d, struct guards *guards,
                             const struct path_request *request,
                             const struct random_source *random, uint64_t wall,
                             uint64_t now, struct path *path)
{
    struct choice c = {.d = d,
                       .request = request,
                       .random = random,
                       .config = directory_config_of(d),
                       .wall = wall,
                       .now = now};

    assert(request->hops >= 1 && request->hops <= ONION_HOPS_MAX);
    assert(path->count < request->hops);
    stand(&c, path);
    if (c.fixed == 0)
        guards_update(guards, d, random, wall, now);
    if (!choose_path(&c, guards)) {
        c.exits_too = true;
        if (!choose_path(&c, guards))
            return diagnose(&c, guards);
    }
    fill(&c, path);
    return PATH_FOUND;
}
