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
        return s->options.max_announcements[STORE_DHT];
    case STORE_MAINLINE_ANNOUNCEMENTS:
        return s->options.max_announcements[STORE_MAINLINE];
    case STORE_ITEMS:
        return s->options.max_items[STORE_DHT];
    case STORE_MAINLINE_ITEMS:
        return s->options.max_items[STORE_MAINLINE];
    case STORE_RELAYS:
        return s->options.max_relays;
    case STORE_SETTINGS:
        return s->options.max_settings;
    case STORE_SERVICE_POINTS:
    case STORE_SERVICE_SEQS:
    case STORE_VANGUARDS:
        return s->options.max_services;
    case STORE_NODES:
    case STORE_MAINLINE_NODES:
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

enum error store_put_node(struct store *s, enum store_dht dht,
                          const struct store_node *node)
{
    if (node->endpoint.port == 0)
        return ERR_RANGE;
    return put(s, store_kind_of(STORE_NODES, dht), node);
}

enum error store_put_announcement(struct store *s, enum store_dht dht,
                                  const struct store_announcement *a)
{
    if (a->port == 0 && !a->implied_port)
        return ERR_RANGE;
    return put(s, store_kind_of(STORE_ANNOUNCEMENTS, dht), a);
}

enum error store_put_item(struct store *s, enum store_dht dht,
                          const struct store_item *item)
{
    if (item->salt_len > STORE_SALT_MAX || item->value.len == 0 ||
        item->value.len > sizeof(item->value.mp))
        return ERR_RANGE;
    return put(s, store_kind_of(STORE_ITEMS, dht), item);
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

static bool is_service(const char name[STORE_SERVICE_SIZE])
{
    size_t len = strnlen(name, STORE_SERVICE_SIZE);

    return len > 0 && len < STORE_SERVICE_SIZE;
}

enum error store_put_service_point(struct store *s,
                                   const struct store_service_point *point)
{
    if (!is_service(point->service) || !endpoint_is_usable(&point->endpoint) ||
        !is_time(point->since) || !is_time(point->until) ||
        !is_time(point->introductions))
        return ERR_RANGE;
    return put(s, STORE_SERVICE_POINTS, point);
}

enum error store_put_service_seq(struct store *s,
                                 const struct store_service_seq *seq)
{
    if (!is_service(seq->service) || seq->seq < 0)
        return ERR_RANGE;
    return put(s, STORE_SERVICE_SEQS, seq);
}

enum error store_put_vanguards(struct store *s,
                               const struct store_vanguards *set)
{
    if (strnlen(set->service, STORE_SERVICE_SIZE) == STORE_SERVICE_SIZE ||
        set->count == 0 || set->count > STORE_VANGUARDS_MAX)
        return ERR_RANGE;
    for (unsigned i = 0; i < set->count; i++)
        if (!is_time(set->list[i].since) || !is_time(set->list[i].until))
            return ERR_RANGE;
    return put(s, STORE_VANGUARDS, set);
}

enum error store_remove_node(struct store *s, enum store_dht dht,
                             const struct endpoint *endpoint)
{
    struct store_node node = {.endpoint = *endpoint};
    struct store_key key = store_tables[STORE_NODES].key(&node);

    return take_away(s, store_kind_of(STORE_NODES, dht), &key);
}

enum error store_remove_announcement(struct store *s, enum store_dht dht,
                                     const struct id *info_hash)
{
    struct store_key key = store_key_of(info_hash->b, ID_BYTES);

    return take_away(s, store_kind_of(STORE_ANNOUNCEMENTS, dht), &key);
}

enum error store_remove_item(struct store *s, enum store_dht dht,
                             const struct id *target)
{
    struct store_key key = store_key_of(target->b, ID_BYTES);

    return take_away(s, store_kind_of(STORE_ITEMS, dht), &key);
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

enum error store_remove_service_point(struct store *s, const char *service,
                                      const uint8_t relay[STORE_KEY_SIZE])
{
    struct store_service_point point = {.since = 0};
    struct store_key k;

    if (!is_service(service))
        return ERR_RANGE;
    memcpy(point.service, service, strlen(service) + 1);
    memcpy(point.relay, relay, STORE_KEY_SIZE);
    k = store_tables[STORE_SERVICE_POINTS].key(&point);
    return take_away(s, STORE_SERVICE_POINTS, &k);
}

/* ---- Services as a whole ------------------------------------------------ */

/* Rows to forget: of a service, or seqs before a period. */
struct forgetting {
    struct store *s;
    const char *service; /* NULL: of all */
    uint32_t before;
    enum error err;
};

static void forget(struct forgetting *f, enum store_kind kind, const void *row)
{
    struct store_key k = store_tables[kind].key(row);
    enum error err = take_away(f->s, kind, &k);

    if (f->err == OK)
        f->err = err;
}

static void forget_point(void *ctx, const struct store_service_point *point)
{
    forget(ctx, STORE_SERVICE_POINTS, point);
}

static void forget_seq(void *ctx, const struct store_service_seq *seq)
{
    struct forgetting *f = ctx;

    if (seq->period < f->before)
        forget(f, STORE_SERVICE_SEQS, seq);
}

/* What waits to be written, and is not in the file yet. */
static void forget_queued(struct forgetting *f, enum store_kind kind)
{
    const struct store_change *c = store_queue_oldest(&f->s->queue, kind);

    while (c != NULL) {
        const struct store_change *next = store_queue_next(c);
        const struct store_service_seq *seq = (const void *)c->row;
        bool ours = !c->remove;

        if (ours && f->service != NULL)
            ours = c->key.len > strlen(f->service) &&
                   strcmp((const char *)c->key.b, f->service) == 0;
        if (ours && kind == STORE_SERVICE_SEQS)
            ours = seq->period < f->before;
        if (ours)
            forget(f, kind, c->row);
        c = next;
    }
}

enum error store_forget_service(struct store *s, const char *service)
{
    struct forgetting f = {s, service, UINT32_MAX, OK};
    struct store_vanguards set = {.count = 0};
    enum error err;

    if (!is_service(service))
        return ERR_RANGE;
    memcpy(set.service, service, strlen(service) + 1);
    forget(&f, STORE_VANGUARDS, &set);
    forget_queued(&f, STORE_SERVICE_POINTS);
    forget_queued(&f, STORE_SERVICE_SEQS);
    err = store_each_service_point(s, service, forget_point, &f);
    if (err == OK)
        err = store_each_service_seq(s, service, forget_seq, &f);
    return err != OK ? err : f.err;
}

enum error store_forget_seqs(struct store *s, uint32_t before)
{
    struct forgetting f = {s, NULL, before, OK};
    enum error err;

    forget_queued(&f, STORE_SERVICE_SEQS);
    err = store_each_service_seq(s, NULL, forget_seq, &f);
    return err != OK ? err : f.err;
}

static bool has(struct store *s, enum store_kind kind,
                const struct store_key *key)
{
    const struct store_change *queued = store_queue_find(&s->queue, kind, key);

    return queued != NULL ? !queued->remove : is_stored(s, kind, key);
}

bool store_has_announcement(struct store *s, enum store_dht dht,
                            const struct id *info_hash)
{
    struct store_key key = store_key_of(info_hash->b, ID_BYTES);

    return has(s, store_kind_of(STORE_ANNOUNCEMENTS, dht), &key);
}

bool store_has_item(struct store *s, enum store_dht dht,
                    const struct id *target)
{
    struct store_key key = store_key_of(target->b, ID_BYTES);

    return has(s, store_kind_of(STORE_ITEMS, dht), &key);
}

bool store_queues_announcement(const struct store *s, enum store_dht dht,
                               const struct id *info_hash)
{
    struct store_key key = store_key_of(info_hash->b, ID_BYTES);

    return store_queue_find(&s->queue, store_kind_of(STORE_ANNOUNCEMENTS, dht),
                            &key) != NULL;
}

bool store_queues_item(const struct store *s, enum store_dht dht,
                       const struct id *target)
{
    struct store_key key = store_key_of(target->b, ID_BYTES);

    return store_queue_find(&s->queue, store_kind_of(STORE_ITEMS, dht), &key) !=
           NULL;
}
