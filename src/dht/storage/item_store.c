/* SPDX-License-Identifier: MIT
 *
 * The item store. Entries are found by target, in a table that keeps the order
 * of renewal too: its oldest is the first to expire. Beside it they lie in an
 * array, where who makes way is looked for. That is not done for each query of
 * a full store: what was found stands until the store changes, or for
 * LOOK_PAUSE when the asker has not enough of it.
 */
#include "dht/storage/item_store.h"
#include "base/timestamp.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define EXPIRE_MAX   64
#define LOOK_PAUSE   (100 * TIME_MS)
#define FIRST_PLACES 8
#define KEY_BYTES    32
#define SIG_BYTES    64

struct item_entry {
    struct keyed_entry by_target;
    struct id target;
    struct endpoint source; /* who put it first */
    uint32_t place;
    bool mutable_item;
    uint8_t salt_len;
    uint16_t value_len;
    uint64_t renewed_at;
    int64_t seq;
    uint8_t data[]; /* key and signature when mutable, salt, value */
};

/* NULL of NULL: the table's entry is the first member. */
static struct item_entry *of_target(struct keyed_entry *e)
{
    return (struct item_entry *)(void *)e;
}

static struct bytes target_key(const struct keyed_entry *e)
{
    const struct item_entry *item = (const struct item_entry *)(const void *)e;

    return bytes_of(item->target.b, ID_BYTES);
}

void item_store_configure(struct item_store *s,
                          const struct item_store_config *config)
{
    assert(config->max_items > 0 && config->max_per_source > 0);
    assert(config->lifetime > 0);
    s->config = *config;
    s->heaviest = NULL;
}

