/* SPDX-License-Identifier: MIT
 *
 * A set of vanguards in order: let_go shortens it, add lengthens it. A member
 * is an identity here and looked up in the directory each time, because its
 * relay may be forgotten meanwhile.
 */
#include "tunnel/stem/vanguard.h"

#include "tunnel/path/path_weight.h"

#include <string.h>

static const struct known_relay *relay_of(const struct directory *d,
                                          const struct vanguard *v)
{
    return directory_find(d, v->identity);
}

static uint64_t life_of(const struct vanguard_set *set)
{
    return set->third ? VANGUARD_THIRD_LIFE : VANGUARD_LAYER2_LIFE;
}

static bool is_member(const struct vanguard_set *set,
                      const uint8_t identity[32])
{
    for (unsigned i = 0; i < set->count; i++)
        if (memcmp(set->list[i].identity, identity, 32) == 0)
            return true;
    return false;
}

/* ---- Letting go --------------------------------------------------------- */

/* Its time is up; or a clock was wrong when that was set. */
static bool is_old(const struct vanguard_set *set, const struct vanguard *v,
                   uint64_t wall)
{
    return v->until <= wall || v->until - wall > life_of(set);
}

void vanguard_set_restore(struct vanguard_set *set, const struct vanguard *v,
                          uint64_t wall)
{
    if (set->count == VANGUARD_MAX || is_old(set, v, wall) ||
        is_member(set, v->identity))
        return;
    set->list[set->count] = *v;
    set->list[set->count++].provisional = false;
}

static void drop(struct vanguard_set *set, unsigned i)
{
    set->changed = set->changed || !set->list[i].provisional;
    set->count--;
    memmove(set->list + i, set->list + i + 1,
            (set->count - i) * sizeof(set->list[0]));
}

/* The last time that any member was reached. */
static uint64_t last_reached(const struct vanguard_set *set,
                             const struct directory *d)
{
    uint64_t last = 0;

    for (unsigned i = 0; i < set->count; i++) {
        const struct known_relay *relay = relay_of(d, &set->list[i]);

        if (relay != NULL && relay->record.last_seen > last)
            last = relay->record.last_seen;
    }
    return last;
}

/* Forgotten by a directory that knows all there is to know, no relay any more,
 * or not reached for long while another one was: it is not the network. */
static bool is_lost(const struct vanguard_set *set, const struct directory *d,
                    const struct vanguard *v, uint64_t last)
{
    const struct known_relay *relay = relay_of(d, v);
    uint64_t patience = set->third ? VANGUARD_THIRD_LOST : VANGUARD_LAYER2_LOST;

    if (relay == NULL)
        return directory_is_complete(d);
    return !(relay->d.roles & ROLE_RELAY) ||
           (relay->record.failures > 0 &&
            relay->record.last_seen + patience < last);
}

static bool may_retire(const struct vanguard_set *set, uint64_t now)
{
    return set->retired_at == 0 ||
           time_since(set->retired_at, now) >= VANGUARD_RETIRE_ONE;
}

static void let_go(struct vanguard_set *set, const struct directory *d,
                   uint64_t wall, uint64_t now)
{
    uint64_t last = last_reached(set, d);

    for (unsigned i = 0; i < set->count;) {
        const struct vanguard *v = &set->list[i];

        if (is_lost(set, d, v, last) ||
            (v->provisional && directory_is_complete(d))) {
            drop(set, i);
        } else if (is_old(set, v, wall) && may_retire(set, now)) {
            set->retired_at = now;
            drop(set, i);
        } else {
            i++;
        }
    }
}

/* ---- Drawing ------------------------------------------------------------ */

static unsigned relays_of(const struct directory *d, uint64_t wall)
{
    unsigned count = 0;

    for (unsigned i = 0; i < directory_count(d); i++)
        count += known_is_usable(directory_at(d, i), wall);
    return count;
}

