/* SPDX-License-Identifier: MIT
 *
 * For each kind of row its key, how it is bound, how it is read, and its SQL.
 * Columns are named in the SQL alone: STORE_PUT has the key first and the
 * others in the order in which bind_* puts them, STORE_FIND and STORE_LIST have
 * them in that in which read_* takes them. A new kind is a row of the enum
 * store_kind, a struct in store.h, an entry here, a migration (schema.c) and a
 * cap (change.c).
 */
#include "store/table.h"

#include <assert.h>
#include <string.h>

/* ---- Keys, parameters, columns ------------------------------------------ */

struct store_key store_key_of(const void *p, size_t len)
{
    struct store_key key = {.len = (uint8_t)len};

    assert(len <= sizeof(key.b));
    memcpy(key.b, p, len);
    return key;
}

int store_bind_key(sqlite3_stmt *st, enum store_kind kind,
                   const struct store_key *key)
{
    if (store_tables[kind].text_key)
        return sqlite3_bind_text(st, 1, (const char *)key->b, key->len,
                                 SQLITE_STATIC);
    return sqlite3_bind_blob(st, 1, key->b, key->len, SQLITE_STATIC);
}

/* Parameters one after the other; the first failure sticks. */
struct binder {
    sqlite3_stmt *st;
    int at; /* the last one bound */
    int rc;
};

static void put_int(struct binder *b, int64_t v)
{
    if (b->rc == SQLITE_OK)
        b->rc = sqlite3_bind_int64(b->st, ++b->at, v);
}

/* An empty blob is not NULL, whatever `p` is. */
static void put_blob(struct binder *b, const void *p, size_t len)
{
    if (b->rc == SQLITE_OK)
        b->rc = sqlite3_bind_blob(b->st, ++b->at, len == 0 ? "" : p, (int)len,
                                  SQLITE_STATIC);
}

static void put_null(struct binder *b)
{
    if (b->rc == SQLITE_OK)
        b->rc = sqlite3_bind_null(b->st, ++b->at);
}

/* Columns one after the other; the first that does not fit sticks. */
struct taker {
    sqlite3_stmt *st;
    int at; /* the next one */
    bool bad;
};

static int64_t take_int(struct taker *t, int64_t min, int64_t max)
{
    int64_t v = sqlite3_column_int64(t->st, t->at);

    if (sqlite3_column_type(t->st, t->at++) != SQLITE_INTEGER || v < min ||
        v > max)
        t->bad = true;
    return t->bad ? min : v;
}

/* A blob of `min` to `max` bytes into `out`; its length. */
static size_t take_blob(struct taker *t, void *out, size_t min, size_t max)
{
    int type = sqlite3_column_type(t->st, t->at);
    const void *p = sqlite3_column_blob(t->st, t->at);
    size_t len = (size_t)sqlite3_column_bytes(t->st, t->at++);

    if (type != SQLITE_BLOB || len < min || len > max || (p == NULL && len > 0))
        t->bad = true;
    if (t->bad)
        return 0;
    if (len > 0)
        memcpy(out, p, len);
    return len;
}

/* ---- Nodes -------------------------------------------------------------- */

static struct store_key node_key(const void *row)
{
    const struct store_node *n = row;
    uint8_t compact[ENDPOINT_COMPACT_MAX];

    return store_key_of(compact, endpoint_write_compact(&n->endpoint, compact));
}

static int bind_node(sqlite3_stmt *st, const void *row, int64_t batch)
{
    const struct store_node *n = row;
    struct binder b = {.st = st, .at = 1};

    put_blob(&b, n->id.b, ID_BYTES);
    put_int(&b, n->last_seen);
    put_int(&b, batch);
    return b.rc;
}

static bool read_node(sqlite3_stmt *st, void *row)
{
    struct taker t = {.st = st};
    struct store_node *n = row;
    uint8_t compact[ENDPOINT_COMPACT_MAX];
    size_t len = take_blob(&t, compact, 1, sizeof(compact));

    *n = (struct store_node){.last_seen = 0};
    if (t.bad ||
        endpoint_read_compact(bytes_of(compact, len), &n->endpoint) != OK)
        return false;
    take_blob(&t, n->id.b, ID_BYTES, ID_BYTES);
    n->last_seen = take_int(&t, INT64_MIN, INT64_MAX);
    return !t.bad;
}

