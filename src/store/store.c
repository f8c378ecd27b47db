/* SPDX-License-Identifier: MIT
 *
 * The life of a store, and the flush: everything that waits in the queue
 * becomes one transaction, after which the queue is empty; when it fails the
 * queue stays as it is. What is queued comes from change.c, what is read back
 * from read.c.
 */
#include "store/store.h"

#include "store/file.h"
#include "store/handle.h"
#include "store/sql.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* ---- Options ------------------------------------------------------------ */

static const struct store_options defaults = {
    .max_nodes = 10000,
    .max_announcements = {1000, 1000},
    .max_items = {1000, 1000},
    .max_relays = 5000,
    .max_settings = 256,
    .max_services = 1024,
    .queue_bytes = 2 << 20,
    .busy_ms = 50,
};

static void fill_in(size_t *value, size_t fallback)
{
    if (*value == 0)
        *value = fallback;
    if (*value > INT32_MAX)
        *value = INT32_MAX;
}

static struct store_options with_defaults(const struct store_options *given)
{
    struct store_options o = given != NULL ? *given : defaults;

    fill_in(&o.max_nodes, defaults.max_nodes);
    for (int d = 0; d < STORE_DHTS; d++) {
        fill_in(&o.max_announcements[d], defaults.max_announcements[d]);
        fill_in(&o.max_items[d], defaults.max_items[d]);
    }
    fill_in(&o.max_relays, defaults.max_relays);
    fill_in(&o.max_settings, defaults.max_settings);
    fill_in(&o.max_services, defaults.max_services);
    fill_in(&o.queue_bytes, defaults.queue_bytes);
    if (o.busy_ms == 0)
        o.busy_ms = defaults.busy_ms;
    return o;
}

/* ---- Health ------------------------------------------------------------- */

enum error store_failed(struct store *s, const char *what, enum error err)
{
    struct store_health *h = &s->health;
    char why[160];

    sql_describe(s->db, why, sizeof(why));
    snprintf(h->text, sizeof(h->text), "cannot %s: %s", what, why);
    h->error = err;
    h->failures++;
    if (h->ok) {
        h->ok = false;
        h->failing_since = s->wall;
    }
    return err;
}

/* ---- Opening and closing ------------------------------------------------ */

/* All but the newest ?1. */
#define PRUNE(table)                                                       \
    "DELETE FROM " table " WHERE endpoint IN (SELECT endpoint FROM " table \
    " ORDER BY batch DESC, last_seen DESC, endpoint LIMIT -1 OFFSET ?1)"

static const char *const extra_sql[STORE_EXTRAS] = {
    [STORE_BEGIN] = "BEGIN IMMEDIATE",
    [STORE_COMMIT] = "COMMIT",
    [STORE_PRUNE] = PRUNE("node"),
    [STORE_PRUNE_MAINLINE] = PRUNE("mainline_node"),
};

static enum error prepare_all(struct store *s)
{
    enum error err = OK;

    for (int k = 0; k < STORE_KINDS; k++) {
        for (int op = 0; op < STORE_OPS && err == OK; op++)
            err =
                sql_prepare(s->db, store_tables[k].sql[op], &s->tables[k][op]);
    }
    for (int i = 0; i < STORE_EXTRAS && err == OK; i++)
        err = sql_prepare(s->db, extra_sql[i], &s->extras[i]);
    return err;
}

static enum error count_rows(struct store *s, int64_t rows[STORE_KINDS])
{
    enum error err = OK;

    for (int k = 0; k < STORE_KINDS && err == OK; k++)
        err = sql_run_int(s->tables[k][STORE_COUNT], &rows[k]);
    return err;
}

/* Numbers of flushes go on where the last run ended. */
static enum error find_batch(struct store *s)
{
    int64_t last;
    enum error err =
        sql_get_int(s->db,
                    "SELECT max((SELECT coalesce(max(batch), 0) FROM node), "
                    "(SELECT coalesce(max(batch), 0) FROM mainline_node))",
                    &last);

    if (err == OK)
        s->batch = last < INT64_MAX ? last + 1 : last;
    return err;
}

enum error store_open(const char *dir, const struct store_options *options,
                      struct store **out, struct store_report *report)
{
    struct store_report own;
    struct store *s = sqlite3_malloc64(sizeof(*s));
    enum error err;

    report = report != NULL ? report : &own;
    if (s == NULL) {
        *report = (struct store_report){.text = "cannot open " STORE_FILE_NAME
                                                ": out of memory"};
        return ERR_NO_MEMORY;
    }
    *s = (struct store){.options = with_defaults(options),
                        .health = {.ok = true}};
    s->wall = s->options.wall;
    store_queue_init(&s->queue, s->options.queue_bytes);
    err = store_file_open(dir, &s->options, &s->db, report);
    if (err != OK)
        goto out;
    err = prepare_all(s);
    if (err == OK)
        err = count_rows(s, s->rows);
    if (err == OK)
        err = find_batch(s);
    if (err != OK) {
        store_failed(s, "read " STORE_FILE_NAME, err);
        memcpy(report->text, s->health.text, sizeof(report->text));
        goto out;
    }
    *out = s;
    return OK;
out:
    store_close(s);
    return err;
}

void store_configure(struct store *s, const struct store_options *options)
{
    struct store_options o = with_defaults(options);

    s->options.max_nodes = o.max_nodes;
    memcpy(s->options.max_announcements, o.max_announcements,
           sizeof(o.max_announcements));
    memcpy(s->options.max_items, o.max_items, sizeof(o.max_items));
    s->options.max_relays = o.max_relays;
    s->options.max_settings = o.max_settings;
    s->options.max_services = o.max_services;
}

