/* SPDX-License-Identifier: MIT
 *
 * A keyed table for each kind of row: the list by use is the order in which
 * changes came, and so the order in which they are written.
 */
#include "store/queue.h"

#include <assert.h>
#include <sqlite3.h>
#include <string.h>

static struct bytes key_of(const struct keyed_entry *e)
{
    const struct store_change *c = (const void *)e;

    return bytes_of(c->key.b, c->key.len);
}

void store_queue_init(struct store_queue *q, size_t bytes_max)
{
    uint8_t secret[KEYED_TABLE_SECRET]; /* peers choose endpoints */

    *q = (struct store_queue){.bytes_max = bytes_max};
    sqlite3_randomness(sizeof(secret), secret);
    for (int k = 0; k < STORE_KINDS; k++)
        keyed_table_init(&q->kinds[k].table, SIZE_MAX, key_of, secret);
}

void store_queue_deinit(struct store_queue *q)
{
    store_queue_clear(q);
}

static size_t change_size(const struct store_change *c)
{
    return sizeof(*c) + (c->remove ? 0 : store_tables[c->kind].row_size);
}

struct store_change *store_queue_find(const struct store_queue *q,
                                      enum store_kind kind,
                                      const struct store_key *key)
{
    return store_change_of(
        keyed_table_find(&q->kinds[kind].table, bytes_of(key->b, key->len)));
}

static enum error add(struct store_queue *q, struct store_change *c)
{
    struct store_changes *of = &q->kinds[c->kind];
    enum error err = keyed_table_add(&of->table, &c->entry);

    if (err != OK)
        return err;
    of->fresh += c->fresh;
    q->count++;
    q->bytes += change_size(c);
    return OK;
}

static void drop(struct store_queue *q, struct store_change *c)
{
    struct store_changes *of = &q->kinds[c->kind];

    keyed_table_remove(&of->table, &c->entry);
    of->fresh -= c->fresh;
    q->count--;
    q->bytes -= change_size(c);
    sqlite3_free(c);
}

/* The oldest node but `old`, of the DHT that has more of them waiting. */
static struct store_change *oldest_node(const struct store_queue *q,
                                        const struct store_change *old)
{
    struct store_change *victim = NULL;
    size_t most = 0;

    for (int d = 0; d < STORE_DHTS; d++) {
        enum store_kind kind = store_kind_of(STORE_NODES, (enum store_dht)d);
        struct store_change *c = store_queue_oldest(q, kind);

        if (c == old && c != NULL)
            c = store_queue_next(c);
        if (c == NULL || q->kinds[kind].table.count <= most)
            continue;
        most = q->kinds[kind].table.count;
        victim = c;
    }
    return victim;
}

/* Makes room for `size` bytes in place of `old`, at the cost of the oldest
 * other nodes. */
static bool make_room(struct store_queue *q, size_t size,
                      const struct store_change *old)
{
    size_t freed = old != NULL ? change_size(old) : 0;

    while (q->bytes - freed + size > q->bytes_max) {
        struct store_change *victim = oldest_node(q, old);

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
    c = new_change(kind, key, row, fresh);
    if (c == NULL)
        return ERR_NO_MEMORY;
    if (!make_room(q, change_size(c), old)) {
        sqlite3_free(c);
        q->dropped++;
        return ERR_FULL;
    }
    if (add(q, c) != OK) {
        sqlite3_free(c);
        return ERR_NO_MEMORY;
    }
    if (old != NULL)
        drop(q, old);
    return OK;
}

void store_queue_clear(struct store_queue *q)
{
    for (int k = 0; k < STORE_KINDS; k++) {
        while (store_queue_oldest(q, (enum store_kind)k) != NULL)
            drop(q, store_queue_oldest(q, (enum store_kind)k));
    }
    assert(q->count == 0 && q->bytes == 0);
}
