/* SPDX-License-Identifier: MIT
 *
 * The item store. Each entry is in two tables, by target and by source. The
 * first keeps the order of renewal too: its oldest is the first to expire, and
 * the first that may have to go for another.
 */
#include "dht/storage/item_store.h"
#include "base/timestamp.h"
#include "wire/krpc/dht_message.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define EXPIRE_MAX 64
#define KEY_BYTES  32
#define SIG_BYTES  64

struct item_entry {
    struct keyed_entry by_target, by_source;
    struct id target;
    bool mutable_item;
    uint8_t salt_len;
    uint16_t value_len;
    uint64_t source; /* keyed hash of who put it first */
    uint64_t renewed_at;
    int64_t seq;
    uint8_t data[]; /* key and signature when mutable, salt, value */
};

/* NULL of NULL: the table's entry is the first member. */
static struct item_entry *of_target(struct keyed_entry *e)
{
    return (struct item_entry *)(void *)e;
}

static const struct item_entry *of_source(const struct keyed_entry *e)
{
    return (const struct item_entry *)(const void *)((const uint8_t *)e -
                                                     offsetof(struct item_entry,
                                                              by_source));
}

static struct bytes target_key(const struct keyed_entry *e)
{
    const struct item_entry *item = (const struct item_entry *)(const void *)e;

    return bytes_of(item->target.b, ID_BYTES);
}

static struct bytes source_key(const struct keyed_entry *e)
{
    return bytes_of(&of_source(e)->source, sizeof(uint64_t));
}

void item_store_configure(struct item_store *s,
                          const struct item_store_config *config)
{
    assert(config->max_items > 0 && config->max_per_source > 0);
    assert(config->lifetime > 0);
    s->config = *config;
}

void item_store_init(struct item_store *s,
                     const struct item_store_config *config,
                     const struct random_source *random)
{
    *s = (struct item_store){0};
    random->fill(random->ctx, s->key, sizeof(s->key));
    keyed_table_init(&s->by_target, SIZE_MAX, target_key, s->key);
    keyed_table_init(&s->by_source, SIZE_MAX, source_key, s->key);
    item_store_configure(s, config);
}

/* ---- Entries ----------------------------------------------------------- */

static size_t keys_len(bool mutable_item)
{
    return mutable_item ? KEY_BYTES + SIG_BYTES : 0;
}

static size_t entry_size(const struct item_entry *e)
{
    return sizeof(*e) + keys_len(e->mutable_item) + e->salt_len + e->value_len;
}

static struct bytes entry_value(const struct item_entry *e)
{
    return bytes_of(e->data + keys_len(e->mutable_item) + e->salt_len,
                    e->value_len);
}

static struct item_entry *entry_new(const struct id *target,
                                    const struct dht_item *item)
{
    struct bytes value = value_bytes(item->value);
    struct item_entry shape = {.target = *target,
                               .mutable_item = item->mutable_item,
                               .value_len = (uint16_t)value.len};
    struct item_entry *e;
    uint8_t *to;

    if (item->mutable_item) {
        shape.salt_len = (uint8_t)item->salt.len;
        shape.seq = item->seq;
    }
    e = malloc(entry_size(&shape));
    if (e == NULL)
        return NULL;
    *e = shape;
    to = e->data;
    if (item->mutable_item) {
        memcpy(to, item->key, KEY_BYTES);
        memcpy(to + KEY_BYTES, item->signature, SIG_BYTES);
        to += KEY_BYTES + SIG_BYTES;
        if (item->salt.len > 0)
            memcpy(to, item->salt.p, item->salt.len);
        to += item->salt.len;
    }
    memcpy(to, value.p, value.len);
    return e;
}

/* ---- In and out of the tables ------------------------------------------ */

static uint64_t source_of(const struct item_store *s, const struct endpoint *ep)
{
    uint8_t input[9] = {0}, out[crypto_shorthash_BYTES];
    uint64_t hash;

    memcpy(input, ep->addr, ep->family == FAMILY_IPV4 ? 4 : 8);
    input[8] = ep->family;
    crypto_shorthash(out, input, sizeof(input), s->key);
    memcpy(&hash, out, sizeof(hash));
    return hash;
}

static struct item_entry *oldest(const struct item_store *s)
{
    return of_target(s->by_target.oldest);
}

static bool is_expired(const struct item_store *s, const struct item_entry *e,
                       uint64_t now)
{
    return time_since(e->renewed_at, now) >= s->config.lifetime;
}

/* One that has expired may still be there. */
static struct item_entry *find_any(const struct item_store *s,
                                   const struct id *target)
{
    return of_target(
        keyed_table_find(&s->by_target, bytes_of(target->b, ID_BYTES)));
}

static struct item_entry *find(const struct item_store *s,
                               const struct id *target, uint64_t now)
{
    struct item_entry *e = find_any(s, target);

    return e == NULL || is_expired(s, e, now) ? NULL : e;
}

static unsigned count_source(const struct item_store *s, uint64_t source,
                             uint64_t now)
{
    const struct keyed_entry *e =
        keyed_table_find(&s->by_source, bytes_of(&source, sizeof(source)));
    unsigned count = 0;

    for (; e != NULL; e = keyed_table_next(&s->by_source, e))
        count += !is_expired(s, of_source(e), now);
    return count;
}