static unsigned size_of(const struct vanguard_set *set, unsigned relays)
{
    unsigned most = set->third ? VANGUARD_THIRD : VANGUARD_LAYER2;
    unsigned size = relays / (set->third ? 3 : 5);

    if (size < VANGUARD_LEAST)
        return VANGUARD_LEAST;
    return size < most ? size : most;
}

unsigned vanguard_set_size(const struct vanguard_set *set,
                           const struct directory *d, uint64_t wall)
{
    unsigned size = size_of(set, relays_of(d, wall));

    return set->count < size ? set->count : size;
}

/* Whom to draw from: the first that suffices. */
enum among { AMONG_APART, AMONG_RELAYS, AMONG_ALL, AMONG_END_ };

static bool conflicts(const struct vanguard_set *set, const struct directory *d,
                      const struct descriptor *desc)
{
    bool testing = directory_config_of(d)->testing_network;

    for (unsigned i = 0; i < set->count; i++) {
        const struct known_relay *other = relay_of(d, &set->list[i]);

        if (other != NULL && path_conflict(&other->d, desc, testing))
            return true;
    }
    return false;
}

static bool suits(const struct vanguard_set *set, const struct directory *d,
                  const struct known_relay *relay, enum among among)
{
    const struct descriptor *self = directory_self_of(d);

    if (is_member(set, relay->d.identity) ||
        (self != NULL && path_conflict(self, &relay->d, true)))
        return false;
    if (among != AMONG_ALL && (relay->d.roles & ROLE_EXIT))
        return false;
    return among != AMONG_APART || !conflicts(set, d, &relay->d);
}

static const struct known_relay *draw(const struct vanguard_set *set,
                                      const struct directory *d,
                                      const struct random_source *random,
                                      enum among among, uint64_t wall,
                                      uint64_t now)
{
    const struct known_relay *drawn;
    struct weighing w;

    if (!weighing_init(&w, directory_count(d)))
        return NULL;
    for (unsigned i = 0; i < directory_count(d); i++) {
        const struct known_relay *relay = directory_at(d, i);

        if (known_is_usable(relay, wall) && !known_is_failing(relay, now) &&
            suits(set, d, relay, among))
            weighing_add(&w, relay, now);
    }
    weighing_by_network(&w, directory_config_of(d)->testing_network);
    drawn = weighing_choose(&w, random);
    weighing_deinit(&w);
    return drawn;
}

/* The longer of two draws: most are kept for long, and when one goes is not to
 * be known. */
static uint64_t draw_life(const struct vanguard_set *set,
                          const struct random_source *random)
{
    uint32_t min = set->third ? VANGUARD_THIRD_MIN : VANGUARD_LAYER2_MIN;
    uint32_t range = (uint32_t)life_of(set) - min + 1;
    uint32_t a = random_below(random, range), b = random_below(random, range);

    return min + (a > b ? a : b);
}

bool vanguard_set_widen(struct vanguard_set *set, const struct directory *d,
                        const struct random_source *random, uint64_t wall,
                        uint64_t now)
{
    const struct known_relay *relay = NULL;
    struct vanguard *v = &set->list[set->count];

    if (set->count == VANGUARD_MAX)
        return false;
    for (unsigned a = 0; a < AMONG_END_ && relay == NULL; a++)
        relay = draw(set, d, random, (enum among)a, wall, now);
    if (relay == NULL)
        return false;
    *v = (struct vanguard){.since = wall,
                           .until = wall + draw_life(set, random),
                           .provisional = !directory_is_complete(d)};
    memcpy(v->identity, relay->d.identity, sizeof(v->identity));
    set->count++;
    set->changed = set->changed || !v->provisional;
    return true;
}

void vanguard_set_update(struct vanguard_set *set, const struct directory *d,
                         const struct random_source *random, uint64_t wall,
                         uint64_t now)
{
    unsigned size;

    let_go(set, d, wall, now);
    if (set->count >= (set->third ? VANGUARD_THIRD : VANGUARD_LAYER2))
        return;
    size = size_of(set, relays_of(d, wall));
    while (set->count < size && vanguard_set_widen(set, d, random, wall, now)) {
    }
}
