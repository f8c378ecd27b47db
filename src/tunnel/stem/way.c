/* SPDX-License-Identifier: MIT
 *
 * way_find tries one rule after the other, from the strictest.
 */
#include "tunnel/stem/way.h"

#include <string.h>

/* The members of a set that may be used. */
struct pick {
    uint8_t list[VANGUARD_MAX][32];
    unsigned count;
};

static void pick_from(const struct way_env *e, const struct vanguard_set *set,
                      bool all, struct pick *out)
{
    unsigned count = all ? set->count
                         : vanguard_set_size(set, e->directory, e->wall);

    for (unsigned i = 0; i < count; i++)
        memcpy(out->list[i], set->list[i].identity, 32);
    out->count = count;
}

/* Whom a path leads through: of the sets, but for a client's last hop. */
static bool has_layer2(const struct way_env *e)
{
    return e->hops >= 3 || (e->hops == 2 && e->third != NULL);
}

static bool has_third(const struct way_env *e)
{
    return e->hops >= 3 && e->third != NULL;
}

enum from { FROM_FIRST, FROM_ALL, FROM_ANYWHERE };

/* Relays that a path does without, and whether it does with those that failed
 * a while ago. */
struct detour {
    uint8_t avoid[LOST_MAX][32];
    unsigned count;
    const uint8_t *not_second; /* NULL, or the second hop is another */
    bool failing_too;
};

static enum path_result choose_without(const struct way_env *e,
                                       const struct way_want *want,
                                       enum from from,
                                       const struct detour *detour,
                                       uint64_t now, struct path *path)
{
    struct path_place places[ONION_HOPS_MAX] = {{0}};
    struct path_place *last = &places[e->hops - 1];
    struct path_request r = {.hops = e->hops,
                             .places = places,
                             .avoid = detour->avoid,
                             .avoid_count = detour->count,
                             .failing_too = detour->failing_too};
    struct pick layer2, third;

    if (has_layer2(e) && from != FROM_ANYWHERE) {
        pick_from(e, e->layer2, from == FROM_ALL, &layer2);
        places[1].among = (const uint8_t(*)[32])layer2.list;
        places[1].among_count = layer2.count;
    }
    if (has_third(e) && from != FROM_ANYWHERE) {
        pick_from(e, e->third, from == FROM_ALL, &third);
        places[2].among = (const uint8_t(*)[32])third.list;
        places[2].among_count = third.count;
    }
    if (e->third == NULL)
        last->roles = ROLE_MEETING;
    last->other_than = want->target;
    if (e->hops > 1)
        (last - 1)->other_than = want->target;
    if (detour->not_second != NULL)
        places[1].other_than = detour->not_second;
    last->but = want->avoid;
    last->but_count = want->avoid_count;
    last->apart = want->apart;
    path->count = 0;
    return path_choose(e->directory, e->guards, &r, &e->random, e->wall, now,
                       path);
}

static enum path_result choose(const struct way_env *e,
                               const struct way_want *want, enum from from,
                               uint64_t now, struct path *path)
{
    static const struct detour none;

    return choose_without(e, want, from, &none, now, path);
}

/* In the sets: without those that failed a while ago, or with them. What was in
 * vain was so with the first of them. */
static bool find_in_sets(const struct way_env *e, const struct way_want *want,
                         struct detour *detour, bool failing_too, uint64_t now,
                         struct path *path)
{
    detour->failing_too = failing_too;
    return (!e->vain && choose_without(e, want, FROM_FIRST, detour, now,
                                       path) == PATH_FOUND) ||
           choose_without(e, want, FROM_ALL, detour, now, path) == PATH_FOUND;
}

static bool is_plain(const struct way_want *want)
{
    return want->target == NULL && want->avoid_count == 0;
}

static void widen_sets(const struct way_env *e, uint64_t now)
{
    if (has_layer2(e))
        vanguard_set_widen(e->layer2, e->directory, &e->random, e->wall, now);
    if (has_third(e))
        vanguard_set_widen(e->third, e->directory, &e->random, e->wall, now);
}

