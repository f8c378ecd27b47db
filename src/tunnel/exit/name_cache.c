/* SPDX-License-Identifier: MIT
 *
 * A keyed table of names, each behind the number of its holder. What is over is
 * no longer given out at once, and freed by a sweep each minute.
 */
#include "tunnel/exit/name_cache.h"

#include <stdlib.h>
#include <string.h>

#define SWEEP_EVERY TIME_MIN

struct name_key {
    uint64_t holder;
    char text[NAME_MAX_LEN];
};

struct name_entry {
    struct keyed_entry entry; /* must be first */
    TAILQ_ENTRY(name_entry) use;
    struct name_holder *holder;
    uint64_t expires_at;
    struct name_answer answer;
    size_t key_len;
    uint8_t key[]; /* the beginning of a struct name_key */
};

static struct name_entry *entry_of(struct keyed_entry *e)
{
    return (struct name_entry *)(void *)e;
}

static struct bytes key_of(const struct keyed_entry *e)
{
    const struct name_entry *n = (const void *)e;

    return bytes_of(n->key, n->key_len);
}

static size_t make_key(struct name_key *key, const struct name_holder *h,
                       const struct name *name)
{
    key->holder = h->number;
    memcpy(key->text, name->text, name->len);
    return offsetof(struct name_key, text) + name->len;
}

void name_cache_init(struct name_cache *c, unsigned max,
                     const struct random_source *random)
{
    uint8_t secret[KEYED_TABLE_SECRET];

    random->fill(random->ctx, secret, sizeof(secret));
    /* one more: the oldest goes when the new one is in */
    keyed_table_init(&c->table, (size_t)max + 1, key_of, secret);
    c->last_holder = 0;
    c->sweep_at = TIME_NEVER;
}

static void drop(struct name_cache *c, struct name_entry *n)
{
    keyed_table_remove(&c->table, &n->entry);
    TAILQ_REMOVE(&n->holder->by_use, n, use);
    n->holder->count--;
    free(n);
    if (c->table.count == 0)
        c->sweep_at = TIME_NEVER;
}

void name_cache_deinit(struct name_cache *c)
{
    while (c->table.oldest != NULL)
        drop(c, entry_of(c->table.oldest));
}

void name_holder_join(struct name_cache *c, struct name_holder *h)
{
    h->number = ++c->last_holder;
    h->count = 0;
    TAILQ_INIT(&h->by_use);
}

void name_holder_leave(struct name_cache *c, struct name_holder *h)
{
    while (!TAILQ_EMPTY(&h->by_use))
        drop(c, TAILQ_FIRST(&h->by_use));
}

static struct name_entry *find(const struct name_cache *c,
                               const struct name_holder *h,
                               const struct name *name)
{
    struct name_key key;
    size_t len = make_key(&key, h, name);

    return entry_of(keyed_table_find(&c->table, bytes_of(&key, len)));
}

const struct name_answer *name_cache_get(struct name_cache *c,
                                         struct name_holder *h,
                                         const struct name *name, uint64_t now)
{
    struct name_entry *n = find(c, h, name);

    if (n == NULL || n->expires_at <= now)
        return NULL;
    keyed_table_touch(&c->table, &n->entry);
    TAILQ_REMOVE(&h->by_use, n, use);
    TAILQ_INSERT_TAIL(&h->by_use, n, use);
    return &n->answer;
}

static struct name_entry *add(struct name_cache *c, struct name_holder *h,
                              const struct name *name)
{
    struct name_key key;
    size_t len = make_key(&key, h, name);
    struct name_entry *n = malloc(sizeof(*n) + len);

    if (n == NULL)
        return NULL;
    n->holder = h;
    n->key_len = len;
    memcpy(n->key, &key, len);
    if (keyed_table_add(&c->table, &n->entry) != OK) {
        free(n);
        return NULL;
    }
    if (h->count == NAME_HOLDER_MAX ||
        (c->table.count == c->table.max && h->count > 0))
        drop(c, TAILQ_FIRST(&h->by_use));
    else if (c->table.count == c->table.max)
        drop(c, entry_of(c->table.oldest));
    TAILQ_INSERT_TAIL(&h->by_use, n, use);
    h->count++;
    return n;
}

static uint64_t lifetime(const struct name_answer *answer, uint64_t ttl)
{
    if (answer->why != 0)
        return NAME_TTL_NONE;
    if (ttl < NAME_TTL_MIN)
        return NAME_TTL_MIN;
    return time_min(ttl, NAME_TTL_MAX);
}

void name_cache_put(struct name_cache *c, struct name_holder *h,
                    const struct name *name, const struct name_answer *answer,
                    uint64_t ttl, uint64_t now)
{
    struct name_entry *n = find(c, h, name);

    if (n == NULL)
        n = add(c, h, name);
    if (n == NULL)
        return;
    n->answer = *answer;
    n->expires_at = time_after(now, lifetime(answer, ttl));
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
            drop(c, entry_of(e));
    }
}