static void count_memory(struct item_store *s)
{
    s->memory = s->entries + keyed_table_memory(&s->by_target) +
                keyed_table_memory(&s->by_source);
}

/* ERR_NO_MEMORY. */
static enum error add(struct item_store *s, struct item_entry *e, uint64_t now)
{
    e->renewed_at = now;
    if (keyed_table_add(&s->by_target, &e->by_target) != OK)
        return ERR_NO_MEMORY;
    if (keyed_table_add(&s->by_source, &e->by_source) != OK) {
        keyed_table_remove(&s->by_target, &e->by_target);
        return ERR_NO_MEMORY;
    }
    s->items++;
    s->entries += entry_size(e);
    count_memory(s);
    return OK;
}

static void drop(struct item_store *s, struct item_entry *e)
{
    keyed_table_remove(&s->by_target, &e->by_target);
    keyed_table_remove(&s->by_source, &e->by_source);
    s->items--;
    s->entries -= entry_size(e);
    count_memory(s);
    free(e);
}

void item_store_deinit(struct item_store *s)
{
    while (s->items > 0)
        drop(s, oldest(s));
    sodium_memzero(s, sizeof(*s));
}

void item_store_expire(struct item_store *s, uint64_t now)
{
    for (int i = 0; i < EXPIRE_MAX && s->items > 0; i++) {
        if (!is_expired(s, oldest(s), now))
            return;
        drop(s, oldest(s));
    }
}

uint64_t item_store_next_deadline(const struct item_store *s)
{
    if (s->items == 0)
        return TIME_NEVER;
    return time_after(oldest(s)->renewed_at, s->config.lifetime);
}

/* ---- Putting and getting ----------------------------------------------- */

/* For one more of this source. At the cap the oldest makes way, if its owner
 * seems to have gone. */
static bool has_room(const struct item_store *s, const struct endpoint *source,
                     uint64_t now)
{
    if (s->items >= s->config.max_items &&
        time_since(oldest(s)->renewed_at, now) < s->config.lifetime / 2)
        return false;
    return count_source(s, source_of(s, source), now) <
           s->config.max_per_source;
}

bool item_store_can_store(const struct item_store *s, const struct id *target,
                          const struct endpoint *source, uint64_t now)
{
    return find(s, target, now) != NULL || has_room(s, source, now);
}

enum error item_store_check(const struct item_store *s, const struct id *target,
                            const struct dht_item *item, const int64_t *cas,
                            const struct endpoint *source, uint64_t now)
{
    const struct item_entry *e = find(s, target, now);

    if (item->mutable_item && item->salt.len > DHT_SALT_MAX)
        return ERR_TOO_LARGE;
    if (e == NULL)
        return has_room(s, source, now) ? OK : ERR_FULL;
    if (!e->mutable_item || !item->mutable_item)
        return OK; /* equal: the target is the hash of the value */
    if (cas != NULL && *cas != e->seq)
        return ERR_CAS;
    if (item->seq < e->seq ||
        (item->seq == e->seq &&
         !bytes_equal(value_bytes(item->value), entry_value(e))))
        return ERR_SEQ;
    return OK;
}

/* The same item again. */
static void renew(struct item_store *s, struct item_entry *e, uint64_t now)
{
    e->renewed_at = now;
    keyed_table_touch(&s->by_target, &e->by_target);
}

/* `old`, when not NULL, is what `target` had; it is gone on success. Else the
 * oldest makes room where there is none. */
static enum error insert(struct item_store *s, const struct id *target,
                         const struct dht_item *item, uint64_t source,
                         struct item_entry *old, uint64_t now)
{
    struct item_entry *e = entry_new(target, item);

    if (e == NULL)
        return ERR_NO_MEMORY;
    e->source = source;
    if (add(s, e, now) != OK) {
        free(e);
        return ERR_NO_MEMORY;
    }
    if (old != NULL) {
        drop(s, old);
    } else if (s->items > s->config.max_items) {
        s->evicted += !is_expired(s, oldest(s), now);
        drop(s, oldest(s));
    }
    return OK;
}

enum error item_store_put(struct item_store *s, const struct id *target,
                          const struct dht_item *item, const int64_t *cas,
                          const struct endpoint *source, uint64_t now)
{
    enum error e = item_store_check(s, target, item, cas, source, now);
    struct item_entry *old = find_any(s, target);

    if (e != OK)
        return e;
    if (old != NULL && is_expired(s, old, now)) {
        drop(s, old);
        old = NULL;
    }
    if (old == NULL)
        return insert(s, target, item, source_of(s, source), NULL, now);
    if (item->mutable_item && old->mutable_item && item->seq > old->seq)
        return insert(s, target, item, old->source, old, now);
    renew(s, old, now); /* the same item again */
    return OK;
}

bool item_store_get(const struct item_store *s, const struct id *target,
                    uint64_t now, struct item_view *out)
{
    const struct item_entry *e = find(s, target, now);

    if (e == NULL)
        return false;
    *out = (struct item_view){.mutable_item = e->mutable_item,
                              .seq = e->seq,
                              .value = entry_value(e)};
    if (e->mutable_item) {
        out->key = e->data;
        out->signature = e->data + KEY_BYTES;
        out->salt = bytes_of(e->data + KEY_BYTES + SIG_BYTES, e->salt_len);
    }
    return true;
}
