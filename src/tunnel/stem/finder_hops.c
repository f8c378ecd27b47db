/* SPDX-License-Identifier: MIT
 *
 * Which last hop is asked, and which of them saw what. For a service's kit
 * there are few for each key and purpose: a new one has seen no key of this
 * kit, and once there are enough, they are used in turn.
 */
#include "tunnel/stem/finder_internal.h"

#include <stdlib.h>
#include <string.h>

#define KEPT_FEW   2 /* for a key and purpose, */
#define KEPT       4 /* in a network of so many that serve services: */
#define MANY       32
#define SEEN_FIRST 32
#define FORGET     (6 * TIME_HOUR) /* a key that is in use is put each hour */

/* Hops as a wish names them. */
struct names {
    uint8_t (*list)[32];
    unsigned count;
};

static bool is_in(const struct names *n, const uint8_t hop[32])
{
    for (unsigned i = 0; i < n->count; i++)
        if (memcmp(n->list[i], hop, 32) == 0)
            return true;
    return false;
}

static void add(struct names *n, const uint8_t hop[32])
{
    if (!is_in(n, hop))
        memcpy(n->list[n->count++], hop, 32);
}

static bool is_of_kit(const struct seen *seen, const struct request *r)
{
    return seen->kit == stem_kit_id(r->kit);
}

/* It may see this key again, for this purpose. */
static bool is_kept(const struct seen *seen, const struct request *r)
{
    return is_of_kit(seen, r) && !seen->failed &&
           seen->put == (r->kind == REQUEST_PUT) &&
           memcmp(seen->key, r->key, 32) == 0;
}

static bool is_used(const struct request *r, const uint8_t hop[32])
{
    for (unsigned i = 0; i < r->used_count; i++)
        if (memcmp(r->used[i], hop, 32) == 0)
            return true;
    return false;
}

/* Those that serve services, and those of them that are not in `but`. */
static unsigned serving(const struct finder *f, const struct names *but,
                        uint64_t now)
{
    const struct directory *d = f->env.directory;
    unsigned count = 0;

    for (unsigned i = 0; i < directory_count(d); i++) {
        const struct known_relay *relay = directory_at(d, i);

        count += known_is_usable(relay, finder_wall(f, now)) &&
                 (relay->d.roles & ROLE_MEETING) != 0 &&
                 !is_in(but, relay->d.identity);
    }
    return count;
}

/* ---- What was seen ------------------------------------------------------ */

static struct seen *find(struct finder *f, const struct request *r,
                         const uint8_t hop[32])
{
    for (unsigned i = 0; i < f->seen_count; i++) {
        struct seen *seen = &f->seen[i];

        if (is_of_kit(seen, r) && memcmp(seen->hop, hop, 32) == 0 &&
            memcmp(seen->key, r->key, 32) == 0 &&
            seen->put == (r->kind == REQUEST_PUT))
            return seen;
    }
    return NULL;
}

static void take_out(struct finder *f, const struct seen *seen)
{
    size_t i = (size_t)(seen - f->seen);

    f->seen_count--;
    memmove(f->seen + i, f->seen + i + 1,
            (f->seen_count - i) * sizeof(*f->seen));
}

static void expire(struct finder *f, uint64_t now)
{
    while (f->seen_count > 0 && time_since(f->seen[0].at, now) > FORGET)
        take_out(f, &f->seen[0]);
}

/* Room for one; false: no memory, and then nothing is remembered. */
static bool make_room(struct finder *f)
{
    unsigned cap = f->seen_cap == 0 ? SEEN_FIRST : 2 * f->seen_cap;
    struct seen *grown;

    if (f->seen_count == FINDER_HOPS)
        take_out(f, &f->seen[0]);
    if (f->seen_count < f->seen_cap)
        return true;
    grown = realloc(f->seen, cap * sizeof(*grown));
    if (grown == NULL)
        return false;
    f->seen = grown;
    f->seen_cap = cap;
    return true;
}

static const uint8_t *last_of(const struct circuit *c)
{
    return c->hop[c->length - 1].target.identity;
}

static const uint8_t *hop_of(const struct side *side)
{
    return last_of(side->c);
}

static bool saw_another(const struct finder *f, const struct request *r,
                        const uint8_t hop[32])
{
    for (unsigned i = 0; i < f->seen_count; i++)
        if (is_of_kit(&f->seen[i], r) && memcmp(f->seen[i].hop, hop, 32) == 0 &&
            memcmp(f->seen[i].key, r->key, 32) != 0)
            return true;
    return false;
}

/* It may see the key from now on: before it is asked, or two requests could
 * draw the same. */
static void saw(struct side *side, const uint8_t hop[32], uint64_t now)
{
    struct request *r = side->request;
    struct finder *f = r->f;
    struct seen new = {
        .kit = stem_kit_id(r->kit), .put = r->kind == REQUEST_PUT, .at = now};
    struct seen *old = find(f, r, hop);

    if (!is_used(r, hop) && r->used_count < SIDES * FINDER_CIRCUITS)
        memcpy(r->used[r->used_count++], hop, 32);
    if (!stem_kit_is_service(r->kit))
        return;
    f->stats.seen_twice += saw_another(f, r, hop);
    if (old != NULL) {
        new = *old;
        new.at = now;
        take_out(f, old);
    }
    if (!make_room(f))
        return;
    memcpy(new.key, r->key, 32);
    memcpy(new.hop, hop, 32);
    f->seen[f->seen_count++] = new;
}

