/* SPDX-License-Identifier: MIT
 *
 * Rows of the store whose columns are anything: of another type, empty, too
 * long. What is read can be bound and reads as the same, and whom it is for
 * takes or refuses it when a node starts: the DHT a node, an announcement, an
 * item; a member of the tunnels a relay.
 */
#include "fuzz.h"

#include "easy_keys.h"

#include "node/host/dht_restore.h"
#include "store/handle.h"
#include "store/sql.h"
#include "tunnel/directory/descriptor.h"
#include "tunnel/member/member.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COLUMNS 10 /* the most that a kind has */
#define WALL    UINT64_C(1800000000)

static struct bytes take_bytes(struct input *in, size_t len)
{
    struct bytes b = bytes_of(in->p, len < in->left ? len : in->left);

    in->p += b.len;
    in->left -= b.len;
    return b;
}

/* ---- The engine that rows are for --------------------------------------- */

static void no_send(void *ctx, const struct endpoint *to, struct bytes datagram)
{
    (void)ctx, (void)to, (void)datagram;
}

static void fill(void *ctx, void *buf, size_t len)
{
    (void)ctx;
    memset(buf, 0x42, len);
}

static void on_event(void *ctx, const struct dht_event *event)
{
    (void)ctx, (void)event;
}

/* In a store of the process's own, from which nothing is written. */
static struct store *store;
static char directory[] = "/tmp/warren-fuzz-XXXXXX";

static void remove_store(void)
{
    char path[64];

    store_close(store);
    snprintf(path, sizeof(path), "%s/" STORE_FILE_NAME, directory);
    unlink(path);
    rmdir(directory);
}

static enum store_dht dht_of(enum store_kind kind)
{
    return kind == STORE_MAINLINE_NODES ||
                   kind == STORE_MAINLINE_ANNOUNCEMENTS ||
                   kind == STORE_MAINLINE_ITEMS
               ? STORE_MAINLINE
               : STORE_DHT;
}

static void restore(enum store_kind kind, const void *row)
{
    const struct dht_env env = {NULL, no_send, fill, on_event};
    struct store_key key = store_tables[kind].key(row);
    sqlite3_stmt *put = store->tables[kind][STORE_PUT];
    struct dht_restored restored;
    struct dht_config config;
    struct dht *d;

    assert(sql_exec(store->db, "BEGIN") == OK);
    assert(store_bind_key(put, kind, &key) == SQLITE_OK);
    assert(store_tables[kind].bind(put, row, 1) == SQLITE_OK);
    assert(sql_run(put) == OK);

    dht_config_init(&config);
    dht_restore_ids(store, dht_of(kind), &config);
    assert(dht_new(&config, &env, TIME_HOUR, &d) == OK);
    dht_restore_all(d, store, dht_of(kind), TIME_HOUR, &restored);
    assert(restored.nodes + restored.announcements + restored.items +
               restored.failures <=
           1);
    dht_tick(d, TIME_HOUR);
    dht_free(d);
    store_queue_clear(&store->queue);
    assert(sql_exec(store->db, "ROLLBACK") == OK);
}

/* ---- The member that relays are for -------------------------------------- */

static void no_event(void *ctx, const struct member_event *event)
{
    (void)ctx, (void)event;
}

static void remember(void *ctx, const struct stored_relay *relay)
{
    (void)ctx, (void)relay;
}

static void forget(void *ctx, const uint8_t identity[32])
{
    (void)ctx, (void)identity;
}

static void rotated(void *ctx, const uint8_t secret[NOISE_KEY_BYTES],
                    const uint8_t previous[NOISE_KEY_BYTES], uint64_t wall)
{
    (void)ctx, (void)secret, (void)previous, (void)wall;
}

static void retired(void *ctx)
{
    (void)ctx;
}

static struct member *new_member(void)
{
    const struct member_env env = {.random = {NULL, fill},
                                   .send = no_send,
                                   .event = no_event,
                                   .remember = remember,
                                   .forget = forget,
                                   .rotated = rotated,
                                   .retired = retired};
    static const uint8_t seed[32] = {1};
    struct member_config c;
    struct member *t;

    member_config_init(&c);
    memcpy(c.network, "test", 5);
    crypto_sign_seed_keypair(c.identity, c.identity_secret, seed);
    c.handshake_secret[0] = 1;
    c.handshake_made = WALL;
    assert(member_new(&c, &env, NULL, TIME_HOUR, WALL, &t) == OK);
    return t;
}