/* ---- Announcements ------------------------------------------------------ */

static struct store_key announcement_key(const void *row)
{
    const struct store_announcement *a = row;

    return store_key_of(a->info_hash.b, ID_BYTES);
}

static int bind_announcement(sqlite3_stmt *st, const void *row, int64_t batch)
{
    const struct store_announcement *a = row;
    struct binder b = {.st = st, .at = 1};

    (void)batch;
    put_int(&b, a->port);
    put_int(&b, a->implied_port);
    put_int(&b, a->since);
    put_int(&b, a->seed);
    return b.rc;
}

static bool read_announcement(sqlite3_stmt *st, void *row)
{
    struct taker t = {.st = st};
    struct store_announcement *a = row;

    *a = (struct store_announcement){.port = 0};
    take_blob(&t, a->info_hash.b, ID_BYTES, ID_BYTES);
    a->port = (uint16_t)take_int(&t, 0, UINT16_MAX);
    a->implied_port = take_int(&t, 0, 1) != 0;
    a->since = take_int(&t, INT64_MIN, INT64_MAX);
    a->seed = take_int(&t, 0, 1) != 0;
    return !t.bad && (a->port != 0 || a->implied_port);
}

/* ---- Items -------------------------------------------------------------- */

static struct store_key item_key(const void *row)
{
    const struct store_item *i = row;

    return store_key_of(i->target.b, ID_BYTES);
}

static int bind_item(sqlite3_stmt *st, const void *row, int64_t batch)
{
    const struct store_item *i = row;
    struct binder b = {.st = st, .at = 1};

    (void)batch;
    put_blob(&b, i->value.mp, i->value.len);
    put_int(&b, i->since);
    if (i->is_mutable) {
        put_blob(&b, i->key, STORE_KEY_SIZE);
        put_blob(&b, i->signature, STORE_SIG_SIZE);
        put_int(&b, i->seq);
        put_blob(&b, i->salt, i->salt_len);
    } else {
        for (int n = 0; n < 4; n++)
            put_null(&b);
    }
    return b.rc;
}

static bool read_item(sqlite3_stmt *st, void *row)
{
    struct taker t = {.st = st};
    struct store_item *i = row;

    *i = (struct store_item){.seq = 0};
    take_blob(&t, i->target.b, ID_BYTES, ID_BYTES);
    i->value.len = (uint16_t)take_blob(&t, i->value.mp, 1, sizeof(i->value.mp));
    i->since = take_int(&t, INT64_MIN, INT64_MAX);
    i->is_mutable = sqlite3_column_type(st, t.at) != SQLITE_NULL;
    if (i->is_mutable) {
        take_blob(&t, i->key, STORE_KEY_SIZE, STORE_KEY_SIZE);
        take_blob(&t, i->signature, STORE_SIG_SIZE, STORE_SIG_SIZE);
        i->seq = take_int(&t, INT64_MIN, INT64_MAX);
        i->salt_len = (uint8_t)take_blob(&t, i->salt, 0, STORE_SALT_MAX);
    }
    return !t.bad;
}

/* ---- Relays ------------------------------------------------------------- */

static struct store_key relay_key(const void *row)
{
    const struct store_relay *r = row;

    return store_key_of(r->identity, STORE_KEY_SIZE);
}

static int bind_relay(sqlite3_stmt *st, const void *row, int64_t batch)
{
    const struct store_relay *r = row;
    struct binder b = {.st = st, .at = 1};

    (void)batch;
    put_blob(&b, r->text, r->text_len);
    put_int(&b, (int64_t)r->record.first_seen);
    put_int(&b, (int64_t)r->record.last_seen);
    put_int(&b, (int64_t)r->record.guard_since);
    put_int(&b, (int64_t)r->record.guard_until);
    put_int(&b, (int64_t)r->record.rtt);
    put_int(&b, r->record.capacity);
    put_int(&b, r->record.failures);
    put_int(&b, (int64_t)r->record.measured_at);
    return b.rc;
}

