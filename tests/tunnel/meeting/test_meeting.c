/* SPDX-License-Identifier: MIT
 *
 * The room as a whole: what it is given, what it takes, what it holds.
 */
#include "tunnel/meeting/meeting.h"

#include "fail_alloc.h"
#include "meeting/meeting_world.h"

#include "tunnel/meeting/introduction.h"

static void test_meeting_wants_all_caps(void **state)
{
    struct meeting_config good;
    struct meeting_env env;
    struct meeting *m;
    struct world w;

    (void)state;
    world_prepare(&w, 1);
    env = world_env(&w);
    good = w.config;
    for (unsigned i = 0; i < 14; i++) {
        struct meeting_config c = good;
        unsigned *const caps[] = {
            &c.max_introductions, &c.max_topics,   &c.max_entries,
            &c.max_cookies,       &c.max_lookups,  &c.introduce_rate,
            &c.introduce_burst,   &c.service_rate, &c.service_burst,
            &c.lookup_rate,       &c.lookup_burst, &c.verify_rate,
            &c.verify_burst,      &c.max_sources};

        *caps[i] = 0;
        assert_int_equal(meeting_new(&c, &env, &m), ERR_RANGE);
    }
    fail_alloc_at(1);
    assert_int_equal(meeting_new(&good, &env, &m), ERR_NO_MEMORY);
    assert_true(fail_alloc_end());
    assert_int_equal(meeting_new(&good, &env, &m), OK);
    assert_int_equal(meeting_next_deadline(m), TIME_NEVER);
    meeting_free(m);
    meeting_free(NULL);
    meeting_circuit_free(NULL, NULL, 0);
}

/* What is no message leaves no trace. */
static void test_meeting_drops_junk(void **state)
{
    uint8_t text[CELL_MAX] = {0x92, 0x16, 1};
    struct party *p;
    struct world w;

    (void)state;
    world_init(&w, 1);
    p = party_of(&w, 1);
    assert_int_equal(
        say_text(&w, p, bytes_of(text, meeting_text_len(CELL_SMALL))),
        REASON_PROTOCOL);
    assert_int_equal(say_text(&w, p, bytes_of(text, 0)), REASON_PROTOCOL);
    assert_null(p->state);
    assert_int_equal(world_stats(&w).dropped, 2);
    assert_int_equal(w.said, 0);
    world_deinit(&w);
}

/* A smaller cap takes nothing away, and lets nobody in; a larger one does. */
static void test_meeting_is_configured_anew(void **state)
{
    const struct auth newcomer = auth_of(9);
    struct party *p;
    struct world w;

    (void)state;
    world_init(&w, 1);
    for (unsigned i = 0; i < 3; i++) {
        const struct auth a = auth_of(i);

        establish(&w, party_of(&w, i), &a, NULL, NULL);
    }
    w.config.max_introductions = 2;
    meeting_configure(w.m, &w.config);
    assert_int_equal(world_stats(&w).introductions, 3);
    p = party_of(&w, 9);
    establish(&w, p, &newcomer, NULL, NULL);
    assert_int_equal(p->last.status, MEETING_FULL);
    w.config.max_introductions = 9;
    meeting_configure(w.m, &w.config);
    establish(&w, p, &newcomer, NULL, NULL);
    assert_int_equal(p->last.status, MEETING_TAKEN);
    world_deinit(&w);
}

/* In a testing network all are neighbours: up to the cap, anybody is served. */
static void test_meeting_in_a_testing_network(void **state)
{
    const struct endpoint home = source_at(127, 0, 0, 1);
    struct party *p = NULL;
    struct world w;

    (void)state;
    world_prepare(&w, 1);
    w.config.testing_network = true;
    world_begin(&w);
    for (unsigned i = 0; i < w.config.max_entries + 10; i++) {
        const struct auth a = auth_of(i);
        uint8_t entry[MEETING_ENTRY_BYTES] = {0};

        p = party_new(&w, &home);
        establish(&w, p, &a, entry, entry);
        assert_int_equal(p->last.status, MEETING_TAKEN);
    }
    assert_int_equal(world_stats(&w).entries, w.config.max_entries);
    world_deinit(&w);
}

/* Aims: 512 bytes an introduction, 256 an entry. */
static void test_meeting_memory(void **state)
{
    size_t before, points, entries;
    struct world w;

    (void)state;
    world_init(&w, 1);
    before = world_stats(&w).memory;
    for (unsigned i = 0; i < 64; i++) {
        const struct auth a = auth_of(i);

        w.now += TIME_S;
        establish(&w, party_of(&w, i), &a, NULL, NULL);
    }
    points = (world_stats(&w).memory - before) / 64 +
             sizeof(struct introduction *) * 8;
    before = world_stats(&w).memory;
    for (unsigned i = 0; i < 64; i++) {
        const struct auth a = auth_of(i);
        uint8_t entry[MEETING_ENTRY_BYTES] = {0};
        struct party *p = w.parties;

        while (p->relay.source.addr[1] != i)
            p = p->next;
        w.now += TIME_S;
        establish(&w, p, &a, entry, entry);
    }
    assert_int_equal(world_stats(&w).entries, 64);
    entries = (world_stats(&w).memory - before) / 64;
    print_message("%zu bytes a point, %zu an entry\n", points, entries);
    assert_true(points <= 512);
    assert_true(entries <= 256);
    world_deinit(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_meeting_wants_all_caps),
        cmocka_unit_test(test_meeting_drops_junk),
        cmocka_unit_test(test_meeting_is_configured_anew),
        cmocka_unit_test(test_meeting_in_a_testing_network),
        cmocka_unit_test(test_meeting_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