void store_close(struct store *s)
{
    if (s == NULL)
        return;
    assert(!s->reading);
    for (int k = 0; k < STORE_KINDS; k++) {
        for (int op = 0; op < STORE_OPS; op++)
            sqlite3_finalize(s->tables[k][op]);
    }
    for (int i = 0; i < STORE_EXTRAS; i++)
        sqlite3_finalize(s->extras[i]);
    sqlite3_close(s->db);
    store_queue_deinit(&s->queue);
    sqlite3_free(s);
}

/* ---- Flushing ----------------------------------------------------------- */

static enum error write_change(struct store *s, const struct store_change *c)
{
    enum store_op op = c->remove ? STORE_REMOVE : STORE_PUT;
    sqlite3_stmt *st = s->tables[c->kind][op];
    int rc = store_bind_key(st, c->kind, &c->key);

    if (rc == SQLITE_OK && !c->remove)
        rc = store_tables[c->kind].bind(st, c->row, s->batch);
    if (rc != SQLITE_OK)
        return sql_error(s->db, rc);
    return sql_run(st);
}

/* Brings the nodes of a DHT back under their cap: the newest stay. */
static enum error prune(struct store *s, enum store_dht dht, uint64_t *pruned)
{
    enum store_kind kind = store_kind_of(STORE_NODES, dht);
    sqlite3_stmt *st = s->extras[STORE_PRUNE + dht];
    int64_t max = (int64_t)s->options.max_nodes, rows;
    enum error err;

    if (s->queue.kinds[kind].table.count == 0)
        return OK;
    err = sql_run_int(s->tables[kind][STORE_COUNT], &rows);
    if (err != OK || rows <= max)
        return err;
    err = sql_error(s->db, sqlite3_bind_int64(st, 1, max));
    if (err == OK)
        err = sql_run(st);
    if (err == OK)
        *pruned += (uint64_t)sqlite3_changes64(s->db);
    return err;
}

/* What a transaction did; published when it is committed. */
struct written {
    uint64_t pruned;
    int64_t rows[STORE_KINDS];
};

/* All within one transaction: a failure leaves it open for a ROLLBACK. */
static enum error write_all(struct store *s, struct written *w)
{
    enum error err = sql_run(s->extras[STORE_BEGIN]);

    for (int k = 0; k < STORE_KINDS; k++) {
        const struct store_change *c =
            store_queue_oldest(&s->queue, (enum store_kind)k);

        for (; c != NULL && err == OK; c = store_queue_next(c))
            err = write_change(s, c);
    }
    for (int d = 0; d < STORE_DHTS && err == OK; d++)
        err = prune(s, (enum store_dht)d, &w->pruned);
    if (err == OK)
        err = count_rows(s, w->rows);
    if (err == OK)
        err = sql_run(s->extras[STORE_COMMIT]);
    return err;
}

static bool removes_points(const struct store *s)
{
    const struct store_change *c =
        store_queue_oldest(&s->queue, STORE_SERVICE_POINTS);

    while (c != NULL && !c->remove)
        c = store_queue_next(c);
    return c != NULL;
}

/* The row of a point that is over is overwritten in the file, but the WAL may
 * have it from when it was written. A failure is tried again with the next
 * one: the changes themselves are safe. */
static void wipe_wal(struct store *s)
{
    (void)sql_exec(s->db, "PRAGMA wal_checkpoint(TRUNCATE)");
}

enum error store_flush(struct store *s, int64_t wall)
{
    struct written w = {.pruned = 0};
    enum error err;
    bool wiped;

    assert(!s->reading);
    s->wall = wall;
    if (s->queue.count == 0 && s->health.ok)
        return OK;
    err = write_all(s, &w);
    if (err != OK) {
        store_failed(s, "write to " STORE_FILE_NAME, err);
        /* A COMMIT whose failure left the changes in the file does no harm:
         * writing them again gives the same rows. */
        if (sqlite3_get_autocommit(s->db) == 0)
            sql_exec(s->db, "ROLLBACK");
        return err;
    }
    wiped = removes_points(s);
    store_queue_clear(&s->queue);
    if (wiped)
        wipe_wal(s);
    s->batch += s->batch < INT64_MAX;
    s->health.flushes++;
    s->health.pruned += w.pruned;
    memcpy(s->rows, w.rows, sizeof(s->rows));
    s->health.ok = true;
    s->health.failing_since = 0;
    return OK;
}

static size_t count_of(const struct store *s, enum store_kind first, int dht)
{
    return (size_t)s->rows[store_kind_of(first, (enum store_dht)dht)];
}

void store_get_health(const struct store *s, struct store_health *out)
{
    *out = s->health;
    out->dropped = s->queue.dropped;
    out->queued = s->queue.count;
    out->queued_bytes = s->queue.bytes;
    for (int d = 0; d < STORE_DHTS; d++) {
        out->nodes[d] = count_of(s, STORE_NODES, d);
        out->announcements[d] = count_of(s, STORE_ANNOUNCEMENTS, d);
        out->items[d] = count_of(s, STORE_ITEMS, d);
    }
    out->relays = (size_t)s->rows[STORE_RELAYS];
    out->settings = (size_t)s->rows[STORE_SETTINGS];
    out->services =
        (size_t)(s->rows[STORE_SERVICE_POINTS] + s->rows[STORE_SERVICE_SEQS] +
                 s->rows[STORE_VANGUARDS]);
}
