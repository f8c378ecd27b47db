/* SPDX-License-Identifier: MIT
 *
 * What the store keeps of hidden services: over a restart, damaged, at its
 * caps, and gone from the file once it was removed.
 */
#include "store_fixture.h"
#include "testing.h"

#include "store/sql.h"
#include "store/store_service.h"

static struct store_service_point make_point(const char *service, uint32_t n)
{
    struct store_service_point p = {.since = 100 + n,
                                    .until = 5000 + n,
                                    .introductions = n,
                                    .period = n % 3,
                                    .endpoint = make_node(n, 0).endpoint};

    snprintf(p.service, sizeof(p.service), "%s", service);
    memset(p.relay, 0x66, sizeof(p.relay));
    memcpy(p.relay, &n, sizeof(n));
    memset(p.handshake_key, 0x77, sizeof(p.handshake_key));
    memset(p.salt, (int)(0x80 + n), sizeof(p.salt));
    p.endpoint.addr[0] = 10;
    return p;
}

static struct store_service_seq make_seq(const char *service, uint32_t access,
                                         uint32_t period, int64_t seq)
{
    struct store_service_seq s = {
        .access = access, .period = period, .seq = seq};

    snprintf(s.service, sizeof(s.service), "%s", service);
    return s;
}

static struct store_vanguards make_set(const char *service, unsigned count)
{
    struct store_vanguards v = {.count = count};

    snprintf(v.service, sizeof(v.service), "%s", service);
    for (unsigned i = 0; i < count && i < STORE_VANGUARDS_MAX; i++) {
        memset(v.list[i].relay, (int)(1 + i), STORE_KEY_SIZE);
        v.list[i].since = 10 + i;
        v.list[i].until = INT64_MAX - i;
    }
    return v;
}

struct found {
    struct store_service_point points[32];
    struct store_service_seq seqs[32];
    struct store_vanguards sets[32];
    unsigned point_count, seq_count, set_count;
};

static void add_point(void *ctx, const struct store_service_point *p)
{
    struct found *f = ctx;

    assert_true(f->point_count < COUNT_OF(f->points));
    f->points[f->point_count++] = *p;
}

static void add_seq(void *ctx, const struct store_service_seq *s)
{
    struct found *f = ctx;

    assert_true(f->seq_count < COUNT_OF(f->seqs));
    f->seqs[f->seq_count++] = *s;
}

static void add_set(void *ctx, const struct store_vanguards *v)
{
    struct found *f = ctx;

    assert_true(f->set_count < COUNT_OF(f->sets));
    f->sets[f->set_count++] = *v;
}

static struct found list_all(struct store *s, const char *service)
{
    struct found f = {.point_count = 0};

    assert_int_equal(store_each_service_point(s, service, add_point, &f), OK);
    assert_int_equal(store_each_service_seq(s, service, add_seq, &f), OK);
    assert_int_equal(store_each_vanguards(s, service, add_set, &f), OK);
    return f;
}

static void put_point(struct store *s, const char *service, uint32_t n)
{
    struct store_service_point p = make_point(service, n);

    assert_int_equal(store_put_service_point(s, &p), OK);
}

static void put_seq(struct store *s, const char *service, uint32_t access,
                    uint32_t period, int64_t seq)
{
    struct store_service_seq row = make_seq(service, access, period, seq);

    assert_int_equal(store_put_service_seq(s, &row), OK);
}

static void put_set(struct store *s, const char *service, unsigned count)
{
    struct store_vanguards v = make_set(service, count);

    assert_int_equal(store_put_vanguards(s, &v), OK);
}

static void assert_same_point(const struct store_service_point *a,
                              const struct store_service_point *b)
{
    assert_string_equal(a->service, b->service);
    assert_memory_equal(a->relay, b->relay, sizeof(a->relay));
    assert_memory_equal(a->handshake_key, b->handshake_key,
                        sizeof(a->handshake_key));
    assert_true(endpoint_equal(&a->endpoint, &b->endpoint));
    assert_memory_equal(a->salt, b->salt, sizeof(a->salt));
    assert_true(a->since == b->since && a->until == b->until);
    assert_true(a->introductions == b->introductions);
    assert_true(a->period == b->period);
}