void hops_asked(const struct side *side)
{
    struct seen *seen = find(side->request->f, side->request, hop_of(side));

    if (seen != NULL)
        seen->asked = true;
}

void hops_failed(const struct side *side)
{
    struct finder *f = side->request->f;
    struct seen *seen = find(f, side->request, hop_of(side));

    if (seen != NULL && seen->asked)
        seen->failed = true;
    else if (seen != NULL)
        take_out(f, seen);
}

/* ---- Taking ------------------------------------------------------------- */

static enum path_result take(struct side *side, const struct stem_wish *wish,
                             const struct route_ops *ops, uint64_t now,
                             struct circuit **out)
{
    return stem_take_drawn(side->request->kit, wish, ops, side, now, out);
}

/* One that has not been asked by this request, of another network if there is
 * one. */
static enum path_result take_another(struct side *side,
                                     const struct names *avoid,
                                     const struct route_ops *ops, uint64_t now,
                                     struct circuit **out)
{
    struct stem_wish wish = {.avoid = (const uint8_t(*)[32])avoid->list,
                             .avoid_count = avoid->count,
                             .apart = true};
    enum path_result r = take(side, &wish, ops, now, out);

    wish.apart = false;
    return r == PATH_FOUND ? r : take(side, &wish, ops, now, out);
}

static enum path_result take_another_or_any(struct side *side,
                                            const struct names *avoid,
                                            const struct route_ops *ops,
                                            uint64_t now, struct circuit **out)
{
    enum path_result r = take_another(side, avoid, ops, now, out);

    return r == PATH_FOUND ? r
                           : take(side, &(struct stem_wish){0}, ops, now, out);
}

static unsigned count_kept(const struct request *r, unsigned *last)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < r->f->seen_count; i++)
        if (is_kept(&r->f->seen[i], r)) {
            kept++;
            *last = i;
        }
    return kept;
}

/* Those that are kept, if there are enough of them; the one that was asked last
 * only if `all`. */
static void list_kept(const struct request *r, bool all, uint64_t now,
                      struct names *out)
{
    const struct finder *f = r->f;
    const struct names none = {0};
    unsigned enough = serving(f, &none, now) < MANY ? KEPT_FEW : KEPT;
    unsigned last = 0;

    out->count = 0;
    if (count_kept(r, &last) < enough)
        return;
    for (unsigned i = 0; i < f->seen_count; i++)
        if (is_kept(&f->seen[i], r) && !is_used(r, f->seen[i].hop) &&
            (i != last || all))
            add(out, f->seen[i].hop);
}

/* PATH_NO_RELAYS also when there are not enough of them. */
static enum path_result take_kept(struct side *side, bool all,
                                  struct names *names,
                                  const struct route_ops *ops, uint64_t now,
                                  struct circuit **out)
{
    struct stem_wish wish = {.among = (const uint8_t(*)[32])names->list};

    list_kept(side->request, all, now, names);
    wish.among_count = names->count;
    return names->count > 0 ? take(side, &wish, ops, now, out) : PATH_NO_RELAYS;
}

static void list_all(const struct request *r, struct names *out)
{
    const struct finder *f = r->f;

    for (unsigned i = 0; i < r->used_count; i++)
        add(out, r->used[i]);
    for (unsigned i = 0; i < f->seen_count; i++)
        if (is_of_kit(&f->seen[i], r))
            add(out, f->seen[i].hop);
}

static enum path_result take_for_service(struct side *side, struct names *names,
                                         const struct route_ops *ops,
                                         uint64_t now, struct circuit **out)
{
    const struct request *r = side->request;
    enum path_result result = take_kept(side, false, names, ops, now, out);
    unsigned left;

    if (result != PATH_FOUND)
        result = take_kept(side, true, names, ops, now, out);
    if (result == PATH_FOUND)
        return result;
    names->count = 0;
    list_all(r, names);
    left = serving(r->f, names, now);
    if (left > 0) {
        result = take_another(side, names, ops, now, out);
        if (result == PATH_FOUND || left > 2) /* two may be hops before it */
            return result;
    }
    names->count = r->used_count; /* the first of them: nobody is left */
    return take_another_or_any(side, names, ops, now, out);
}

enum path_result hops_take(struct side *side, const struct route_ops *ops,
                           uint64_t now, struct circuit **out)
{
    struct request *r = side->request;
    struct names names = {.list = r->used, .count = r->used_count};
    enum path_result result;

    *out = NULL;
    expire(r->f, now);
    if (!stem_kit_is_service(r->kit)) {
        result = take_another_or_any(side, &names, ops, now, out);
    } else {
        names.list = calloc(r->f->seen_count + SIDES * FINDER_CIRCUITS, 32);
        if (names.list == NULL)
            return PATH_NO_RELAYS;
        result = take_for_service(side, &names, ops, now, out);
        free(names.list);
    }
    if (*out != NULL)
        saw(side, last_of(*out), now);
    return result;
}
