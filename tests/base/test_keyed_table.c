/* SPDX-License-Identifier: MIT */
#include "base/table/keyed_table.h"

#include "fail_alloc.h"
#include "testing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define KEYS  300
#define STEPS 100000

static const uint8_t secret[KEYED_TABLE_SECRET] = "0123456789abcde";

struct thing {
    struct keyed_entry entry;
    uint8_t len;
    uint8_t key[3];
    bool in;
};

static struct bytes key_of(const struct keyed_entry *e)
{
    const struct thing *t = (const struct thing *)(const void *)e;

    return bytes_of(t->key, t->len);
}

/* Keys of 0 to 3 bytes, some of which begin like others. */
static void name(struct thing *t, unsigned n)
{
    *t = (struct thing){.len = (uint8_t)(n % 4)};
    bytes_put_number(t->key, t->len, n / 4);
}

/* The naive model: numbers of things in the order of their use. */
struct model {
    unsigned order[KEYS];
    unsigned count;
};

static void model_remove(struct model *m, unsigned n)
{
    unsigned i = 0;

    while (m->order[i] != n)
        i++;
    memmove(m->order + i, m->order + i + 1,
            (m->count - i - 1) * sizeof(m->order[0]));
    m->count--;
}

static void check(const struct keyed_table *t, struct thing *things,
                  const struct model *m)
{
    const struct keyed_entry *e = t->oldest, *last = NULL;

    assert_int_equal(t->count, m->count);
    for (unsigned i = 0; i < m->count; i++) {
        assert_ptr_equal(e, &things[m->order[i]].entry);
        assert_ptr_equal(e->older, last);
        last = e;
        e = e->newer;
    }
    assert_null(e);
    assert_ptr_equal(t->newest, last);
    assert_true((t->chains == NULL) == (m->count == 0));
}

/* Adds, removes, uses and looks up at random; phases in which it grows and in
 * which it becomes empty. */
static void test_keyed_table_random_against_model(void **state)
{
    struct test_random r = test_seed(7);
    static struct thing things[KEYS];
    struct model m = {.count = 0};
    struct keyed_table t;

    (void)state;
    keyed_table_init(&t, KEYS, key_of, secret);
    for (unsigned i = 0; i < KEYS; i++)
        name(&things[i], 4 * i + 3);
    for (unsigned step = 0; step < STEPS; step++) {
        unsigned n = test_random_below(&r, KEYS);
        bool shrinks = step / 5000 % 2 == 1;
        struct thing *it = &things[n];

        assert_ptr_equal(keyed_table_find(&t, key_of(&it->entry)),
                         it->in ? &it->entry : NULL);
        if (!it->in && (!shrinks || test_random_below(&r, 20) == 0)) {
            assert_int_equal(keyed_table_add(&t, &it->entry), OK);
            it->in = true;
            m.order[m.count++] = n;
        } else if (it->in && test_random_below(&r, shrinks ? 2 : 5) == 0) {
            keyed_table_remove(&t, &it->entry);
            it->in = false;
            model_remove(&m, n);
        } else if (it->in) {
            keyed_table_touch(&t, &it->entry);
            model_remove(&m, n);
            m.order[m.count++] = n;
        }
        if (step % 64 == 0)
            check(&t, things, &m);
    }
    while (t.oldest != NULL)
        keyed_table_remove(&t, t.oldest);
    m.count = 0;
    check(&t, things, &m);
}

static void test_keyed_table_keys_of_any_length(void **state)
{
    struct thing things[8];
    struct keyed_table t;

    (void)state;
    keyed_table_init(&t, 8, key_of, secret);
    for (unsigned i = 0; i < 4; i++) { /* "", 0, 00, 000 */
        name(&things[i], i);
        assert_null(keyed_table_find(&t, key_of(&things[i].entry)));
        assert_int_equal(keyed_table_add(&t, &things[i].entry), OK);
    }
    for (unsigned i = 0; i < 4; i++)
        assert_ptr_equal(keyed_table_find(&t, key_of(&things[i].entry)),
                         &things[i].entry);
    while (t.oldest != NULL)
        keyed_table_remove(&t, t.oldest);
}

static void test_keyed_table_cap(void **state)
{
    struct thing things[4];
    struct keyed_table t;

    (void)state;
    keyed_table_init(&t, 3, key_of, secret);
    for (unsigned i = 0; i < 4; i++) {
        name(&things[i], 4 * i + 1);
        assert_int_equal(keyed_table_add(&t, &things[i].entry),
                         i < 3 ? OK : ERR_FULL);
    }
    assert_null(keyed_table_find(&t, key_of(&things[3].entry)));
    keyed_table_remove(&t, t.oldest);
    assert_int_equal(keyed_table_add(&t, &things[3].entry), OK);
    assert_null(keyed_table_find(&t, key_of(&things[0].entry)));
    while (t.oldest != NULL)
        keyed_table_remove(&t, t.oldest);
}