/* The longest name there is, and one that begins like another. */
#define LONG "abcdefghijklmnopqrstuvwxyz01234"

static void test_store_service_rows_outlive_a_restart(void **state)
{
    static const char *const names[] = {"web", "web2", LONG};
    struct fixture *f = *state;
    struct store *s = fixture_open(f);
    struct found all;

    for (size_t i = 0; i < COUNT_OF(names); i++) {
        put_point(s, names[i], 1);
        put_point(s, names[i], 2);
        put_seq(s, names[i], 0, 20000, INT64_MAX);
        put_seq(s, names[i], UINT32_MAX, UINT32_MAX, 0);
        put_set(s, names[i], 1 + (unsigned)i);
    }
    put_set(s, "", STORE_VANGUARDS_MAX);
    assert_int_equal(store_flush(s, 1), OK);
    s = fixture_reopen(f);
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct store_service_point one = make_point(names[i], 1);
        struct store_service_point two = make_point(names[i], 2);
        struct store_vanguards set = make_set(names[i], 1 + (unsigned)i);

        all = list_all(s, names[i]);
        assert_int_equal(all.point_count, 2);
        assert_same_point(&all.points[0], &one);
        assert_same_point(&all.points[1], &two);
        assert_int_equal(all.seq_count, 2);
        assert_true(all.seqs[0].seq == INT64_MAX);
        assert_int_equal(all.seqs[0].period, 20000);
        assert_true(all.seqs[1].access == UINT32_MAX);
        assert_int_equal(all.set_count, 1);
        assert_memory_equal(&all.sets[0], &set, sizeof(set));
    }
    all = list_all(s, "");
    assert_int_equal(all.point_count + all.seq_count, 0);
    assert_int_equal(all.set_count, 1);
    assert_int_equal(all.sets[0].count, STORE_VANGUARDS_MAX);
    assert_int_equal(fixture_health(f).services, 3 * 5 + 1);
}

static void test_store_service_row_is_replaced_and_removed(void **state)
{
    struct fixture *f = *state;
    struct store *s = fixture_open(f);
    struct store_service_point p = make_point("web", 1);
    struct found all;

    put_point(s, "web", 1);
    put_point(s, "web", 2);
    put_seq(s, "web", 0, 7, 1);
    assert_int_equal(store_flush(s, 1), OK);
    p.introductions = 99;
    assert_int_equal(store_put_service_point(s, &p), OK);
    p = make_point("web", 2);
    assert_int_equal(store_remove_service_point(s, "web", p.relay), OK);
    put_seq(s, "web", 0, 7, 2);
    assert_int_equal(store_flush(s, 1), OK);
    all = list_all(s, NULL);
    assert_int_equal(all.point_count, 1);
    assert_int_equal(all.points[0].introductions, 99);
    assert_int_equal(all.seq_count, 1);
    assert_int_equal(all.seqs[0].seq, 2);
}

/* Rows in the file and rows that wait; those of others stay. */
static void test_store_service_is_forgotten_as_a_whole(void **state)
{
    struct fixture *f = *state;
    struct store *s = fixture_open(f);
    struct found all;

    put_point(s, "web", 1);
    put_point(s, "web2", 1);
    put_seq(s, "web", 0, 7, 1);
    put_seq(s, "web2", 0, 7, 1);
    put_set(s, "web", 2);
    put_set(s, "web2", 2);
    put_set(s, "", 2);
    assert_int_equal(store_flush(s, 1), OK);
    put_point(s, "web", 2);
    put_point(s, "we", 2);
    put_seq(s, "web", 1, 8, 1);
    put_set(s, "web", 3);
    assert_int_equal(store_forget_service(s, "web"), OK);
    assert_int_equal(store_flush(s, 1), OK);
    all = list_all(s, "web");
    assert_int_equal(all.point_count + all.seq_count + all.set_count, 0);
    all = list_all(s, NULL);
    assert_int_equal(all.point_count, 2);
    assert_int_equal(all.seq_count, 1);
    assert_int_equal(all.set_count, 2);
    assert_int_equal(store_forget_service(s, ""), ERR_RANGE);
}

