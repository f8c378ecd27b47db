/* SPDX-License-Identifier: MIT
 *
 * A table that is walked: there are few, and they come in handfuls.
 */
#include "tunnel/swarm/crowd.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define OTHER_WAIT  (5 * TIME_S)  /* of the greater key; as much again, drawn */
#define RETRY_FIRST (10 * TIME_S) /* doubled each time, */
#define RETRY_MAX   (10 * TIME_MIN) /* and up to as much again, drawn */
#define STAYED      TIME_MIN /* who was a peer for so long has not failed */
#define KEEP        (ENTRY_AGE * TIME_S)
#define OF_ORIGIN   (CROWD_MAX / CROWD_SHARE)
#define MEET_ORIGIN (CROWD_MEETING / CROWD_SHARE)
#define MEET_ANYHOW (CROWD_MEETING / 2)
#define MEET_DOUBT  (CROWD_MEETING / CROWD_SHARE)
#define IN_VAIN     4 /* peers that one weighs as much as */
#define ORIGINS_MAX 128

void crowd_init(struct crowd *c, const uint8_t own[NOISE_KEY_BYTES],
                const struct random_source *random)
{
    *c = (struct crowd){.random = *random};
    memcpy(c->own, own, sizeof(c->own));
}

void crowd_deinit(struct crowd *c)
{
    while (c->count > 0)
        free(c->members[--c->count]);
}

static uint64_t drawn(const struct crowd *c, uint64_t span)
{
    return span / 1024 * random_below(&c->random, 1024);
}

struct crowd_member *crowd_find(const struct crowd *c,
                                const uint8_t key[NOISE_KEY_BYTES])
{
    for (unsigned i = 0; i < c->count; i++)
        if (memcmp(c->members[i]->key, key, NOISE_KEY_BYTES) == 0)
            return c->members[i];
    return NULL;
}

bool crowd_opens(const struct crowd *c, const uint8_t key[NOISE_KEY_BYTES])
{
    return memcmp(c->own, key, NOISE_KEY_BYTES) < 0;
}

/* ---- Room --------------------------------------------------------------- */

static bool is_of_only(const struct crowd_member *m, uint64_t origin)
{
    for (unsigned i = 0; i < m->place_count; i++)
        if (m->places[i].origin != origin)
            return false;
    return m->place_count > 0;
}

/* Who could not be met goes first, then who was not seen for longest. */
static bool goes_before(const struct crowd_member *a,
                        const struct crowd_member *b)
{
    if ((a->failures > 0) != (b->failures > 0))
        return a->failures > 0;
    return a->seen_at < b->seen_at;
}

/* Of those that only this origin names, when it has its share; else of all. */
static int find_way(const struct crowd *c, uint64_t origin, bool alike)
{
    int found = -1;

    for (unsigned i = 0; i < c->count; i++) {
        const struct crowd_member *m = c->members[i];

        if (m->state == CROWD_SEEN && (!alike || is_of_only(m, origin)) &&
            (found < 0 || goes_before(m, c->members[found])))
            found = (int)i;
    }
    return found;
}

static void remove_at(struct crowd *c, unsigned i)
{
    free(c->members[i]);
    c->members[i] = c->members[--c->count];
}

static bool make_room(struct crowd *c, uint64_t origin)
{
    unsigned alike = 0;
    int way;

    for (unsigned i = 0; i < c->count; i++)
        alike += is_of_only(c->members[i], origin);
    if (alike < OF_ORIGIN && c->count < CROWD_MAX)
        return true;
    way = find_way(c, origin, alike >= OF_ORIGIN / CROWD_SHARE);
    if (way >= 0)
        remove_at(c, (unsigned)way);
    return way >= 0;
}

static struct crowd_member *add(struct crowd *c, const uint8_t *key,
                                uint64_t origin, uint64_t now)
{
    struct crowd_member *m = make_room(c, origin) ? calloc(1, sizeof(*m))
                                                  : NULL;

    if (m == NULL) {
        c->refused++;
        return NULL;
    }
    memcpy(m->key, key, sizeof(m->key));
    m->seen_at = now;
    m->open_at = crowd_opens(c, key)
                     ? now
                     : time_after(now, OTHER_WAIT + drawn(c, OTHER_WAIT));
    c->members[c->count++] = m;
    return m;
}

/* ---- Seen --------------------------------------------------------------- */

static bool same_place(const struct crowd_place *a, const struct crowd_place *b)
{
    return a->period == b->period &&
           memcmp(a->point.identity, b->point.identity,
                  sizeof(a->point.identity)) == 0;
}

/* One of the same origin makes way, or else any: who has many points cannot
 * push out where others have seen a member. */