void item_store_init(struct item_store *s,
                     const struct item_store_config *config,
                     const struct store_home *home,
                     const struct random_source *random)
{
    uint8_t key[KEYED_TABLE_SECRET];

    *s = (struct item_store){.home = home};
    random->fill(random->ctx, key, sizeof(key));
    keyed_table_init(&s->by_target, SIZE_MAX, target_key, key);
    sodium_memzero(key, sizeof(key));
    shares_init(&s->shares, random);
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

static void count_memory(struct item_store *s)
{
    s->memory = s->entries + keyed_table_memory(&s->by_target) +
                s->place_cap * sizeof(struct item_entry *) +
                shares_memory(&s->shares);
}

static enum error reserve_place(struct item_store *s)
{
    size_t cap = s->place_cap == 0 ? FIRST_PLACES : 2 * s->place_cap;
    struct item_entry **places;

    if (s->items < s->place_cap)
        return OK;
    places = realloc(s->places, cap * sizeof(struct item_entry *));
    if (places == NULL)
        return ERR_NO_MEMORY;
    s->places = places;
    s->place_cap = cap;
    return OK;
}

/* ERR_NO_MEMORY. */
static enum error add(struct item_store *s, struct item_entry *e, uint64_t now)
{
    e->renewed_at = now;
    if (reserve_place(s) != OK || shares_add(&s->shares, &e->source) != OK)
        return ERR_NO_MEMORY;
    if (keyed_table_add(&s->by_target, &e->by_target) != OK) {
        shares_remove(&s->shares, &e->source);
        return ERR_NO_MEMORY;
    }
    e->place = s->items;
    s->places[s->items++] = e;
    s->entries += entry_size(e);
    s->heaviest = NULL;
    count_memory(s);
    return OK;
}

static void drop(struct item_store *s, struct item_entry *e)
{
    struct item_entry *last = s->places[--s->items];

    keyed_table_remove(&s->by_target, &e->by_target);
    shares_remove(&s->shares, &e->source);
    last->place = e->place;
    s->places[e->place] = last;
    s->entries -= entry_size(e);
    s->heaviest = NULL;
    free(e);
    if (s->items == 0) {
        free(s->places);
        s->places = NULL;
        s->place_cap = 0;
    }
    count_memory(s);
}

void item_store_deinit(struct item_store *s)
{
    while (s->items > 0)
        drop(s, oldest(s));
    shares_deinit(&s->shares);
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

/* ---- Room -------------------------------------------------------------- */

static struct holding holding_of(const struct item_store *s,
                                 const struct id *target,
                                 const struct endpoint *source, uint64_t used)
{
    return (struct holding){
        .source = *source,
        .used_at = used,
        .doubled = store_far(s->home, target, (enum family)source->family)};
}

static bool tell(const void *store, size_t place, struct holding *out)
{
    const struct item_store *s = store;
    const struct item_entry *e = s->places[place];

    *out = holding_of(s, &e->target, &e->source, e->renewed_at);
    return true;
}

static bool makes_way(const struct item_store *s, const struct item_entry *e,
                      const struct holding *newcomer, uint64_t now)
{
    struct holding h = holding_of(s, &e->target, &e->source, e->renewed_at);

    return shares_yields(&s->shares, &h, newcomer, s->config.lifetime / 2, now);
}

/* In a full store: `heaviest` makes way for the newcomer. */
static bool find_heaviest(struct item_store *s, const struct holding *newcomer,
                          uint64_t now)
{
    size_t place;

    if (s->heaviest != NULL && makes_way(s, s->heaviest, newcomer, now))
        return true;
    if (s->heaviest != NULL && now < s->look_at)
        return false;
    place = shares_heaviest(&s->shares, s->items, tell, s);
    s->heaviest = place == SIZE_MAX ? NULL : s->places[place];
    s->look_at = time_after(now, LOOK_PAUSE);
    return s->heaviest != NULL && makes_way(s, s->heaviest, newcomer, now);
}

static bool may_have_more(const struct item_store *s,
                          const struct endpoint *source)
{
    for (int level = 0; level < SOURCE_LEVELS; level++) {
        if (source_counts(source, level) &&
            shares_count(&s->shares, source, level) >=
                source_allowance(level, s->config.max_per_source,
                                 s->config.max_items))
            return false;
    }
    return true;
}

/* For one more of this source. At the cap `heaviest` makes way. */
static bool has_room(struct item_store *s, const struct id *target,
                     const struct endpoint *source, uint64_t now)
{
    struct holding newcomer = holding_of(s, target, source, now);

    item_store_expire(s, now);
    return may_have_more(s, source) &&
           (s->items < s->config.max_items || find_heaviest(s, &newcomer, now));
}

/* ---- Putting and getting ----------------------------------------------- */

bool item_store_can_store(struct item_store *s, const struct id *target,
                          const struct endpoint *source, uint64_t now)
{
    return find(s, target, now) != NULL || has_room(s, target, source, now);
}

enum error item_store_check(struct item_store *s, const struct id *target,
                            const struct dht_item *item, const int64_t *cas,
                            const struct endpoint *source, uint64_t now)
{
    const struct item_entry *e = find(s, target, now);

    if (item->mutable_item && item->salt.len > DHT_SALT_MAX)
        return ERR_TOO_LARGE;
    if (e == NULL)
        return has_room(s, target, source, now) ? OK : ERR_FULL;
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
    s->heaviest = NULL;
    keyed_table_touch(&s->by_target, &e->by_target);
}

/* `out`, when not NULL, is who makes way; it is gone on success. */
static enum error insert(struct item_store *s, const struct id *target,
                         const struct dht_item *item,
                         const struct endpoint *source, struct item_entry *out,
                         uint64_t now)
{
    struct item_entry *e = entry_new(target, item);

    if (e == NULL)
        return ERR_NO_MEMORY;
    e->source = *source;
    if (add(s, e, now) != OK) {
        free(e);
        return ERR_NO_MEMORY;
    }
    if (out != NULL)
        drop(s, out);
    return OK;
}

/* Where there was no room, `heaviest` makes some. */
static enum error insert_new(struct item_store *s, const struct id *target,
                             const struct dht_item *item,
                             const struct endpoint *source, uint64_t now)
{
    bool full = s->items >= s->config.max_items;
    struct item_entry *out = full ? s->heaviest : NULL;
    enum error e = insert(s, target, item, source, out, now);

    s->evicted += out != NULL && e == OK;
    return e;
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
        return insert_new(s, target, item, source, now);
    if (item->mutable_item && old->mutable_item && item->seq > old->seq)
        return insert(s, target, item, &old->source, old, now);
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