static bool read_relay(sqlite3_stmt *st, void *row)
{
    struct taker t = {.st = st};
    struct store_relay *r = row;

    *r = (struct store_relay){.text_len = 0};
    take_blob(&t, r->identity, STORE_KEY_SIZE, STORE_KEY_SIZE);
    r->text_len = (uint16_t)take_blob(&t, r->text, 1, sizeof(r->text));
    r->record.first_seen = (uint64_t)take_int(&t, 0, INT64_MAX);
    r->record.last_seen = (uint64_t)take_int(&t, 0, INT64_MAX);
    r->record.guard_since = (uint64_t)take_int(&t, 0, INT64_MAX);
    r->record.guard_until = (uint64_t)take_int(&t, 0, INT64_MAX);
    r->record.rtt = (uint64_t)take_int(&t, 0, INT64_MAX);
    r->record.capacity = (uint32_t)take_int(&t, 0, UINT32_MAX);
    r->record.failures = (uint16_t)take_int(&t, 0, UINT16_MAX);
    r->record.measured_at = (uint64_t)take_int(&t, 0, INT64_MAX);
    return !t.bad;
}

/* ---- Settings ----------------------------------------------------------- */

static struct store_key setting_key(const void *row)
{
    const struct store_setting *s = row;

    return store_key_of(s->key, strlen(s->key));
}

static int bind_setting(sqlite3_stmt *st, const void *row, int64_t batch)
{
    const struct store_setting *s = row;
    struct binder b = {.st = st, .at = 1};

    (void)batch;
    put_blob(&b, s->value, s->len);
    return b.rc;
}

/* Settings are found by their key, which the reader has. */
static bool read_setting(sqlite3_stmt *st, void *row)
{
    struct taker t = {.st = st, .at = 1};
    struct store_setting *s = row;

    *s = (struct store_setting){.len = 0};
    s->len = (uint16_t)take_blob(&t, s->value, 0, sizeof(s->value));
    return !t.bad;
}

/* ---- Services ----------------------------------------------------------- */

_Static_assert(STORE_SERVICE_SIZE + STORE_KEY_SIZE <=
                   sizeof(((struct store_key *)0)->b),
               "the key of an introduction point must fit");

/* The name, a zero, and `rest`. */
static struct store_key service_key(const char *service, const uint8_t *rest,
                                    size_t len)
{
    uint8_t b[STORE_SERVICE_SIZE + STORE_KEY_SIZE];
    size_t name = strnlen(service, STORE_SERVICE_SIZE - 1) + 1;

    memcpy(b, service, name);
    memcpy(b + name, rest, len);
    return store_key_of(b, name + len);
}

/* The column of such a key, whose rest has `len` bytes. */
static void take_service_key(struct taker *t, char service[STORE_SERVICE_SIZE],
                             uint8_t *rest, size_t len)
{
    uint8_t b[STORE_SERVICE_SIZE + STORE_KEY_SIZE];
    size_t all = take_blob(t, b, 2 + len, STORE_SERVICE_SIZE + len);
    size_t name;

    if (t->bad)
        return;
    name = all - len;
    if (memchr(b, 0, name) != b + name - 1) {
        t->bad = true;
        return;
    }
    memcpy(service, b, name);
    memcpy(rest, b + name, len);
}

static struct store_key point_key(const void *row)
{
    const struct store_service_point *p = row;

    return service_key(p->service, p->relay, STORE_KEY_SIZE);
}

static int bind_point(sqlite3_stmt *st, const void *row, int64_t batch)
{
    const struct store_service_point *p = row;
    struct binder b = {.st = st, .at = 1};
    uint8_t compact[ENDPOINT_COMPACT_MAX];
    size_t len = endpoint_write_compact(&p->endpoint, compact);

    (void)batch;
    put_blob(&b, p->handshake_key, STORE_KEY_SIZE);
    if (b.rc == SQLITE_OK)
        b.rc =
            sqlite3_bind_blob(st, ++b.at, compact, (int)len, SQLITE_TRANSIENT);
    put_blob(&b, p->salt, STORE_SERVICE_SALT);
    put_int(&b, (int64_t)p->since);
    put_int(&b, (int64_t)p->until);
    put_int(&b, (int64_t)p->introductions);
    put_int(&b, (int64_t)p->period);
    return b.rc;
}