static void test_store_service_seqs_of_days_past_go(void **state)
{
    struct fixture *f = *state;
    struct store *s = fixture_open(f);
    struct found all;

    put_seq(s, "a", 0, 7, 1);
    put_seq(s, "a", 0, 9, 1);
    assert_int_equal(store_flush(s, 1), OK);
    put_seq(s, "b", 1, 8, 1);
    put_seq(s, "b", 1, 10, 1);
    assert_int_equal(store_forget_seqs(s, 9), OK);
    assert_int_equal(store_flush(s, 1), OK);
    all = list_all(s, NULL);
    assert_int_equal(all.seq_count, 2);
    assert_int_equal(all.seqs[0].period, 9);
    assert_int_equal(all.seqs[1].period, 10);
}

static bool file_has(const char *path, const uint8_t *needle, size_t len)
{
    static uint8_t buf[1 << 20];
    size_t n;

    if (access(path, F_OK) != 0)
        return false;
    n = read_file(path, buf, sizeof(buf));
    return memmem(buf, n, needle, len) != NULL;
}

/* The salt is what the keys of a point are made from. */
static void test_store_service_point_leaves_no_trace_of_its_salt(void **state)
{
    struct fixture *f = *state;
    struct store *s = fixture_open(f);
    struct store_service_point p = make_point("web", 1);
    char wal[128];

    snprintf(wal, sizeof(wal), "%s-wal", f->file);
    for (uint32_t n = 1; n < 20; n++) {
        put_point(s, "web", n);
        assert_int_equal(store_flush(s, 1), OK);
    }
    assert_true(file_has(f->file, p.salt, 16) || file_has(wal, p.salt, 16));
    assert_int_equal(store_remove_service_point(s, "web", p.relay), OK);
    assert_int_equal(store_flush(s, 1), OK);
    assert_false(file_has(f->file, p.salt, 16));
    assert_false(file_has(wal, p.salt, 16));
    p = make_point("web", 2);
    assert_true(file_has(f->file, p.salt, 16) || file_has(wal, p.salt, 16));
}

static void test_store_service_row_of_a_wrong_shape_is_refused(void **state)
{
    struct fixture *f = *state;
    struct store *s = fixture_open(f);
    struct store_service_point p = make_point("", 1);
    struct store_service_seq q = make_seq("web", 0, 1, -1);
    struct store_vanguards v = make_set("web", 0);

    assert_int_equal(store_put_service_point(s, &p), ERR_RANGE);
    p = make_point("web", 1);
    p.until = (uint64_t)INT64_MAX + 1;
    assert_int_equal(store_put_service_point(s, &p), ERR_RANGE);
    p = make_point("web", 1);
    p.endpoint.port = 0;
    assert_int_equal(store_put_service_point(s, &p), ERR_RANGE);
    p = make_point("web", 1);
    memset(p.service, 'x', sizeof(p.service));
    assert_int_equal(store_put_service_point(s, &p), ERR_RANGE);
    assert_int_equal(store_put_service_seq(s, &q), ERR_RANGE);
    assert_int_equal(store_put_vanguards(s, &v), ERR_RANGE);
    v.count = STORE_VANGUARDS_MAX + 1;
    assert_int_equal(store_put_vanguards(s, &v), ERR_RANGE);
    assert_int_equal(store_remove_service_point(s, "", p.relay), ERR_RANGE);
    assert_int_equal(fixture_health(f).queued, 0);
}

