/* SPDX-License-Identifier: MIT
 *
 * Files of earlier, later and broken schema versions. Files of earlier
 * versions are made by the first migrations.
 */
#include "store_fixture.h"

#include "store/schema.h"
#include "store/sql.h"

static sqlite3 *open_raw(const char *path)
{
    sqlite3 *db;

    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    return db;
}

static void run_raw(const char *path, const char *sql)
{
    sqlite3 *db = open_raw(path);

    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    sqlite3_close(db);
}

static int64_t ask_raw(sqlite3 *db, const char *sql)
{
    int64_t v;

    assert_int_equal(sql_get_int(db, sql, &v), OK);
    return v;
}

/* A file as a warren of schema `version` left it, with rows of its tables. */
static void make_version(const struct fixture *f, int version)
{
    sqlite3 *db = open_raw(f->file);

    assert_int_equal(sql_exec(db, "PRAGMA journal_mode = WAL"), OK);
    assert_int_equal(schema_migrate(db, schema_migrations, 0, version), OK);
    assert_int_equal(ask_raw(db, "PRAGMA user_version"), version);
    if (version >= 1)
        assert_int_equal(
            sql_exec(db, "INSERT INTO setting VALUES ('colour', x'0102');"
                         "INSERT INTO node VALUES (x'0a0000011ae1',"
                         "zeroblob(20), 77, 1)"),
            OK);
    if (version >= 2)
        assert_int_equal(sql_exec(db, "INSERT INTO announcement "
                                      "(info_hash, port, implied_port, since) "
                                      "VALUES (zeroblob(20), 6881, 0, 5)"),
                         OK);
    if (version >= 3)
        assert_int_equal(
            sql_exec(db, "INSERT INTO relay (identity, text, first_seen,"
                         "last_seen, guard_since, guard_until, rtt, capacity,"
                         "failures) VALUES "
                         "(zeroblob(32), x'01', 1, 2, 3, 4, 5, 6, 7)"),
            OK);
    sqlite3_close(db);
}

static void check_relay(void *ctx, const struct store_relay *relay)
{
    unsigned *count = ctx;

    assert_int_equal(relay->record.capacity, 6);
    assert_int_equal(relay->record.measured_at, 0);
    assert_int_equal(relay->record.failures, 7);
    (*count)++;
}

static void check_rows(const struct fixture *f, int version)
{
    struct store_health h = fixture_health(f);
    struct store_item item = make_item(1);
    uint8_t buf[STORE_SETTING_BYTES];
    unsigned relays = 0;
    size_t len;

    assert_int_equal(store_each_relay(f->store, 9, check_relay, &relays), OK);
    assert_int_equal(relays, version >= 3);
    assert_int_equal(h.nodes[STORE_DHT], version >= 1);
    assert_int_equal(h.announcements[STORE_DHT], version >= 2);
    if (version >= 1) {
        assert_int_equal(
            store_get_setting(f->store, "colour", buf, sizeof(buf), &len), OK);
        assert_int_equal(len, 2);
    }
    assert_int_equal(store_put_item(f->store, STORE_DHT, &item), OK);
    assert_int_equal(store_flush(f->store, 1), OK);
}

static void test_schema_upgrades_every_earlier_version(void **state)
{
    struct fixture *f = *state;

    for (int version = 0; version <= schema_version; version++) {
        make_version(f, version);
        fixture_open(f);
        assert_int_equal(f->report.how, STORE_OPENED);
        assert_int_equal(f->report.schema_before, version);
        assert_int_equal(f->report.schema, schema_version);
        assert_string_equal(f->report.set_aside, "");
        check_rows(f, version);
        fixture_reopen(f);
        assert_int_equal(f->report.schema_before, schema_version);
        fixture_close(f);
        fixture_empty_dir(f);
    }
}

static void test_schema_report_names_the_upgrade(void **state)
{
    struct fixture *f = *state;

    make_version(f, 1);
    fixture_open(f);
    assert_string_equal(
        f->report.text,
        "opened warren.db and brought its schema from version 1 to 6");
}

static void test_schema_refuses_a_newer_file(void **state)
{
    static const char *const newer[] = {
        "PRAGMA user_version = 7", "PRAGMA user_version = 2147483647",
        /* A schema that only a newer sqlite can parse. */
        "PRAGMA writable_schema = ON;"
        "INSERT INTO sqlite_schema VALUES ('table', 'x', 'x', 3, 'CREATE NEW');"
        "PRAGMA user_version = 9"};
    struct fixture *f = *state;
    uint8_t before[65536], after[65536];

    for (size_t i = 0; i < sizeof(newer) / sizeof(newer[0]); i++) {
        size_t n;

        make_version(f, schema_version);
        run_raw(f->file, newer[i]);
        n = read_file(f->file, before, sizeof(before));
        assert_int_equal(fixture_try_open(f), ERR_UNSUPPORTED);
        assert_non_null(strstr(f->report.text, "a newer warren wrote it"));
        assert_string_equal(f->report.set_aside, "");
        assert_int_equal(read_file(f->file, after, sizeof(after)), n);
        assert_memory_equal(before, after, n);
        fixture_empty_dir(f);
    }
}

