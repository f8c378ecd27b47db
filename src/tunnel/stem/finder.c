/* SPDX-License-Identifier: MIT
 *
 * Requests from their beginning to their end: in each tick their sides take a
 * step, and then it is told what has come. A handler may end this request or
 * others, or begin new ones, so after each call the list is looked through
 * anew.
 */
#include "tunnel/stem/finder_internal.h"

#include <stdlib.h>
#include <string.h>

uint64_t finder_wall(const struct finder *f, uint64_t now)
{
    return f->wall + time_since(f->wall_at, now) / TIME_S;
}

bool finder_is_provided(const struct finder *f)
{
    return f->env.dht != NULL && f->env.dht->anonymous;
}

/* ---- Beginning ---------------------------------------------------------- */

static enum error begin(struct finder *f, enum request_kind kind,
                        struct stem_kit *kit,
                        const struct finder_handler *handler, uint64_t now,
                        struct request **out)
{
    struct request *r;

    if (f->count == FINDER_REQUESTS)
        return ERR_FULL;
    r = calloc(1, sizeof(*r));
    if (r == NULL)
        return ERR_NO_MEMORY;
    r->f = f;
    r->id = f->next_id++;
    r->kind = kind;
    r->kit = kit;
    r->handler = *handler;
    r->end_at = now + FINDER_TIMEOUT;
    r->grace_at = TIME_NEVER;
    r->side_count = kind == REQUEST_PUT ? 1 : SIDES;
    for (unsigned i = 0; i < SIDES; i++)
        r->sides[i] =
            (struct side){.request = r,
                          .number = i,
                          .state = i < r->side_count ? SIDE_WAITING : SIDE_OVER,
                          .end_at = TIME_NEVER};
    TAILQ_INSERT_TAIL(&f->requests, r, link);
    f->count++;
    f->stats.requests++;
    f->hurry = true;
    *out = r;
    return OK;
}

enum error finder_get(struct finder *f, struct stem_kit *kit,
                      const uint8_t key[32],
                      const struct finder_handler *handler, uint64_t now,
                      uint64_t *request)
{
    struct request *r;
    enum error e = begin(f, REQUEST_GET, kit, handler, now, &r);

    if (e != OK)
        return e;
    memcpy(r->key, key, 32);
    *request = r->id;
    return OK;
}

enum error finder_put(struct finder *f, struct stem_kit *kit,
                      const struct finder_item *item,
                      const struct finder_handler *handler, uint64_t now,
                      uint64_t *request)
{
    struct request *r;
    enum error e;

    if (item->value.len != MEETING_VALUE_BYTES ||
        item->salt.len > MEETING_SALT_MAX)
        return ERR_TOO_LARGE;
    e = begin(f, REQUEST_PUT, kit, handler, now, &r);
    if (e != OK)
        return e;
    memcpy(r->key, item->key, 32);
    r->salt_len = item->salt.len;
    if (r->salt_len > 0)
        memcpy(r->salt, item->salt.p, r->salt_len);
    r->sides[0].seq = item->seq;
    memcpy(r->sides[0].signature, item->signature, 64);
    memcpy(r->sides[0].value, item->value.p, MEETING_VALUE_BYTES);
    *request = r->id;
    return OK;
}

enum error finder_points(struct finder *f, struct stem_kit *kit,
                         const struct id hashes[2], unsigned max,
                         const struct finder_handler *handler, uint64_t now,
                         uint64_t *request)
{
    struct request *r;
    enum error e = begin(f, REQUEST_POINTS, kit, handler, now, &r);

    if (e != OK)
        return e;
    for (unsigned i = 0; i < 2; i++)
        r->hashes[i] = hashes[i];
    memcpy(r->key, hashes[0].b, ID_BYTES);
    r->max = max < FINDER_POINTS ? max : FINDER_POINTS;
    *request = r->id;
    return OK;
}

/* ---- Ending ------------------------------------------------------------- */

static struct request *find(const struct finder *f, uint64_t id)
{
    struct request *r;

    TAILQ_FOREACH(r, &f->requests, link)
    if (r->id == id)
        return r;
    return NULL;
}

static void forget(struct request *r, uint64_t now)
{
    struct finder *f = r->f;

    for (unsigned i = 0; i < r->side_count; i++)
        side_end(&r->sides[i], now);
    TAILQ_REMOVE(&f->requests, r, link);
    f->count--;
    free(r);
}

void finder_cancel(struct finder *f, uint64_t request, uint64_t now)
{
    struct request *r = find(f, request);

    if (r != NULL)
        forget(r, now);
}

static bool are_over(const struct request *r)
{
    for (unsigned i = 0; i < r->side_count; i++)
        if (r->sides[i].state != SIDE_OVER)
            return false;
    return true;
}

static bool is_over(const struct request *r, uint64_t now)
{
    return r->end_at <= now || r->grace_at <= now || are_over(r) ||
           (r->kind == REQUEST_POINTS && r->point_count == r->max);
}

/* Not found only when all say so: of the others, why they do not. */
static enum finder_end end_of(const struct request *r)
{
    bool all = true, asked = false, refused = false;