/* As it is, and, when it is a descriptor, signed by who it is from. */
static void restore_relay(const struct store_relay *r)
{
    static const uint8_t seed[32] = {2};
    struct stored_relay s = {.text = bytes_of(r->text, r->text_len),
                             .record = r->record};
    uint8_t text[DESCRIPTOR_MAX], secret[64];
    struct member *t = new_member();
    struct member_status status;
    struct descriptor d;

    memcpy(s.identity, r->identity, sizeof(s.identity));
    (void)member_add_stored(t, &s, WALL, TIME_HOUR);
    if (descriptor_read(s.text, "test", &d) == OK) {
        crypto_sign_seed_keypair(d.identity, secret, seed);
        s.text = bytes_of(text, descriptor_write(&d, "test", secret, text));
        memcpy(s.identity, d.identity, sizeof(s.identity));
        (void)member_add_stored(t, &s, WALL, TIME_HOUR);
    }
    member_tick(t, TIME_HOUR, WALL);
    member_status(t, TIME_HOUR, WALL, &status);
    assert(status.usable <= status.known && status.known <= 2);
    member_free(t, TIME_HOUR);
}

/* ---- Rows ---------------------------------------------------------------- */

/* A query whose one row is its parameters, and the other for what is read. */
static sqlite3_stmt *rows[2];

static void prepare(void)
{
    static sqlite3 *db;

    if (db != NULL)
        return;
    assert(sqlite3_open(":memory:", &db) == SQLITE_OK);
    assert(mkdtemp(directory) != NULL);
    assert(store_open(directory, NULL, &store, NULL) == OK);
    atexit(remove_store);
    for (int i = 0; i < 2; i++)
        assert(sql_prepare(db, "SELECT ?1,?2,?3,?4,?5,?6,?7,?8,?9,?10",
                           &rows[i]) == OK);
}

static void bind_any(sqlite3_stmt *st, int at, struct input *in)
{
    static const uint16_t lengths[] = {6, 18, 20, 32, 64, 0, 1, 513};
    uint8_t how = input_take(in);
    struct bytes b;
    uint64_t n = 0;

    switch (how & 7) {
    case 0:
        sqlite3_bind_null(st, at);
        break;
    case 1:
        for (int i = 0; i < 8; i++)
            n = n << 8 | input_take(in);
        sqlite3_bind_int64(st, at, (int64_t)n);
        break;
    case 2:
        sqlite3_bind_int64(st, at, input_take(in));
        break;
    case 3:
        sqlite3_bind_double(st, at, input_take(in) * 1e17);
        break;
    case 4:
        b = take_bytes(in, input_take(in));
        sqlite3_bind_text(st, at, b.len == 0 ? "" : (const char *)b.p,
                          (int)b.len, SQLITE_STATIC);
        break;
    case 5:
        n = input_take(in);
        b = take_bytes(in, (n << 8 | input_take(in)) % 1100);
        sqlite3_bind_blob(st, at, b.p, (int)b.len, SQLITE_STATIC);
        break;
    case 6:
        sqlite3_bind_zeroblob(st, at, lengths[how >> 5]);
        break;
    default:
        b = take_bytes(in, lengths[how >> 5]);
        sqlite3_bind_blob(st, at, b.len == 0 ? (const uint8_t *)"" : b.p,
                          (int)b.len, SQLITE_STATIC);
        break;
    }
}

static void check_row(enum store_kind kind, const void *row)
{
    const struct store_table *t = &store_tables[kind];
    _Alignas(uint64_t) uint8_t again[2048];
    struct store_key key = {0};
    bool text = t->text_key;

    assert(t->row_size <= sizeof(again));
    sqlite3_reset(rows[1]);
    sqlite3_clear_bindings(rows[1]);
    if (!text) {
        key = t->key(row);
        assert(store_bind_key(rows[1], kind, &key) == SQLITE_OK);
    }
    assert(t->bind(rows[1], row, 1) == SQLITE_OK);
    assert(sql_step(rows[1]) == SQLITE_ROW);
    assert(t->read(rows[1], again));
    assert(memcmp(row, again, t->row_size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    enum store_kind kind = (enum store_kind)(input_take(&in) % STORE_KINDS);
    _Alignas(uint64_t) uint8_t row[2048] = {0};

    prepare();
    sqlite3_reset(rows[0]);
    sqlite3_clear_bindings(rows[0]);
    for (int i = 1; i <= COLUMNS; i++)
        bind_any(rows[0], i, &in);
    assert(sql_step(rows[0]) == SQLITE_ROW);
    if (store_tables[kind].read(rows[0], row)) {
        check_row(kind, row);
        if (kind == STORE_RELAYS)
            restore_relay((const struct store_relay *)(void *)row);
        else if (kind != STORE_SETTINGS)
            restore(kind, row);
    }
    sqlite3_reset(rows[0]);
    return 0;
}
