/* SPDX-License-Identifier: MIT
 *
 * A keyed table of names. What is over is no longer given out at once, and
 * freed by a sweep each minute.
 */
#include "tunnel/exit/name_cache.h"

#include <stdlib.h>
#include <string.h>

#define SWEEP_EVERY TIME_MIN

struct name_entry {
    struct keyed_entry entry; /* must be first */
    uint64_t expires_at;
    struct name_addrs addrs;
    uint8_t len;
    char text[]; /* `len` bytes */
};

static struct name_entry *entry_of(struct keyed_entry *e)
{
    return (struct name_entry *)(void *)e;
}

static struct bytes key_of(const struct keyed_entry *e)
{
    const struct name_entry *n = (const void *)e;

    return bytes_of(n->text, n->len);
}

void name_cache_init(struct name_cache *c, unsigned max,
                     const struct random_source *random)
{
    uint8_t secret[KEYED_TABLE_SECRET];

    random->fill(random->ctx, secret, sizeof(secret));
    /* one more: the oldest goes when the new one is in */
    keyed_table_init(&c->table, (size_t)max + 1, key_of, secret);
    c->sweep_at = TIME_NEVER;
}

static void drop(struct name_cache *c, struct keyed_entry *e)
{
    keyed_table_remove(&c->table, e);
    free(e);
    if (c->table.count == 0)
        c->sweep_at = TIME_NEVER;
}

void name_cache_deinit(struct name_cache *c)
{
    while (c->table.oldest != NULL)
        drop(c, c->table.oldest);
}

static struct name_entry *find(const struct name_cache *c,
                               const struct name *name)
{
    return entry_of(
        keyed_table_find(&c->table, bytes_of(name->text, name->len)));
}

const struct name_addrs *name_cache_get(struct name_cache *c,
                                        const struct name *name, uint64_t now)
{
    struct name_entry *n = find(c, name);

    if (n == NULL || n->expires_at <= now)
        return NULL;
    keyed_table_touch(&c->table, &n->entry);
    return &n->addrs;
}

static struct name_entry *add(struct name_cache *c, const struct name *name)
{
    struct name_entry *n = malloc(sizeof(*n) + name->len);

    if (n == NULL)
        return NULL;
    n->len = name->len;
    memcpy(n->text, name->text, name->len);
    if (keyed_table_add(&c->table, &n->entry) != OK) {
        free(n);
        return NULL;
    }
    if (c->table.count == c->table.max)
        drop(c, c->table.oldest);
    return n;
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
    struct name_entry *n = find(c, name);

    if (n == NULL)
        n = add(c, name);
    if (n == NULL)
        return;
    n->addrs = *addrs;
    n->expires_at = time_after(now, lifetime(addrs, ttl));
    if (c->sweep_at == TIME_NEVER)
        c->sweep_at = time_after(now, SWEEP_EVERY);
}

void name_cache_tick(struct name_cache *c, uint64_t now)
{
    struct keyed_entry *e = c->table.oldest, *next;

    if (now < c->sweep_at)
        return;
    c->sweep_at = time_after(now, SWEEP_EVERY);
    for (; e != NULL; e = next) {
        next = e->newer;
        if (entry_of(e)->expires_at <= now)
            drop(c, e);
    }
}