/* One more of each, when no path leads through the sets but through relays that
 * failed, and there are others. */
static bool widen(const struct way_env *e, uint64_t now)
{
    static const struct way_want nothing;
    struct path path;

    if (!has_layer2(e) ||
        choose(e, &nothing, FROM_FIRST, now, &path) == PATH_FOUND ||
        choose(e, &nothing, FROM_ALL, now, &path) == PATH_FOUND ||
        choose(e, &nothing, FROM_ANYWHERE, now, &path) != PATH_FOUND)
        return false;
    widen_sets(e, now);
    return true;
}

/* Where all paths lead through one member of layer 2, its word alone says that
 * third hops are gone, and they do not count as failed: one more can tell. */
static bool widen_layer2(const struct way_env *e, uint64_t now)
{
    static const struct way_want nothing;
    struct detour none = {0};
    struct path path;

    if (!has_third(e) ||
        choose(e, &nothing, FROM_ALL, now, &path) != PATH_FOUND)
        return false;
    none.not_second = path.hops[1].identity;
    if (choose_without(e, &nothing, FROM_ALL, &none, now, &path) == PATH_FOUND)
        return false;
    return vanguard_set_widen(e->layer2, e->directory, &e->random, e->wall,
                              now);
}

/* One way around all of them. Who failed may be back, and is tried before one
 * more is drawn; but not for ever. */
static bool find_around_all(const struct way_env *e,
                            const struct way_want *want, struct detour *detour,
                            uint64_t now, struct path *path)
{
    bool draw = is_plain(want);

    if (find_in_sets(e, want, detour, false, now, path))
        return true;
    if (draw && e->vain && (widen(e, now) || widen_layer2(e, now)) &&
        find_in_sets(e, want, detour, false, now, path))
        return true;
    return (draw || !e->vain) && find_in_sets(e, want, detour, true, now, path);
}

bool way_find_around(const struct way_env *e, const struct way_want *want,
                     uint64_t now, struct path *path)
{
    struct lost_relays *lost = e->lost;
    struct detour detour = {0};

    detour.count = lost_relays_list(lost, now, detour.avoid);
    while (detour.count > 0) {
        if (find_around_all(e, want, &detour, now, path))
            return true;
        if (!is_plain(want) || --detour.count == 0)
            return false;
        lost_relays_forget(lost, detour.avoid[detour.count]);
    }
    return false;
}

/* Nothing leads around all of them: around the last one. */
static bool find_past_last(const struct way_env *e, const struct way_want *want,
                           uint64_t now, struct path *path)
{
    struct detour detour = {0};

    detour.count = lost_relays_list(e->lost, now, detour.avoid);
    if (detour.count <= 1)
        return false;
    detour.count = 1;
    return find_in_sets(e, want, &detour, false, now, path) ||
           (!e->vain && find_in_sets(e, want, &detour, true, now, path));
}

static void update_sets(const struct way_env *e, uint64_t now)
{
    if (has_layer2(e))
        vanguard_set_update(e->layer2, e->directory, &e->random, e->wall, now);
    if (has_third(e))
        vanguard_set_update(e->third, e->directory, &e->random, e->wall, now);
}

enum path_result way_find(const struct way_env *e, const struct way_want *want,
                          uint64_t now, struct path *path)
{
    enum path_result r;

    update_sets(e, now);
    if (way_find_around(e, want, now, path) ||
        find_past_last(e, want, now, path))
        return PATH_FOUND;
    r = choose(e, want, FROM_FIRST, now, path);
    if (r == PATH_FOUND || !has_layer2(e))
        return r;
    if (choose(e, want, FROM_ALL, now, path) == PATH_FOUND)
        return PATH_FOUND;
    if (!is_plain(want) || !widen(e, now))
        return r;
    return choose(e, want, FROM_ALL, now, path);
}
