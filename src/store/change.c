/* SPDX-License-Identifier: MIT
 *
 * What a caller queues: its shape is checked, then it is held against the cap
 * of its kind (`put`), then a copy goes into the queue. A new kind has its cap
 * in cap_of, and a store_put_ and a store_remove_ of its own.
 */
#include "store/handle.h"
#include "store/sql.h"

#include <string.h>

/* Nodes are pruned instead of refused. */
static size_t cap_of(const struct store *s, enum store_kind kind)
{
    switch (kind) {
    case STORE_ANNOUNCEMENTS:
        return s->options.max_announcements;
    case STORE_ITEMS:
        return s->options.max_items;
    case STORE_RELAYS:
        return s->options.max_relays;
    case STORE_SETTINGS:
        return s->options.max_settings;
    case STORE_NODES:
    case STORE_KINDS:
        break;
    }
    return SIZE_MAX;
}

/* False also when it cannot be read: then the cap counts the key as new. */
static bool is_stored(struct store *s, enum store_kind kind,
                      const struct store_key *key)
{
    sqlite3_stmt *st = s->tables[kind][STORE_FIND];
    int rc = store_bind_key(st, kind, key);

    if (rc == SQLITE_OK)
        rc = sql_step(st);
    sqlite3_reset(st);
    return rc == SQLITE_ROW;
}

/* The cap bounds the rows of the last flush and the fresh ones that wait. A key
 * that waits already stays as fresh as it was; one whose removal waits is
 * looked for in the table like any other. */
static enum error put(struct store *s, enum store_kind kind, const void *row)
{
    struct store_key key = store_tables[kind].key(row);
    const struct store_change *old = store_queue_find(&s->queue, kind, &key);
    size_t cap = cap_of(s, kind);
    bool fresh = false;

    if (old != NULL && !old->remove)
        fresh = old->fresh;
    else if (cap != SIZE_MAX && !is_stored(s, kind, &key)) {
        if ((size_t)s->rows[kind] + s->queue.kinds[kind].fresh >= cap)
            return ERR_FULL;
        fresh = true;
    }
    return store_queue_add(&s->queue, kind, &key, row, fresh);
}

static enum error take_away(struct store *s, enum store_kind kind,
                            const struct store_key *key)
{
    return store_queue_add(&s->queue, kind, key, NULL, false);
}

enum error store_put_node(struct store *s, const struct store_node *node)
{
    if (node->endpoint.port == 0)
        return ERR_RANGE;
    return put(s, STORE_NODES, node);
}

enum error store_put_announcement(struct store *s,
                                  const struct store_announcement *a)
{
    if (a->port == 0 && !a->implied_port)
        return ERR_RANGE;
    return put(s, STORE_ANNOUNCEMENTS, a);
}

enum error store_put_item(struct store *s, const struct store_item *item)
{
    if (item->salt_len > STORE_SALT_MAX || item->value.len == 0 ||
        item->value.len > sizeof(item->value.mp))
        return ERR_RANGE;
    return put(s, STORE_ITEMS, item);
}

static bool is_time(uint64_t t)
{
    return t <= INT64_MAX;
}

enum error store_put_relay(struct store *s, const struct store_relay *relay)
{
    if (relay->text_len == 0 || relay->text_len > STORE_RELAY_TEXT ||
        !is_time(relay->record.first_seen) ||
        !is_time(relay->record.last_seen) ||
        !is_time(relay->record.guard_since) ||
        !is_time(relay->record.guard_until) ||
        !is_time(relay->record.measured_at) || !is_time(relay->record.rtt))
        return ERR_RANGE;
    return put(s, STORE_RELAYS, relay);
}

static bool is_setting_key(const char *key)
{
    size_t len = strnlen(key, STORE_SETTING_KEY);

    return len > 0 && len < STORE_SETTING_KEY;
}

enum error store_put_setting(struct store *s, const char *key,
                             struct bytes value)
{
    struct store_setting row = {.len = 0};

    if (!is_setting_key(key) || value.len > sizeof(row.value))
        return ERR_TOO_LARGE;
    memcpy(row.key, key, strlen(key));
    if (value.len > 0)
        memcpy(row.value, value.p, value.len);
    row.len = (uint16_t)value.len;
    return put(s, STORE_SETTINGS, &row);
}

enum error store_remove_node(struct store *s, const struct endpoint *endpoint)
{
    struct store_node node = {.endpoint = *endpoint};
    struct store_key key = store_tables[STORE_NODES].key(&node);

    return take_away(s, STORE_NODES, &key);
}

enum error store_remove_announcement(struct store *s,
                                     const struct id *info_hash)
{
    struct store_key key = store_key_of(info_hash->b, ID_BYTES);

    return take_away(s, STORE_ANNOUNCEMENTS, &key);
}

enum error store_remove_item(struct store *s, const struct id *target)
{
    struct store_key key = store_key_of(target->b, ID_BYTES);

    return take_away(s, STORE_ITEMS, &key);
}

enum error store_remove_relay(struct store *s,
                              const uint8_t identity[STORE_KEY_SIZE])
{
    struct store_key key = store_key_of(identity, STORE_KEY_SIZE);

    return take_away(s, STORE_RELAYS, &key);
}

enum error store_remove_setting(struct store *s, const char *key)
{
    struct store_key k;

    if (!is_setting_key(key))
        return ERR_TOO_LARGE;
    k = store_key_of(key, strlen(key));
    return take_away(s, STORE_SETTINGS, &k);
}

static bool has(struct store *s, enum store_kind kind,
                const struct store_key *key)
{
    const struct store_change *queued = store_queue_find(&s->queue, kind, key);

    return queued != NULL ? !queued->remove : is_stored(s, kind, key);
}

bool store_has_announcement(struct store *s, const struct id *info_hash)
{
    struct store_key key = store_key_of(info_hash->b, ID_BYTES);

    return has(s, STORE_ANNOUNCEMENTS, &key);
}

bool store_has_item(struct store *s, const struct id *target)
{
    struct store_key key = store_key_of(target->b, ID_BYTES);

    return has(s, STORE_ITEMS, &key);
}

bool store_queues_announcement(const struct store *s,
                               const struct id *info_hash)
{
    struct store_key key = store_key_of(info_hash->b, ID_BYTES);

    return store_queue_find(&s->queue, STORE_ANNOUNCEMENTS, &key) != NULL;
}

bool store_queues_item(const struct store *s, const struct id *target)
{
    struct store_key key = store_key_of(target->b, ID_BYTES);

    return store_queue_find(&s->queue, STORE_ITEMS, &key) != NULL;
}