static unsigned find_place(const struct crowd *c, const struct crowd_member *m,
                           uint64_t origin)
{
    for (unsigned i = 0; i < m->place_count; i++)
        if (m->places[i].origin == origin)
            return i;
    return random_below(&c->random, m->place_count);
}

static void add_place(const struct crowd *c, struct crowd_member *m,
                      const struct crowd_place *place)
{
    for (unsigned i = 0; i < m->place_count; i++) {
        if (!same_place(&m->places[i], place))
            continue;
        if (place->issued >= m->places[i].issued)
            m->places[i] = *place;
        return;
    }
    if (m->place_count < CROWD_PLACES)
        m->places[m->place_count++] = *place;
    else
        m->places[find_place(c, m, place->origin)] = *place;
}

bool crowd_see(struct crowd *c, const uint8_t key[NOISE_KEY_BYTES],
               const struct crowd_place *place, uint64_t now)
{
    struct crowd_member *m = crowd_find(c, key);
    bool is_new = m == NULL;

    if (memcmp(key, c->own, sizeof(c->own)) == 0)
        return false;
    if (is_new)
        m = add(c, key, place->origin, now);
    if (m == NULL)
        return false;
    m->seen_at = now;
    add_place(c, m, place);
    return is_new;
}

/* ---- Whom to meet ------------------------------------------------------- */

struct origin {
    uint64_t id;
    unsigned held, meets, failing;
};

struct origins {
    struct origin list[ORIGINS_MAX];
    unsigned count;
    unsigned meets;   /* of all */
    unsigned doubted; /* of these, of origins that are in doubt */
};

/* More of those that it named were met in vain than are peers. */
static bool is_in_doubt(const struct origin *o)
{
    return o->failing > o->held - o->meets;
}

static struct origin *origin_of(struct origins *o, uint64_t id)
{
    for (unsigned i = 0; i < o->count; i++)
        if (o->list[i].id == id)
            return &o->list[i];
    if (o->count == ORIGINS_MAX)
        return NULL;
    o->list[o->count] = (struct origin){.id = id};
    return &o->list[o->count++];
}

static void weigh(const struct crowd *c, struct origins *o)
{
    o->count = o->meets = 0;
    for (unsigned i = 0; i < c->count; i++) {
        const struct crowd_member *m = c->members[i];
        struct origin *at = NULL;

        o->meets += m->state == CROWD_MEETS;
        if (m->charged != 0)
            at = origin_of(o, m->charged);
        else if (m->failures > 0 && m->place_count > 0)
            at = origin_of(o, m->places[0].origin);
        if (at == NULL)
            continue;
        at->held += m->charged != 0;
        at->meets += m->charged != 0 && m->state == CROWD_MEETS;
        at->failing += m->charged == 0;
    }
    o->doubted = 0;
    for (unsigned i = 0; i < o->count; i++)
        if (is_in_doubt(&o->list[i]))
            o->doubted += o->list[i].meets;
}

/* Below the peers that an origin has count those that it named in vain, and
 * more: while one of them is waited for, several others could come. */
static unsigned score(const struct origin *o)
{
    return o->held + IN_VAIN * o->failing;
}

static bool has_share(const struct origin *o, unsigned max_peers)
{
    unsigned share = max_peers / CROWD_SHARE;

    return o->held < (share > 0 ? share : 1);
}

/* One at a time of an origin of which nobody has come yet, and all of those in
 * doubt together are kept to few: who waits for people that do not exist meets
 * nobody else meanwhile. */
static bool may_meet(const struct origins *all, const struct origin *o)
{
    unsigned most = o->held > o->meets ? MEET_ORIGIN : 1;

    if (is_in_doubt(o) && all->doubted >= MEET_DOUBT)
        return false;
    return o->meets < most || all->meets < MEET_ANYHOW;
}

/* The origin that a member is charged to: of those that name it the one with
 * the least; NULL: all have their share. */
static struct origin *payer(struct origins *all, const struct crowd_member *m,
                            unsigned max_peers, bool meets)
{
    struct origin *best = NULL;

    for (unsigned i = 0; i < m->place_count; i++) {
        struct origin *o = origin_of(all, m->places[i].origin);

        if (o != NULL && has_share(o, max_peers) &&
            (!meets || may_meet(all, o)) &&
            (best == NULL || score(o) < score(best)))
            best = o;
    }
    return best;
}

static unsigned origins_of(const struct crowd_member *m)
{
    unsigned count = 0;

    for (unsigned i = 0; i < m->place_count; i++) {
        unsigned j = 0;

        while (m->places[j].origin != m->places[i].origin)
            j++;
        count += j == i;
    }
    return count;
}

struct candidate {
    struct crowd_member *m;
    const struct origin *payer;
    unsigned score, failures, origins;
    uint32_t draw;
};