static bool read_point(sqlite3_stmt *st, void *row)
{
    struct taker t = {.st = st};
    struct store_service_point *p = row;
    uint8_t compact[ENDPOINT_COMPACT_MAX];
    size_t len;

    *p = (struct store_service_point){.since = 0};
    take_service_key(&t, p->service, p->relay, STORE_KEY_SIZE);
    take_blob(&t, p->handshake_key, STORE_KEY_SIZE, STORE_KEY_SIZE);
    len = take_blob(&t, compact, 1, sizeof(compact));
    take_blob(&t, p->salt, STORE_SERVICE_SALT, STORE_SERVICE_SALT);
    p->since = (uint64_t)take_int(&t, 0, INT64_MAX);
    p->until = (uint64_t)take_int(&t, 0, INT64_MAX);
    p->introductions = (uint64_t)take_int(&t, 0, INT64_MAX);
    p->period = (uint32_t)take_int(&t, 0, UINT32_MAX);
    return !t.bad &&
           endpoint_read_compact(bytes_of(compact, len), &p->endpoint) == OK &&
           endpoint_is_usable(&p->endpoint);
}

static struct store_key seq_key(const void *row)
{
    const struct store_service_seq *s = row;
    uint8_t rest[8];

    bytes_put_number(rest, 4, s->access);
    bytes_put_number(rest + 4, 4, s->period);
    return service_key(s->service, rest, sizeof(rest));
}

static int bind_seq(sqlite3_stmt *st, const void *row, int64_t batch)
{
    const struct store_service_seq *s = row;
    struct binder b = {.st = st, .at = 1};

    (void)batch;
    put_int(&b, s->seq);
    return b.rc;
}

static bool read_seq(sqlite3_stmt *st, void *row)
{
    struct taker t = {.st = st};
    struct store_service_seq *s = row;
    uint8_t rest[8] = {0};

    *s = (struct store_service_seq){.seq = 0};
    take_service_key(&t, s->service, rest, sizeof(rest));
    s->access = (uint32_t)bytes_get_number(rest, 4);
    s->period = (uint32_t)bytes_get_number(rest + 4, 4);
    s->seq = take_int(&t, 0, INT64_MAX);
    return !t.bad;
}

#define VANGUARD_BYTES (STORE_KEY_SIZE + 8 + 8)

static struct store_key vanguards_key(const void *row)
{
    const struct store_vanguards *v = row;

    return service_key(v->service, (const uint8_t *)"", 0);
}

static int bind_vanguards(sqlite3_stmt *st, const void *row, int64_t batch)
{
    const struct store_vanguards *v = row;
    uint8_t packed[STORE_VANGUARDS_MAX * VANGUARD_BYTES], *at = packed;

    (void)batch;
    for (unsigned i = 0; i < v->count; i++, at += VANGUARD_BYTES) {
        memcpy(at, v->list[i].relay, STORE_KEY_SIZE);
        bytes_put_number(at + STORE_KEY_SIZE, 8, v->list[i].since);
        bytes_put_number(at + STORE_KEY_SIZE + 8, 8, v->list[i].until);
    }
    return sqlite3_bind_blob(st, 2, packed, (int)(at - packed),
                             SQLITE_TRANSIENT);
}

static bool read_vanguards(sqlite3_stmt *st, void *row)
{
    struct taker t = {.st = st};
    struct store_vanguards *v = row;
    uint8_t packed[STORE_VANGUARDS_MAX * VANGUARD_BYTES];
    uint8_t name[STORE_SERVICE_SIZE];
    size_t name_len, len;

    *v = (struct store_vanguards){.count = 0};
    name_len = take_blob(&t, name, 1, sizeof(name));
    len = take_blob(&t, packed, VANGUARD_BYTES, sizeof(packed));
    if (t.bad || len % VANGUARD_BYTES != 0 ||
        memchr(name, 0, name_len) != name + name_len - 1)
        return false;
    memcpy(v->service, name, name_len);
    v->count = (unsigned)(len / VANGUARD_BYTES);
    for (unsigned i = 0; i < v->count; i++) {
        const uint8_t *at = packed + (size_t)i * VANGUARD_BYTES;

        memcpy(v->list[i].relay, at, STORE_KEY_SIZE);
        v->list[i].since = bytes_get_number(at + STORE_KEY_SIZE, 8);
        v->list[i].until = bytes_get_number(at + STORE_KEY_SIZE + 8, 8);
        if (v->list[i].since > INT64_MAX || v->list[i].until > INT64_MAX)
            return false;
    }
    return true;
}

