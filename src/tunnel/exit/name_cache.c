/* SPDX-License-Identifier: MIT */
#include "tunnel/exit/name_cache.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define SWEEP_EVERY TIME_MIN

struct name_entry {
    struct name_entry *chain; /* next of the same hash */
    struct name_entry *newer, *older;
    uint64_t expires_at;
    struct name_addrs addrs;
    uint8_t len;
    char text[]; /* `len` bytes */
};

void name_cache_init(struct name_cache *c, unsigned max,
                     const struct random_source *random)
{
    assert(max > 0);
    *c = (struct name_cache){
        .max = max, .slot_count = 1, .sweep_at = TIME_NEVER};
    while (c->slot_count < max)
        c->slot_count *= 2;
    random->fill(random->ctx, c->key, sizeof(c->key));
}

static struct name_entry **slot_of(const struct name_cache *c, const char *text,
                                   size_t len)
{
    uint8_t out[crypto_shorthash_BYTES];
    uint32_t hash;

    crypto_shorthash(out, (const uint8_t *)text, len, c->key);
    memcpy(&hash, out, sizeof(hash));
    return &c->slots[hash & (c->slot_count - 1)];
}

static void unlink_use(struct name_cache *c, struct name_entry *e)
{
    *(e->newer != NULL ? &e->newer->older : &c->newest) = e->older;
    *(e->older != NULL ? &e->older->newer : &c->oldest) = e->newer;
}

static void link_newest(struct name_cache *c, struct name_entry *e)
{
    e->newer = NULL;
    e->older = c->newest;
    *(c->newest != NULL ? &c->newest->newer : &c->oldest) = e;
    c->newest = e;
}

static void drop(struct name_cache *c, struct name_entry *e)
{
    struct name_entry **at = slot_of(c, e->text, e->len);

    while (*at != e)
        at = &(*at)->chain;
    *at = e->chain;
    unlink_use(c, e);
    free(e);
    c->count--;
}

/* Empty, it takes no memory. */
static void release_if_empty(struct name_cache *c)
{
    if (c->count > 0)
        return;
    free(c->slots);
    c->slots = NULL;
    c->sweep_at = TIME_NEVER;
}

void name_cache_deinit(struct name_cache *c)
{
    while (c->oldest != NULL)
        drop(c, c->oldest);
    release_if_empty(c);
}

static struct name_entry *find(const struct name_cache *c,
                               const struct name *name)
{
    struct name_entry *e;

    if (c->slots == NULL)
        return NULL;
    for (e = *slot_of(c, name->text, name->len); e != NULL; e = e->chain) {
        if (e->len == name->len && memcmp(e->text, name->text, e->len) == 0)
            return e;
    }
    return NULL;
}

const struct name_addrs *name_cache_get(struct name_cache *c,
                                        const struct name *name, uint64_t now)
{
    struct name_entry *e = find(c, name);

    if (e == NULL || e->expires_at <= now)
        return NULL;
    unlink_use(c, e);
    link_newest(c, e);
    return &e->addrs;
}

static struct name_entry *add(struct name_cache *c, const struct name *name)
{
    struct name_entry **at, *e;

    if (c->slots == NULL)
        c->slots = calloc(c->slot_count, sizeof(struct name_entry *));
    if (c->slots == NULL)
        return NULL;
    e = malloc(sizeof(*e) + name->len);
    if (e == NULL)
        return NULL;
    if (c->count == c->max)
        drop(c, c->oldest);
    e->len = name->len;
    memcpy(e->text, name->text, name->len);
    at = slot_of(c, e->text, e->len);
    e->chain = *at;
    *at = e;
    link_newest(c, e);
    c->count++;
    return e;
}

static uint64_t lifetime(const struct name_addrs *addrs, uint64_t ttl)
{
    if (addrs->count == 0)
        return NAME_TTL_NONE;
    if (ttl < NAME_TTL_MIN)
        return NAME_TTL_MIN;
    return time_min(ttl, NAME_TTL_MAX);
}

void name_cache_put(struct name_cache *c, const struct name *name,
                    const struct name_addrs *addrs, uint64_t ttl, uint64_t now)
{
    struct name_entry *e = find(c, name);

    if (e == NULL)
        e = add(c, name);
    if (e != NULL) {
        e->addrs = *addrs;
        e->expires_at = time_after(now, lifetime(addrs, ttl));
        if (c->sweep_at == TIME_NEVER)
            c->sweep_at = time_after(now, SWEEP_EVERY);
    }
    release_if_empty(c);
}

void name_cache_tick(struct name_cache *c, uint64_t now)
{
    struct name_entry *next;

    if (now < c->sweep_at)
        return;
    for (struct name_entry *e = c->oldest; e != NULL; e = next) {
        next = e->newer;
        if (e->expires_at <= now)
            drop(c, e);
    }
    c->sweep_at = time_after(now, SWEEP_EVERY);
    release_if_empty(c);
}