static void test_store_service_cap_refuses_new_rows_only(void **state)
{
    struct fixture *f = *state;
    struct store_service_point p = make_point("web", 3);
    struct store *s;

    f->options.max_services = 2;
    s = fixture_open(f);
    put_point(s, "web", 1);
    put_point(s, "web", 2);
    assert_int_equal(store_put_service_point(s, &p), ERR_FULL);
    put_point(s, "web", 2);
    assert_int_equal(store_flush(s, 1), OK);
    assert_int_equal(store_put_service_point(s, &p), ERR_FULL);
    assert_int_equal(store_forget_service(s, "web"), OK);
    assert_int_equal(store_flush(s, 1), OK);
    assert_int_equal(store_put_service_point(s, &p), OK);
}

static void test_store_service_rows_that_are_damaged_are_skipped(void **state)
{
    struct fixture *f = *state;
    struct found all;
    sqlite3 *db;

    put_point(fixture_open(f), "web", 2);
    put_seq(f->store, "web", 0, 1, 5);
    put_set(f->store, "web", 1);
    assert_int_equal(store_flush(f->store, 1), OK);
    fixture_close(f);
    assert_int_equal(sqlite3_open(f->file, &db), SQLITE_OK);
    assert_int_equal(
        sql_exec(
            db, "INSERT INTO service_point SELECT"
                " CAST(x'6100' || "
                "zeroblob(31) AS BLOB),"
                " handshake_key, endpoint, salt, 1, 1, 1, 0 FROM service_point;"
                "INSERT INTO service_point SELECT"
                " CAST(x'6161' || "
                "zeroblob(33) AS BLOB),"
                " handshake_key, endpoint, salt, 1, 1, 1, 0 FROM service_point"
                " WHERE since = 102;"
                "INSERT INTO service_point SELECT"
                " CAST(x'6200' || "
                "zeroblob(32) AS BLOB),"
                " handshake_key, x'00000000', salt, 1, 1, 1, 0"
                " FROM service_point WHERE since = 102;"
                "INSERT INTO service_point SELECT"
                " CAST(x'6300' || "
                "zeroblob(32) AS BLOB),"
                " handshake_key, endpoint, x'00', 1, 1, 1, 0"
                " FROM service_point WHERE since = 102;"
                "INSERT INTO service_point SELECT"
                " CAST(x'6400' || "
                "zeroblob(32) AS BLOB),"
                " handshake_key, endpoint, salt, -1, 1, 1, 0"
                " FROM service_point WHERE since = 102;"
                "INSERT INTO service_seq VALUES (x'6100', 1),"
                " (CAST(x'61' || zeroblob(9) AS BLOB), -1), ('text', 1);"
                "INSERT INTO vanguard VALUES (x'6100', zeroblob(47)),"
                " (x'6200', x''), (x'6300', zeroblob(816)),"
                " (x'64', zeroblob(48)), (x'6500', CAST(x'ff' || zeroblob(31) "
                "AS BLOB) ||"
                " CAST(x'ffffffffffffffff' || zeroblob(8) AS BLOB))"),
        OK);
    sqlite3_close(db);
    fixture_open(f);
    assert_int_equal(f->report.how, STORE_OPENED);
    all = list_all(f->store, NULL);
    /* x'6161' and 33 zeros is a relay of zeros under the name "aa". */
    assert_int_equal(all.point_count, 2);
    assert_int_equal(all.seq_count, 1);
    assert_int_equal(all.set_count, 1);
    assert_int_equal(fixture_health(f).skipped, 4 + 3 + 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        store_test(test_store_service_rows_outlive_a_restart),
        store_test(test_store_service_row_is_replaced_and_removed),
        store_test(test_store_service_is_forgotten_as_a_whole),
        store_test(test_store_service_seqs_of_days_past_go),
        store_test(test_store_service_point_leaves_no_trace_of_its_salt),
        store_test(test_store_service_row_of_a_wrong_shape_is_refused),
        store_test(test_store_service_cap_refuses_new_rows_only),
        store_test(test_store_service_rows_that_are_damaged_are_skipped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
