/* SPDX-License-Identifier: MIT
 *
 * The item store. Each entry is in two hash chains, by target and by source,
 * and in a list by the time of its last renewal: the head of the list is the
 * first to expire, and the first that may have to go for another.
 */
#include "dht/storage/item_store.h"
#include "base/timestamp.h"
#include "wire/krpc/dht_message.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CHAINS 16
#define EXPIRE_MAX   64
#define KEY_BYTES    32
#define SIG_BYTES    64

struct item_entry {
    struct item_entry *next;        /* in its chain by target */
    struct item_entry *next_source; /* in its chain by source */
    struct item_entry *older, *newer;
    struct id target;
    bool mutable_item;
    uint8_t salt_len;
    uint16_t value_len;
    uint64_t source; /* keyed hash of who put it first */
    uint64_t renewed_at;
    int64_t seq;
    uint8_t data[]; /* key and signature when mutable, salt, value */
};

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

/* ---- Chains and the list by age ---------------------------------------- */

static uint64_t keyed_hash(const struct item_store *s, const void *p,
                           size_t len)
{
    uint8_t out[crypto_shorthash_BYTES];
    uint64_t hash;

    crypto_shorthash(out, p, len, s->key);
    memcpy(&hash, out, sizeof(hash));
    return hash;
}

static uint64_t source_of(const struct item_store *s, const struct endpoint *ep)
{
    uint8_t input[9] = {0};

    memcpy(input, ep->addr, ep->family == FAMILY_IPV4 ? 4 : 8);
    input[8] = ep->family;
    return keyed_hash(s, input, sizeof(input));
}

static struct item_entry **target_chain(const struct item_store *s,
                                        const struct id *target)
{
    return &s->by_target[keyed_hash(s, target->b, ID_BYTES) &
                         (s->chain_count - 1)];
}

static struct item_entry **source_chain(const struct item_store *s,
                                        uint64_t source)
{
    return &s->by_source[source & (s->chain_count - 1)];
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
    struct item_entry *e;

    if (s->chain_count == 0)
        return NULL;
    e = *target_chain(s, target);
    while (e != NULL && !id_equal(&e->target, target))
        e = e->next;
    return e;
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
    unsigned count = 0;

    if (s->chain_count == 0)
        return 0;
    for (const struct item_entry *e = *source_chain(s, source); e != NULL;
         e = e->next_source)
        count += e->source == source && !is_expired(s, e, now);
    return count;
}

static void chain_in(struct item_store *s, struct item_entry *e)
{
    struct item_entry **chain = target_chain(s, &e->target);

    e->next = *chain;
    *chain = e;
    chain = source_chain(s, e->source);
    e->next_source = *chain;
    *chain = e;
}

static void chain_out(struct item_store *s, struct item_entry *e)
{
    struct item_entry **at = target_chain(s, &e->target);

    while (*at != e)
        at = &(*at)->next;
    *at = e->next;
    at = source_chain(s, e->source);
    while (*at != e)
        at = &(*at)->next_source;
    *at = e->next_source;
}

static void list_out(struct item_store *s, struct item_entry *e)
{
    *(e->older != NULL ? &e->older->newer : &s->oldest) = e->newer;
    *(e->newer != NULL ? &e->newer->older : &s->newest) = e->older;
}

static void list_in(struct item_store *s, struct item_entry *e, uint64_t now)
{
    e->renewed_at = now;
    e->older = s->newest;
    e->newer = NULL;
    *(s->newest != NULL ? &s->newest->newer : &s->oldest) = e;
    s->newest = e;
}

static size_t chains_size(unsigned count)
{
    return 2 * (size_t)count * sizeof(struct item_entry *);
}

/* One block for both tables. */
static enum error grow_chains(struct item_store *s)
{
    unsigned count = s->chain_count == 0 ? FIRST_CHAINS : 2 * s->chain_count;
    struct item_entry **chains = calloc(1, chains_size(count));

    if (chains == NULL)
        return ERR_NO_MEMORY;
    free(s->by_target);
    s->memory += chains_size(count) - chains_size(s->chain_count);
    s->by_target = chains;
    s->by_source = chains + count;
    s->chain_count = count;
    for (struct item_entry *e = s->oldest; e != NULL; e = e->newer)
        chain_in(s, e);
    return OK;
}

static void drop(struct item_store *s, struct item_entry *e)
{
    chain_out(s, e);
    list_out(s, e);
    s->items--;
    s->memory -= entry_size(e);
    free(e);
}

static void free_chains(struct item_store *s)
{
    free(s->by_target);
    s->by_target = s->by_source = NULL;
    s->chain_count = 0;
    s->memory = 0;
}

void item_store_deinit(struct item_store *s)
{
    while (s->oldest != NULL)
        drop(s, s->oldest);
    free_chains(s);
    sodium_memzero(s->key, sizeof(s->key));
}

void item_store_expire(struct item_store *s, uint64_t now)
{
    for (int i = 0; i < EXPIRE_MAX && s->oldest != NULL; i++) {
        if (!is_expired(s, s->oldest, now))
            return;
        drop(s, s->oldest);
    }
    if (s->items == 0)
        free_chains(s);
}

uint64_t item_store_next_deadline(const struct item_store *s)
{
    if (s->oldest == NULL)
        return TIME_NEVER;
    return time_after(s->oldest->renewed_at, s->config.lifetime);
}

/* ---- Putting and getting ----------------------------------------------- */

static bool has_room(const struct item_store *s, const struct endpoint *source,
                     uint64_t now)
{
    if (s->items >= s->config.max_items &&
        time_since(s->oldest->renewed_at, now) < s->config.lifetime / 2)
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

static void renew(struct item_store *s, struct item_entry *e, uint64_t now)
{
    list_out(s, e);
    list_in(s, e, now);
}

static void make_room(struct item_store *s, uint64_t now)
{
    if (s->items < s->config.max_items)
        return;
    s->evicted += !is_expired(s, s->oldest, now);
    drop(s, s->oldest);
}

/* `old`, when not NULL, is what `target` had; it is gone on success. */
static enum error insert(struct item_store *s, const struct id *target,
                         const struct dht_item *item, uint64_t source,
                         struct item_entry *old, uint64_t now)
{
    struct item_entry *e;

    if (s->items >= s->chain_count && grow_chains(s) != OK &&
        s->chain_count == 0)
        return ERR_NO_MEMORY;
    e = entry_new(target, item);
    if (e == NULL)
        return ERR_NO_MEMORY;
    e->source = source;
    if (old != NULL)
        drop(s, old);
    else
        make_room(s, now);
    chain_in(s, e);
    list_in(s, e, now);
    s->items++;
    s->memory += entry_size(e);
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
    renew(s, old, now);
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