static void test_schema_sets_aside_what_is_not_ours(void **state)
{
    static const char *const strange[] = {
        /* A database of another program, with and without its name in it. */
        "CREATE TABLE t (a); PRAGMA user_version = 1",
        "CREATE TABLE t (a)",
        "PRAGMA application_id = 252006674; CREATE TABLE t (a)",
        /* The right name on a file without the tables. */
        "PRAGMA application_id = 0x7772726e; PRAGMA user_version = 2",
        "PRAGMA application_id = 0x7772726e; PRAGMA user_version = -1",
        /* A table that a migration is about to make. */
        "PRAGMA application_id = 0x7772726e; CREATE TABLE item (a);"
        "PRAGMA user_version = 1",
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(strange) / sizeof(strange[0]); i++) {
        run_raw(f->file, strange[i]);
        fixture_open(f);
        assert_int_equal(f->report.how, STORE_REPLACED);
        assert_int_equal(f->report.schema_before, 0);
        fixture_close(f);
        fixture_empty_dir(f);
    }
}

/* Rows that somebody else wrote: each is skipped, the sound ones are shown. */
static void count_announcement(void *ctx, const struct store_announcement *a)
{
    (void)a;
    (*(int *)ctx)++;
}

static void count_item(void *ctx, const struct store_item *i)
{
    (void)i;
    (*(int *)ctx)++;
}

static void test_schema_skips_rows_of_a_wrong_shape(void **state)
{
    struct fixture *f = *state;
    struct node_list l;
    int announcements = 0, items = 0;
    uint8_t buf[STORE_SETTING_BYTES];
    size_t len;

    make_version(f, schema_version);
    run_raw(f->file,
            "INSERT INTO node VALUES (x'0a00', zeroblob(20), 1, 1),"
            " (x'0a0000021ae1', zeroblob(19), 1, 1),"
            " (x'0a0000031ae1', 'text', 1, 1),"
            " (x'0a0000041ae1', zeroblob(20), 'soon', 1),"
            " (x'0a0000051ae1', zeroblob(20), 1, 9223372036854775807);"
            "INSERT INTO announcement (info_hash, port, implied_port, since)"
            " VALUES (zeroblob(21), 1, 0, 1),"
            " (x'01' || zeroblob(19), 65536, 0, 1),"
            " (zeroblob(2), 0, 0, 1);"
            "INSERT INTO item (target, value, since) VALUES"
            " (zeroblob(20), zeroblob(2000), 1), (zeroblob(3), x'01', 1);"
            "INSERT INTO item VALUES"
            " (zeroblob(4), x'01', 1, x'02', zeroblob(64), 1, x'');"
            "INSERT INTO setting VALUES ('long', zeroblob(300))");
    fixture_open(f);
    assert_int_equal(f->report.how, STORE_OPENED);
    l = list_nodes(f->store, 100);
    assert_int_equal(l.count, 2);
    free(l.nodes);
    assert_int_equal(store_each_announcement(f->store, STORE_DHT,
                                             count_announcement,
                                             &announcements),
                     OK);
    assert_int_equal(announcements, 1);
    assert_int_equal(store_each_item(f->store, STORE_DHT, count_item, &items),
                     OK);
    assert_int_equal(items, 0);
    assert_int_equal(
        store_get_setting(f->store, "long", buf, sizeof(buf), &len),
        ERR_NOT_FOUND);
    assert_int_equal(fixture_health(f).skipped, 4 + 3 + 3 + 1);
}

/* Migrations that move rows, and one that fails halfway. */
static const char *const moving[] = {
    "CREATE TABLE a (x); INSERT INTO a VALUES (1), (2);"
    "PRAGMA user_version = 1;",
    "ALTER TABLE a ADD COLUMN y; UPDATE a SET y = x * 10;"
    "PRAGMA user_version = 2;",
    "UPDATE a SET y = 0; INSERT INTO nowhere VALUES (1);"
    "PRAGMA user_version = 3;",
};

static void test_schema_failed_migration_leaves_no_trace(void **state)
{
    struct fixture *f = *state;
    sqlite3 *db = open_raw(f->file);

    assert_int_equal(schema_migrate(db, moving, 0, 3), ERR_CORRUPT);
    sqlite3_close(db);
    db = open_raw(f->file);
    assert_int_equal(ask_raw(db, "PRAGMA user_version"), 2);
    assert_int_equal(ask_raw(db, "SELECT sum(y) FROM a"), 30);
    assert_int_equal(schema_migrate(db, moving, 2, 2), OK);
    sqlite3_close(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        store_test(test_schema_upgrades_every_earlier_version),
        store_test(test_schema_report_names_the_upgrade),
        store_test(test_schema_refuses_a_newer_file),
        store_test(test_schema_sets_aside_what_is_not_ours),
        store_test(test_schema_skips_rows_of_a_wrong_shape),
        store_test(test_schema_failed_migration_leaves_no_trace),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
