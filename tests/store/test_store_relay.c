/* SPDX-License-Identifier: MIT */
#include "store_fixture.h"
#include "testing.h"

#include "store/schema.h"
#include "store/sql.h"

static struct store_relay make_relay(uint32_t n)
{
    struct store_relay r = {.text_len = (uint16_t)(1 + n % STORE_RELAY_TEXT),
                            .record.first_seen = 100 + n,
                            .record.last_seen = 5000 + n,
                            .record.guard_since = n % 5 == 0 ? 4000 + n : 0,
                            .record.guard_until = n % 5 == 0 ? 9000 + n : 0,
                            .record.rtt = (uint64_t)n * 1000000,
                            .record.capacity = UINT32_MAX - n,
                            .record.measured_at = 7000 + n,
                            .record.failures = (uint16_t)(UINT16_MAX - n)};

    memset(r.identity, 0x55, sizeof(r.identity));
    memcpy(r.identity, &n, sizeof(n));
    memset(r.text, (int)(n & 0xff), r.text_len);
    return r;
}

struct relay_list {
    struct store_relay relays[64];
    unsigned count;
};

static void add_relay(void *ctx, const struct store_relay *relay)
{
    struct relay_list *l = ctx;

    assert_true(l->count < COUNT_OF(l->relays));
    l->relays[l->count++] = *relay;
}

static void list_relays(struct store *s, size_t limit, struct relay_list *out)
{
    out->count = 0;
    assert_int_equal(store_each_relay(s, limit, add_relay, out), OK);
}

static void assert_same_relay(const struct store_relay *a,
                              const struct store_relay *b)
{
    const struct relay_record *x = &a->record, *y = &b->record;

    assert_memory_equal(a->identity, b->identity, sizeof(a->identity));
    assert_int_equal(a->text_len, b->text_len);
    assert_memory_equal(a->text, b->text, a->text_len);
    assert_true(x->first_seen == y->first_seen);
    assert_true(x->last_seen == y->last_seen);
    assert_true(x->guard_since == y->guard_since);
    assert_true(x->guard_until == y->guard_until);
    assert_true(x->rtt == y->rtt);
    assert_true(x->capacity == y->capacity);
    assert_true(x->measured_at == y->measured_at);
    assert_true(x->failures == y->failures);
}

/* 0, 5, 10 and 15 are guards; the last seen come first among equals. */
static void test_store_relay_round_trip_has_guards_first(void **state)
{
    static const uint32_t order[] = {15, 10, 5, 0, 19, 18, 17, 16, 14, 13,
                                     12, 11, 9, 8, 7,  6,  4,  3,  2,  1};
    struct fixture *f = *state;
    struct store *s = fixture_open(f);
    struct relay_list l;

    for (uint32_t n = 0; n < COUNT_OF(order); n++) {
        struct store_relay r = make_relay(n);

        assert_int_equal(store_put_relay(s, &r), OK);
    }
    assert_int_equal(store_flush(s, 1), OK);
    s = fixture_reopen(f);
    list_relays(s, 64, &l);
    assert_int_equal(l.count, COUNT_OF(order));
    assert_int_equal(fixture_health(f).relays, COUNT_OF(order));
    for (unsigned i = 0; i < l.count; i++) {
        struct store_relay want = make_relay(order[i]);

        assert_same_relay(&l.relays[i], &want);
    }
    list_relays(s, 3, &l);
    assert_int_equal(l.count, 3);
}

static void test_store_relay_is_replaced_and_removed_by_identity(void **state)
{
    struct fixture *f = *state;
    struct store *s = fixture_open(f);
    struct store_relay a = make_relay(1), b = make_relay(2);
    struct relay_list l;

    store_put_relay(s, &a);
    store_put_relay(s, &b);
    assert_int_equal(store_flush(s, 1), OK);
    a.record.failures = 7;
    a.text_len = STORE_RELAY_TEXT;
    store_put_relay(s, &a);
    store_remove_relay(s, b.identity);
    assert_int_equal(store_flush(s, 1), OK);
    list_relays(s, 64, &l);
    assert_int_equal(l.count, 1);
    assert_same_relay(&l.relays[0], &a);
}

static void test_store_relay_of_a_wrong_shape_is_refused(void **state)
{
    struct fixture *f = *state;
    struct store *s = fixture_open(f);
    struct store_relay r = make_relay(1);
    uint64_t *times[] = {&r.record.first_seen,  &r.record.last_seen,
                         &r.record.guard_since, &r.record.guard_until,
                         &r.record.measured_at, &r.record.rtt};

    r.text_len = 0;
    assert_int_equal(store_put_relay(s, &r), ERR_RANGE);
    r.text_len = STORE_RELAY_TEXT + 1;
    assert_int_equal(store_put_relay(s, &r), ERR_RANGE);
    r = make_relay(1);
    for (size_t i = 0; i < COUNT_OF(times); i++) {
        *times[i] = (uint64_t)INT64_MAX + 1;
        assert_int_equal(store_put_relay(s, &r), ERR_RANGE);
        *times[i] = INT64_MAX;
    }
    assert_int_equal(store_put_relay(s, &r), OK);
    assert_int_equal(fixture_health(f).queued, 1);
}

static void test_store_relay_cap_refuses_new_ones_only(void **state)
{
    struct fixture *f = *state;
    struct store_relay r;
    struct store *s;

    f->options.max_relays = 3;
    s = fixture_open(f);
    for (uint32_t n = 0; n < 3; n++) {
        r = make_relay(n);
        assert_int_equal(store_put_relay(s, &r), OK);
    }
    assert_int_equal(store_flush(s, 1), OK);
    assert_int_equal(store_put_relay(s, &r), OK);
    r = make_relay(3);
    assert_int_equal(store_put_relay(s, &r), ERR_FULL);
    assert_int_equal(store_remove_relay(s, make_relay(0).identity), OK);
    assert_int_equal(store_flush(s, 1), OK);
    assert_int_equal(store_put_relay(s, &r), OK);
}

static void test_store_relay_rows_that_make_no_sense_are_skipped(void **state)
{
    struct fixture *f = *state;
    struct store_relay r = make_relay(1);
    struct relay_list l;
    sqlite3 *db;

    fixture_open(f);
    store_put_relay(f->store, &r);
    assert_int_equal(store_flush(f->store, 1), OK);
    fixture_close(f);
    assert_int_equal(sqlite3_open(f->file, &db), SQLITE_OK);
    assert_int_equal(sql_exec(db, "INSERT INTO relay VALUES "
                                  "(zeroblob(32), zeroblob(513),"
                                  " 1, 1, 0, 0, 1, 1, 1, 1),"
                                  "(zeroblob(31), x'01',"
                                  " 1, 1, 0, 0, 1, 1, 1, 1),"
                                  "(x'02', 'text',"
                                  " 1, 1, 0, 0, 1, 1, 65536, 1)"),
                     OK);
    sqlite3_close(db);
    fixture_open(f);
    list_relays(f->store, 64, &l);
    assert_int_equal(l.count, 1);
    assert_same_relay(&l.relays[0], &r);
    assert_int_equal(fixture_health(f).skipped, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        store_test(test_store_relay_round_trip_has_guards_first),
        store_test(test_store_relay_is_replaced_and_removed_by_identity),
        store_test(test_store_relay_of_a_wrong_shape_is_refused),
        store_test(test_store_relay_cap_refuses_new_ones_only),
        store_test(test_store_relay_rows_that_make_no_sense_are_skipped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