/* ---- SQL ---------------------------------------------------------------- */

#define RELAY_COLUMNS                                                   \
    "identity, text, first_seen, last_seen, guard_since, guard_until, " \
    "rtt, capacity, failures, measured_at"
#define POINT_COLUMNS \
    "key, handshake_key, endpoint, salt, since, until, introductions, period"

/* Those that there are one of for each DHT. */
#define NODE_TABLE(table)                                                     \
    {                                                                         \
        .sql = {[STORE_PUT] = "INSERT OR REPLACE INTO " table " "             \
                              "(endpoint, id, last_seen, batch) "             \
                              "VALUES (?1,?2,?3,?4)",                         \
                [STORE_REMOVE] = "DELETE FROM " table " WHERE endpoint = ?1", \
                [STORE_FIND] = "SELECT endpoint, id, last_seen FROM " table   \
                               " WHERE endpoint = ?1",                        \
                [STORE_COUNT] = "SELECT count(*) FROM " table,                \
                [STORE_LIST] = "SELECT endpoint, id, last_seen FROM " table   \
                               " ORDER BY batch DESC, last_seen DESC, "       \
                               "endpoint LIMIT ?1"},                          \
        .row_size = sizeof(struct store_node), .key = node_key,               \
        .bind = bind_node, .read = read_node                                  \
    }
#define ANNOUNCEMENT_COLUMNS "info_hash, port, implied_port, since, seed"
#define ANNOUNCEMENT_TABLE(table)                                              \
    {                                                                          \
        .sql = {[STORE_PUT] = "INSERT OR REPLACE INTO " table                  \
                              " (" ANNOUNCEMENT_COLUMNS ") "                   \
                              "VALUES (?1,?2,?3,?4,?5)",                       \
                [STORE_REMOVE] = "DELETE FROM " table " WHERE info_hash = ?1", \
                [STORE_FIND] = "SELECT " ANNOUNCEMENT_COLUMNS " FROM " table   \
                               " WHERE info_hash = ?1",                        \
                [STORE_COUNT] = "SELECT count(*) FROM " table,                 \
                [STORE_LIST] = "SELECT " ANNOUNCEMENT_COLUMNS " FROM " table   \
                               " ORDER BY info_hash LIMIT ?1"},                \
        .row_size = sizeof(struct store_announcement),                         \
        .key = announcement_key, .bind = bind_announcement,                    \
        .read = read_announcement                                              \
    }
#define ITEM_COLUMNS "target, value, since, key, signature, seq, salt"
#define ITEM_TABLE(table)                                                   \
    {                                                                       \
        .sql = {[STORE_PUT] = "INSERT OR REPLACE INTO " table               \
                              " (" ITEM_COLUMNS ") "                        \
                              "VALUES (?1,?2,?3,?4,?5,?6,?7)",              \
                [STORE_REMOVE] = "DELETE FROM " table " WHERE target = ?1", \
                [STORE_FIND] = "SELECT " ITEM_COLUMNS " FROM " table        \
                               " WHERE target = ?1",                        \
                [STORE_COUNT] = "SELECT count(*) FROM " table,              \
                [STORE_LIST] = "SELECT " ITEM_COLUMNS " FROM " table        \
                               " ORDER BY target LIMIT ?1"},                \
        .row_size = sizeof(struct store_item), .key = item_key,             \
        .bind = bind_item, .read = read_item                                \
    }