static bool comes_first(const struct candidate *a, const struct candidate *b)
{
    if (b->m == NULL || a->score != b->score)
        return b->m == NULL || a->score < b->score;
    if (a->failures != b->failures)
        return a->failures < b->failures;
    if (a->origins != b->origins)
        return a->origins > b->origins;
    return a->draw < b->draw;
}

struct crowd_member *crowd_next(struct crowd *c, unsigned max_peers,
                                unsigned room, uint64_t now)
{
    struct candidate best = {0};
    struct origins all;

    weigh(c, &all);
    if (room == 0 || all.meets >= CROWD_MEETING)
        return NULL;
    for (unsigned i = 0; i < c->count; i++) {
        struct crowd_member *m = c->members[i];
        struct candidate one = {.m = m, .failures = m->failures};

        if (m->state != CROWD_SEEN || now < m->open_at)
            continue;
        one.payer = payer(&all, m, max_peers, true);
        if (one.payer == NULL)
            continue;
        one.score = score(one.payer);
        one.origins = origins_of(m) > 1 ? 2 : 1;
        one.draw = random_u32(&c->random);
        if (comes_first(&one, &best))
            best = one;
    }
    if (best.m == NULL)
        return NULL;
    best.m->state = CROWD_MEETS;
    best.m->charged = best.payer->id;
    return best.m;
}

uint64_t crowd_next_at(const struct crowd *c)
{
    uint64_t at = TIME_NEVER;

    for (unsigned i = 0; i < c->count; i++)
        if (c->members[i]->state == CROWD_SEEN &&
            c->members[i]->place_count > 0)
            at = time_min(at, c->members[i]->open_at);
    return at;
}

/* ---- What became of it -------------------------------------------------- */

void crowd_put_back(struct crowd_member *m)
{
    m->state = CROWD_SEEN;
    m->charged = 0;
}

void crowd_wait(const struct crowd *c, struct crowd_member *m, uint64_t now)
{
    crowd_put_back(m);
    m->open_at = time_after(now, OTHER_WAIT + drawn(c, OTHER_WAIT));
}

static void back_off(struct crowd *c, struct crowd_member *m, uint64_t now)
{
    unsigned doubled = m->failures < 6 ? m->failures : 6;
    uint64_t pause = time_min(RETRY_FIRST << doubled, RETRY_MAX);

    m->failures++;
    m->open_at = time_after(now, pause + drawn(c, pause));
}

void crowd_failed(struct crowd *c, struct crowd_member *m, uint64_t now)
{
    crowd_put_back(m);
    back_off(c, m, now);
}

/* One that came by itself counts for an origin that names it, too. */
static void charge(struct crowd *c, struct crowd_member *m)
{
    struct origins all;
    const struct origin *o;

    weigh(c, &all);
    o = payer(&all, m, UINT32_MAX, false);
    m->charged = o != NULL ? o->id : 0;
}

void crowd_came(struct crowd *c, const uint8_t key[NOISE_KEY_BYTES],
                uint64_t now)
{
    struct crowd_member *m = crowd_find(c, key);

    if (m == NULL)
        m = add(c, key, 0, now);
    if (m == NULL || m->state == CROWD_PEER)
        return;
    if (m->charged == 0)
        charge(c, m);
    m->state = CROWD_PEER;
    m->since = m->seen_at = now;
}

void crowd_left(struct crowd *c, const uint8_t key[NOISE_KEY_BYTES],
                uint64_t now)
{
    struct crowd_member *m = crowd_find(c, key);

    if (m == NULL || m->state != CROWD_PEER)
        return;
    crowd_put_back(m);
    if (time_since(m->since, now) < STAYED) {
        back_off(c, m, now);
        return;
    }
    m->failures = 0;
    m->open_at = crowd_opens(c, key)
                     ? time_after(now, TIME_S)
                     : time_after(now, OTHER_WAIT + drawn(c, OTHER_WAIT));
}

void crowd_tick(struct crowd *c, uint64_t now)
{
    for (unsigned i = c->count; i-- > 0;)
        if (c->members[i]->state == CROWD_SEEN &&
            time_since(c->members[i]->seen_at, now) >= KEEP)
            remove_at(c, i);
}

void crowd_count(const struct crowd *c, uint32_t period,
                 struct crowd_counts *out)
{
    *out = (struct crowd_counts){0};
    for (unsigned i = 0; i < c->count; i++) {
        const struct crowd_member *m = c->members[i];
        unsigned places = 0;

        for (unsigned j = 0; j < m->place_count; j++)
            places += m->places[j].period == period;
        out->seen += places > 0;
        out->once += places == 1;
        out->twice += places == 2;
    }
}