    if (r->found || r->point_count > 0 || r->sides[0].stored > 0)
        return FINDER_FOUND;
    for (unsigned i = 0; i < r->side_count; i++) {
        const struct side *side = &r->sides[i];

        all = all && side->said_no;
        asked = asked || side->asked;
        refused = refused || (side->refused && !side->said_no);
    }
    if (r->sides[0].newer > 0)
        return FINDER_NEWER;
    if (all)
        return FINDER_NOT_FOUND;
    if (refused)
        return FINDER_REFUSED;
    return asked ? FINDER_TIMED_OUT : FINDER_NO_CIRCUIT;
}

/* ---- Telling ------------------------------------------------------------ */

/* The handler's word on it counts. */
static void tell_item(struct request *r, struct side *side, uint64_t now)
{
    struct finder *f = r->f;
    struct finder_item item = {.salt = service_replica_salt(side->item_replica),
                               .seq = side->seq,
                               .value =
                                   bytes_of(side->value, MEETING_VALUE_BYTES)};
    uint64_t id = r->id;
    bool good;

    side->has_item = false;
    if (r->found && side->seq <= r->best)
        return;
    memcpy(item.key, r->key, 32);
    memcpy(item.signature, side->signature, 64);
    good = r->handler.item(r->handler.ctx, id, &item, now);
    if (!good || find(f, id) == NULL)
        return;
    if (!r->found)
        r->grace_at = now + FINDER_GRACE;
    r->found = true;
    r->best = item.seq;
    side_end(side, now);
}

static void tell_point(struct request *r, uint64_t now)
{
    struct link_target point = r->points[r->points_told++];

    r->handler.point(r->handler.ctx, r->id, &point, now);
}

static void tell_end(struct request *r, uint64_t now)
{
    struct finder *f = r->f;
    struct finder_handler handler = r->handler;
    enum finder_end end = end_of(r);
    unsigned stored = r->sides[0].stored;
    uint64_t id = r->id;

    f->stats.ended[end]++;
    forget(r, now);
    handler.done(handler.ctx, id, end, stored, now);
}

/* False when there is nothing to be told of it. */
static bool tell_of(struct request *r, uint64_t now)
{
    for (unsigned i = 0; i < r->side_count; i++)
        if (r->sides[i].has_item) {
            tell_item(r, &r->sides[i], now);
            return true;
        }
    if (r->kind == REQUEST_POINTS)
        points_from_directory(r);
    if (r->points_told < r->point_count) {
        tell_point(r, now);
        return true;
    }
    if (!is_over(r, now))
        return false;
    tell_end(r, now);
    return true;
}

static bool tell_one(struct finder *f, uint64_t now)
{
    struct request *r;

    TAILQ_FOREACH(r, &f->requests, link)
    if (tell_of(r, now))
        return true;
    return false;
}

/* ---- Driven ------------------------------------------------------------- */

/* Each side that waits tries once more: one that tries without being told would
 * have its kit tick at once, over and over. */
void finder_stems(struct finder *f, struct stem_kit *kit, uint64_t now)
{
    struct request *r;

    TAILQ_FOREACH(r, &f->requests, link)
    {
        for (unsigned i = 0; r->kit == kit && i < r->side_count; i++)
            if (r->sides[i].state == SIDE_WAITING)
                r->sides[i].say_at = time_min(r->sides[i].say_at, now);
    }
    f->hurry = true;
}

void finder_tick(struct finder *f, uint64_t wall, uint64_t now)
{
    struct request *r;

    f->ticked = true;
    f->hurry = false;
    f->wall = wall;
    f->wall_at = now;
    TAILQ_FOREACH(r, &f->requests, link)
    for (unsigned i = 0; i < r->side_count; i++)
        side_step(&r->sides[i], now);
    while (tell_one(f, now)) {
    }
}

static uint64_t deadline_of(const struct request *r)
{
    uint64_t at = time_min(r->end_at, r->grace_at);

    for (unsigned i = 0; i < r->side_count; i++)
        at = time_min(at, side_deadline(&r->sides[i]));
    return at;
}

uint64_t finder_next_deadline(const struct finder *f)
{
    const struct request *r;
    uint64_t at = TIME_NEVER;

    if (f->hurry || !f->ticked)
        return 0;
    TAILQ_FOREACH(r, &f->requests, link)
    at = time_min(at, deadline_of(r));
    return at;
}

const struct finder_stats *finder_stats(const struct finder *f)
{
    return &f->stats;
}

enum error finder_new(const struct finder_env *env, struct finder **out)
{
    struct finder *f = calloc(1, sizeof(*f));

    if (f == NULL)
        return ERR_NO_MEMORY;
    f->env = *env;
    f->next_id = 1;
    TAILQ_INIT(&f->requests);
    *out = f;
    return OK;
}

void finder_free(struct finder *f, uint64_t now)
{
    if (f == NULL)
        return;
    while (!TAILQ_EMPTY(&f->requests))
        forget(TAILQ_FIRST(&f->requests), now);
    free(f->seen);
    free(f);
}