/* The first thing needs memory; later ones are found without any more. */
static void test_keyed_table_without_memory(void **state)
{
    static struct thing things[KEYS];
    struct keyed_table t;

    (void)state;
    keyed_table_init(&t, KEYS, key_of, secret);
    for (unsigned i = 0; i < KEYS; i++)
        name(&things[i], 4 * i + 3);
    fail_alloc_at(1);
    assert_int_equal(keyed_table_add(&t, &things[0].entry), ERR_NO_MEMORY);
    assert_true(fail_alloc_end());
    assert_int_equal(t.count, 0);
    assert_null(t.oldest);
    for (unsigned i = 0; i < KEYS; i++) {
        if (i > 0)
            fail_alloc_at(1);
        assert_int_equal(keyed_table_add(&t, &things[i].entry), OK);
        fail_alloc_end();
    }
    for (unsigned i = 0; i < KEYS; i++)
        assert_ptr_equal(keyed_table_find(&t, key_of(&things[i].entry)),
                         &things[i].entry);
    while (t.oldest != NULL)
        keyed_table_remove(&t, t.oldest);
    assert_null(t.chains);
}

/* Another secret puts things into other chains. */
static void test_keyed_table_secret_decides_the_chains(void **state)
{
    static const uint8_t other[KEYED_TABLE_SECRET] = "fedcba987654321";
    static struct thing things[2][64];
    struct keyed_table t[2];
    unsigned same = 0;

    (void)state;
    keyed_table_init(&t[0], 64, key_of, secret);
    keyed_table_init(&t[1], 64, key_of, other);
    for (unsigned i = 0; i < 128; i++) {
        name(&things[i % 2][i / 2], 4 * (i / 2) + 3);
        assert_int_equal(
            keyed_table_add(&t[i % 2], &things[i % 2][i / 2].entry), OK);
    }
    assert_int_equal(t[0].chain_count, 64);
    for (unsigned i = 0; i < 64; i++) {
        const struct keyed_entry *a = t[0].chains[i], *b = t[1].chains[i];

        same += a != NULL && b != NULL && bytes_equal(key_of(a), key_of(b));
    }
    assert_in_range(same, 0, 10);
    for (unsigned i = 0; i < 2; i++) {
        while (t[i].oldest != NULL)
            keyed_table_remove(&t[i], t[i].oldest);
    }
}

/* Three owners have 50 things each; every one is found in the end, also after
 * the chains have grown and some are gone. */
static void test_keyed_table_keys_may_be_shared(void **state)
{
    static struct thing things[150];
    struct keyed_table t;
    unsigned seen[3] = {0};

    (void)state;
    keyed_table_init(&t, SIZE_MAX, key_of, secret);
    for (unsigned i = 0; i < 150; i++) {
        name(&things[i], 4 * (i % 3) + 1);
        assert_int_equal(keyed_table_add(&t, &things[i].entry), OK);
        assert_ptr_equal(keyed_table_find(&t, key_of(&things[i].entry)),
                         &things[i].entry);
    }
    assert_true(keyed_table_memory(&t) >= 150 * sizeof(void *));
    for (unsigned i = 0; i < 30; i += 3)
        keyed_table_remove(&t, &things[i].entry);
    for (unsigned i = 0; i < 3; i++) {
        struct bytes key = key_of(&things[i].entry);
        struct keyed_entry *e;

        while ((e = keyed_table_find(&t, key)) != NULL) {
            assert_true(bytes_equal(key_of(e), key));
            keyed_table_remove(&t, e);
            seen[i]++;
        }
    }
    assert_int_equal(seen[0], 40);
    assert_int_equal(seen[1], 50);
    assert_int_equal(seen[2], 50);
    assert_int_equal(t.count, 0);
    assert_int_equal(keyed_table_memory(&t), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keyed_table_random_against_model),
        cmocka_unit_test(test_keyed_table_keys_of_any_length),
        cmocka_unit_test(test_keyed_table_keys_may_be_shared),
        cmocka_unit_test(test_keyed_table_cap),
        cmocka_unit_test(test_keyed_table_without_memory),
        cmocka_unit_test(test_keyed_table_secret_decides_the_chains),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
