/* SPDX-License-Identifier: MIT
 *
 * Items that others have put here (BEP 44), each in one allocation of its
 * exact size. Signatures are not looked at: the caller asks item_store_check,
 * which is cheap, then verifies, then puts.
 *
 * Caps: a host stores max_per_source items, and wider sources their allowance
 * of that (base/source.h); what is beyond is refused (ERR_FULL). At max_items
 * the biggest holder's oldest makes way for who holds less, and what is far
 * before what is near (base/table/shares.h, store_home.h); of those who hold as
 * little as the newcomer, one that was not renewed for half of the lifetime
 * (its owner, who renews every hour, has gone). Else the new one is refused.
 *
 * An item counts for the source that put it first.
 */
#ifndef WARREN_DHT_STORAGE_ITEM_STORE_H
#define WARREN_DHT_STORAGE_ITEM_STORE_H

#include "base/bytes.h"
#include "base/endpoint.h"
#include "base/error.h"
#include "base/id.h"
#include "base/random_source.h"
#include "base/table/keyed_table.h"
#include "base/table/shares.h"
#include "dht/storage/store_home.h"
#include "dht/types/dht_item.h"
#include "wire/krpc/dht_message.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct item_store_config { /* nothing may be 0 */
    unsigned max_items, max_per_source;
    uint64_t lifetime; /* ns */
};

struct item_entry;

struct item_store {
    struct item_store_config config;
    const struct store_home *home; /* may be NULL */
    unsigned items;
    struct keyed_table by_target; /* in the order of renewal */
    struct item_entry **places;   /* in no order, for shares */
    size_t place_cap;
    struct shares shares;
    /* The heaviest, as found last; NULL when the store has changed since. For
     * whom it does not make way another is looked for, but not before look_at
     * again. */
    struct item_entry *heaviest;
    uint64_t look_at;
    uint64_t evicted; /* items that made room for others, ever */
    size_t entries;   /* bytes of all items */
    size_t memory;    /* and of the tables: all that is allocated */
};

/* `home` is to outlive the store; NULL: all is near. */
void item_store_init(struct item_store *s,
                     const struct item_store_config *config,
                     const struct store_home *home,
                     const struct random_source *random);
void item_store_deinit(struct item_store *s);

/* New caps and lifetime. What is above a new cap stays until it expires. */
void item_store_configure(struct item_store *s,
                          const struct item_store_config *config);

/* Whether a put from this source to this target would find room: for tokens. */
bool item_store_can_store(struct item_store *s, const struct id *target,
                          const struct endpoint *source, uint64_t now);

/* Whether item_store_put would succeed: ERR_CAS `cas` (may be NULL) is not the
 * seq that is stored; ERR_SEQ a newer seq is stored, or another value with
 * this seq; ERR_FULL. */
enum error item_store_check(struct item_store *s, const struct id *target,
                            const struct dht_item *item, const int64_t *cas,
                            const struct endpoint *source, uint64_t now);

/* Stores, replaces or renews a verified item whose target is `target`.
 * As above, and ERR_NO_MEMORY. */
enum error item_store_put(struct item_store *s, const struct id *target,
                          const struct dht_item *item, const int64_t *cas,
                          const struct endpoint *source, uint64_t now);

/* Views into the store, valid until it changes. */
struct item_view {
    bool mutable_item;
    const uint8_t *key;       /* 32 bytes; NULL when immutable */
    const uint8_t *signature; /* 64 bytes; NULL when immutable */
    int64_t seq;
    struct bytes salt;
    struct bytes value; /* canonical msgpack */
};

bool item_store_get(const struct item_store *s, const struct id *target,
                    uint64_t now, struct item_view *out);

/* Puts our item under the query's target into the answer `m`, if there is one
 * that the asker does not have (BEP 44); its fields are views of the store. */
void item_store_answer(const struct item_store *s,
                       const struct dht_message *query, uint64_t now,
                       struct dht_message *m);

/* Frees what has expired, at most 64 at a time; TIME_NEVER when empty. */
void item_store_expire(struct item_store *s, uint64_t now);
uint64_t item_store_next_deadline(const struct item_store *s);

#endif