const struct store_table store_tables[STORE_KINDS] = {
    [STORE_NODES] = NODE_TABLE("node"),
    [STORE_MAINLINE_NODES] = NODE_TABLE("mainline_node"),
    [STORE_ANNOUNCEMENTS] = ANNOUNCEMENT_TABLE("announcement"),
    [STORE_MAINLINE_ANNOUNCEMENTS] =
        ANNOUNCEMENT_TABLE("mainline_announcement"),
    [STORE_ITEMS] = ITEM_TABLE("item"),
    [STORE_MAINLINE_ITEMS] = ITEM_TABLE("mainline_item"),
    [STORE_RELAYS] =
        {.sql = {[STORE_PUT] = "INSERT OR REPLACE INTO relay (" RELAY_COLUMNS
                               ") VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10)",
                 [STORE_REMOVE] = "DELETE FROM relay WHERE identity = ?1",
                 [STORE_FIND] = "SELECT " RELAY_COLUMNS
                                " FROM relay WHERE identity = ?1",
                 [STORE_COUNT] = "SELECT count(*) FROM relay",
                 [STORE_LIST] = "SELECT " RELAY_COLUMNS " FROM relay "
                                "ORDER BY guard_since = 0, last_seen DESC, "
                                "identity LIMIT ?1"},
         .row_size = sizeof(struct store_relay),
         .key = relay_key,
         .bind = bind_relay,
         .read = read_relay},
    [STORE_SETTINGS] =
        {.sql = {[STORE_PUT] = "INSERT OR REPLACE INTO setting (key, value) "
                               "VALUES (?1,?2)",
                 [STORE_REMOVE] = "DELETE FROM setting WHERE key = ?1",
                 [STORE_FIND] = "SELECT key, value FROM setting WHERE key = ?1",
                 [STORE_COUNT] = "SELECT count(*) FROM setting",
                 [STORE_LIST] =
                     "SELECT key, value FROM setting ORDER BY key LIMIT ?1"},
         .row_size = sizeof(struct store_setting),
         .text_key = true,
         .key = setting_key,
         .bind = bind_setting,
         .read = read_setting},
    [STORE_SERVICE_POINTS] =
        {.sql = {[STORE_PUT] = "INSERT OR REPLACE INTO service_point "
                               "(" POINT_COLUMNS ") "
                               "VALUES (?1,?2,?3,?4,?5,?6,?7,?8)",
                 [STORE_REMOVE] = "DELETE FROM service_point WHERE key = ?1",
                 [STORE_FIND] = "SELECT " POINT_COLUMNS
                                " FROM service_point WHERE key = ?1",
                 [STORE_COUNT] = "SELECT count(*) FROM service_point",
                 [STORE_LIST] = "SELECT " POINT_COLUMNS " FROM service_point "
                                "ORDER BY key LIMIT ?1"},
         .row_size = sizeof(struct store_service_point),
         .key = point_key,
         .bind = bind_point,
         .read = read_point},
    [STORE_SERVICE_SEQS] =
        {.sql = {[STORE_PUT] = "INSERT OR REPLACE INTO service_seq (key, seq) "
                               "VALUES (?1,?2)",
                 [STORE_REMOVE] = "DELETE FROM service_seq WHERE key = ?1",
                 [STORE_FIND] = "SELECT key, seq FROM service_seq "
                                "WHERE key = ?1",
                 [STORE_COUNT] = "SELECT count(*) FROM service_seq",
                 [STORE_LIST] =
                     "SELECT key, seq FROM service_seq ORDER BY key LIMIT ?1"},
         .row_size = sizeof(struct store_service_seq),
         .key = seq_key,
         .bind = bind_seq,
         .read = read_seq},
    [STORE_VANGUARDS] =
        {.sql = {[STORE_PUT] = "INSERT OR REPLACE INTO vanguard "
                               "(service, relays) VALUES (?1,?2)",
                 [STORE_REMOVE] = "DELETE FROM vanguard WHERE service = ?1",
                 [STORE_FIND] = "SELECT service, relays FROM vanguard "
                                "WHERE service = ?1",
                 [STORE_COUNT] = "SELECT count(*) FROM vanguard",
                 [STORE_LIST] = "SELECT service, relays FROM vanguard "
                                "ORDER BY service LIMIT ?1"},
         .row_size = sizeof(struct store_vanguards),
         .key = vanguards_key,
         .bind = bind_vanguards,
         .read = read_vanguards},
};
