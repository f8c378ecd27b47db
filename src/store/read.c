/* SPDX-License-Identifier: MIT
 *
 * What a caller reads back: the rows of a kind by a cursor, which skips those
 * that make no sense; a setting by its key, in the queue first.
 */
#include "store/handle.h"
#include "store/sql.h"

#include <assert.h>
#include <string.h>

#define READ_FAILED "read " STORE_FILE_NAME

/* ---- Lists -------------------------------------------------------------- */

/* A position in a list. */
struct cursor {
    struct store *s;
    enum store_kind kind;
    sqlite3_stmt *st;
    enum error err;
};

static struct cursor cursor_open(struct store *s, enum store_kind kind,
                                 int64_t limit)
{
    struct cursor c = {s, kind, s->tables[kind][STORE_LIST], OK};

    assert(!s->reading);
    s->reading = true;
    c.err = sql_error(s->db, sqlite3_bind_int64(c.st, 1, limit));
    return c;
}

/* The next row that makes sense; false at the end or on an error. */
static bool cursor_next(struct cursor *c, void *row)
{
    while (c->err == OK) {
        int rc = sql_step(c->st);

        c->err = sql_error(c->s->db, rc);
        if (rc != SQLITE_ROW)
            return false;
        if (store_tables[c->kind].read(c->st, row))
            return true;
        c->s->health.skipped++;
    }
    return false;
}

static enum error cursor_close(struct cursor *c)
{
    if (c->err != OK)
        store_failed(c->s, READ_FAILED, c->err);
    sqlite3_reset(c->st);
    c->s->reading = false;
    return c->err;
}

enum error store_each_node(struct store *s, enum store_dht dht, size_t limit,
                           void (*each)(void *ctx, const struct store_node *),
                           void *ctx)
{
    int64_t max = limit > INT64_MAX ? INT64_MAX : (int64_t)limit;
    struct cursor c = cursor_open(s, store_kind_of(STORE_NODES, dht), max);
    struct store_node node;

    while (cursor_next(&c, &node))
        each(ctx, &node);
    return cursor_close(&c);
}

enum error store_each_announcement(
    struct store *s, enum store_dht dht,
    void (*each)(void *ctx, const struct store_announcement *), void *ctx)
{
    struct cursor c =
        cursor_open(s, store_kind_of(STORE_ANNOUNCEMENTS, dht), -1);
    struct store_announcement a;

    while (cursor_next(&c, &a))
        each(ctx, &a);
    return cursor_close(&c);
}

enum error store_each_item(struct store *s, enum store_dht dht,
                           void (*each)(void *ctx, const struct store_item *),
                           void *ctx)
{
    struct cursor c = cursor_open(s, store_kind_of(STORE_ITEMS, dht), -1);
    struct store_item item;

    while (cursor_next(&c, &item))
        each(ctx, &item);
    return cursor_close(&c);
}

enum error store_each_relay(struct store *s, size_t limit,
                            void (*each)(void *ctx, const struct store_relay *),
                            void *ctx)
{
    int64_t max = limit > INT64_MAX ? INT64_MAX : (int64_t)limit;
    struct cursor c = cursor_open(s, STORE_RELAYS, max);
    struct store_relay relay;

    while (cursor_next(&c, &relay))
        each(ctx, &relay);
    return cursor_close(&c);
}

/* ---- Services ----------------------------------------------------------- */

static bool is_of(const char *row, const char *service)
{
    return service == NULL || strcmp(row, service) == 0;
}

enum error store_each_service_point(
    struct store *s, const char *service,
    void (*each)(void *ctx, const struct store_service_point *), void *ctx)
{
    struct cursor c = cursor_open(s, STORE_SERVICE_POINTS, -1);
    struct store_service_point point;

    while (cursor_next(&c, &point))
        if (is_of(point.service, service))
            each(ctx, &point);
    return cursor_close(&c);
}

enum error store_each_service_seq(
    struct store *s, const char *service,
    void (*each)(void *ctx, const struct store_service_seq *), void *ctx)
{
    struct cursor c = cursor_open(s, STORE_SERVICE_SEQS, -1);
    struct store_service_seq seq;

    while (cursor_next(&c, &seq))
        if (is_of(seq.service, service))
            each(ctx, &seq);
    return cursor_close(&c);
}

enum error store_each_vanguards(struct store *s, const char *service,
                                void (*each)(void *ctx,
                                             const struct store_vanguards *),
                                void *ctx)
{
    struct cursor c = cursor_open(s, STORE_VANGUARDS, -1);
    struct store_vanguards set;

    while (cursor_next(&c, &set))
        if (is_of(set.service, service))
            each(ctx, &set);
    return cursor_close(&c);
}

/* ---- Settings ----------------------------------------------------------- */

static enum error copy_setting(const struct store_setting *row, uint8_t *buf,
                               size_t cap, size_t *len)
{
    if (row->len > cap)
        return ERR_NO_SPACE;
    if (row->len > 0)
        memcpy(buf, row->value, row->len);
    *len = row->len;
    return OK;
}

static enum error stored_setting(struct store *s, const struct store_key *key,
                                 struct store_setting *row)
{
    sqlite3_stmt *st = s->tables[STORE_SETTINGS][STORE_FIND];
    int rc = store_bind_key(st, STORE_SETTINGS, key);
    enum error err;

    if (rc == SQLITE_OK)
        rc = sql_step(st);
    err = sql_error(s->db, rc);
    if (err != OK) {
        store_failed(s, READ_FAILED, err);
    } else if (rc != SQLITE_ROW) {
        err = ERR_NOT_FOUND;
    } else if (!store_tables[STORE_SETTINGS].read(st, row)) {
        s->health.skipped++;
        err = ERR_NOT_FOUND;
    }
    sqlite3_reset(st);
    return err;
}

enum error store_get_setting(struct store *s, const char *key, uint8_t *buf,
                             size_t cap, size_t *len)
{
    size_t key_len = strnlen(key, STORE_SETTING_KEY);
    const struct store_change *waiting;
    struct store_setting row;
    struct store_key k;
    enum error err;

    if (key_len == 0 || key_len == STORE_SETTING_KEY)
        return ERR_NOT_FOUND;
    k = store_key_of(key, key_len);
    waiting = store_queue_find(&s->queue, STORE_SETTINGS, &k);
    if (waiting != NULL && waiting->remove)
        return ERR_NOT_FOUND;
    if (waiting != NULL)
        return copy_setting((const void *)waiting->row, buf, cap, len);
    err = stored_setting(s, &k, &row);
    return err == OK ? copy_setting(&row, buf, cap, len) : err;
}
