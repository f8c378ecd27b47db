/* SPDX-License-Identifier: MIT */
#include "store/queue.h"

#include <assert.h>
#include <sqlite3.h>
#include <string.h>

#define BUCKETS_MIN 64

void store_queue_init(struct store_queue *q, size_t bytes_max)
{
    *q = (struct store_queue){.bytes_max = bytes_max};
    sqlite3_randomness(sizeof(q->seed), &q->seed);
}

void store_queue_deinit(struct store_queue *q)
{
    store_queue_clear(q);
    sqlite3_free(q->buckets);
    q->buckets = NULL;
    q->bucket_count = 0;
}

/* FNV-1a, from a random start. */
static size_t hash(const struct store_queue *q, enum store_kind kind,
                   const struct store_key *key)
{
    uint64_t h = q->seed ^ kind;

    for (size_t i = 0; i < key->len; i++)
        h = (h ^ key->b[i]) * UINT64_C(0x100000001b3);
    return (size_t)(h ^ h >> 32) & (q->bucket_count - 1);
}

static size_t change_size(const struct store_change *c)
{
    return sizeof(*c) + (c->remove ? 0 : store_tables[c->kind].row_size);
}

static bool same_key(const struct store_change *c, enum store_kind kind,
                     const struct store_key *key)
{
    return c->kind == kind && c->key.len == key->len &&
           memcmp(c->key.b, key->b, key->len) == 0;
}

struct store_change *store_queue_find(const struct store_queue *q,
                                      enum store_kind kind,
                                      const struct store_key *key)
{
    struct store_change *c;

    if (q->bucket_count == 0)
        return NULL;
    c = q->buckets[hash(q, kind, key)];
    while (c != NULL && !same_key(c, kind, key))
        c = c->chain;
    return c;
}

static void chain_in(struct store_queue *q, struct store_change *c)
{
    struct store_change **head = &q->buckets[hash(q, c->kind, &c->key)];

    c->chain = *head;
    *head = c;
}

static void chain_out(struct store_queue *q, const struct store_change *c)
{
    struct store_change **at = &q->buckets[hash(q, c->kind, &c->key)];

    while (*at != c)
        at = &(*at)->chain;
    *at = c->chain;
}

/* Makes the table at least as large as the number of changes. A table that
 * cannot grow works on, slower; only the first one is needed. */
static enum error grow(struct store_queue *q)
{
    size_t n = q->bucket_count == 0 ? BUCKETS_MIN : 2 * q->bucket_count;
    struct store_change **buckets;

    if (q->count < q->bucket_count)
        return OK;
    buckets = sqlite3_malloc64(n * sizeof(struct store_change *));
    if (buckets == NULL)
        return q->bucket_count > 0 ? OK : ERR_NO_MEMORY;
    memset(buckets, 0, n * sizeof(struct store_change *));
    sqlite3_free(q->buckets);
    q->buckets = buckets;
    q->bucket_count = n;
    for (int k = 0; k < STORE_KINDS; k++) {
        struct store_change *c = q->kinds[k].oldest;

        for (; c != NULL; c = c->newer)
            chain_in(q, c);
    }
    return OK;
}

static void link_newest(struct store_queue *q, struct store_change *c)
{
    struct store_changes *list = &q->kinds[c->kind];

    c->older = list->newest;
    c->newer = NULL;
    *(list->newest != NULL ? &list->newest->newer : &list->oldest) = c;
    list->newest = c;
    list->count++;
    list->fresh += c->fresh;
    q->count++;
    q->bytes += change_size(c);
    chain_in(q, c);
}

static void drop(struct store_queue *q, struct store_change *c)
{
    struct store_changes *list = &q->kinds[c->kind];

    chain_out(q, c);
    *(c->older != NULL ? &c->older->newer : &list->oldest) = c->newer;
    *(c->newer != NULL ? &c->newer->older : &list->newest) = c->older;
    list->count--;
    list->fresh -= c->fresh;
    q->count--;
    q->bytes -= change_size(c);
    sqlite3_free(c);
}

/* Makes room for `size` bytes in place of `old`, at the cost of the oldest
 * other nodes. */
static bool make_room(struct store_queue *q, size_t size,
                      const struct store_change *old)
{
    struct store_changes *nodes = &q->kinds[STORE_NODES];
    size_t freed = old != NULL ? change_size(old) : 0;

    while (q->bytes - freed + size > q->bytes_max) {
        struct store_change *victim = nodes->oldest;

        if (victim == old && victim != NULL)
            victim = victim->newer;
        if (victim == NULL)
            return false;
        drop(q, victim);
        q->dropped++;
    }
    return true;
}

static struct store_change *new_change(enum store_kind kind,
                                       const struct store_key *key,
                                       const void *row, bool fresh)
{
    size_t row_size = row != NULL ? store_tables[kind].row_size : 0;
    struct store_change *c = sqlite3_malloc64(sizeof(*c) + row_size);

    if (c == NULL)
        return NULL;
    *c = (struct store_change){
        .kind = kind, .remove = row == NULL, .fresh = fresh, .key = *key};
    if (row != NULL)
        memcpy(c->row, row, row_size);
    return c;
}

enum error store_queue_add(struct store_queue *q, enum store_kind kind,
                           const struct store_key *key, const void *row,
                           bool fresh)
{
    struct store_change *old = store_queue_find(q, kind, key);
    struct store_change *c;

    assert(row != NULL || !fresh);
    if (grow(q) != OK)
        return ERR_NO_MEMORY;
    c = new_change(kind, key, row, fresh);
    if (c == NULL)
        return ERR_NO_MEMORY;
    if (!make_room(q, change_size(c), old)) {
        sqlite3_free(c);
        q->dropped++;
        return ERR_FULL;
    }
    if (old != NULL)
        drop(q, old);
    link_newest(q, c);
    return OK;
}

void store_queue_clear(struct store_queue *q)
{
    for (int k = 0; k < STORE_KINDS; k++) {
        while (q->kinds[k].oldest != NULL)
            drop(q, q->kinds[k].oldest);
    }
    assert(q->count == 0 && q->bytes == 0);
}
