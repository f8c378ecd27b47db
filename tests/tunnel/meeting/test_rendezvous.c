/* SPDX-License-Identifier: MIT
 *
 * Circuits that wait with a cookie, those that are joined with them, and those
 * who would like to be.
 */
#include "tunnel/meeting/rendezvous.h"

#include "fail_alloc.h"
#include "meeting/meeting_world.h"

static const uint8_t noise2[MEETING_NOISE2_BYTES] = {5, 6, 7};

struct cookie {
    uint8_t b[MEETING_COOKIE_BYTES];
};

static struct cookie cookie_of(unsigned n)
{
    return (struct cookie){{(uint8_t)n, (uint8_t)(n >> 8), 77}};
}

static enum reason wait_with(struct world *w, struct party *p, unsigned n)
{
    const struct cookie cookie = cookie_of(n);
    const struct meeting_message m = {.type = MEETING_RENDEZVOUS,
                                      .cookie = cookie.b};

    return say(w, p, &m);
}

static enum reason join(struct world *w, struct party *p, unsigned n)
{
    const struct cookie cookie = cookie_of(n);
    const struct meeting_message m = {.type = MEETING_JOIN,
                                      .cookie = cookie.b,
                                      .noise = {noise2, sizeof(noise2)}};

    return say(w, p, &m);
}

static bool are_joined(const struct world *w, const struct party *client,
                       const struct party *service)
{
    return w->joined[0] == client && w->joined[1] == service;
}

static void test_rendezvous_joins(void **state)
{
    struct party *client, *service;
    struct world w;

    (void)state;
    world_init(&w, 1);
    client = party_of(&w, 1);
    service = party_of(&w, 2);
    assert_int_equal(wait_with(&w, client, 1), REASON_UNKNOWN);
    assert_int_equal(client->last.type, MEETING_READY);
    assert_memory_equal(client->last.cookie, cookie_of(1).b, 16);
    assert_int_equal(world_stats(&w).cookies, 1);
    assert_int_equal(join(&w, service, 1), REASON_UNKNOWN);
    assert_int_equal(w.joins, 1);
    assert_true(are_joined(&w, client, service));
    assert_int_equal(client->last.type, MEETING_JOINED);
    assert_true(bytes_equal(client->last.noise, bytes_of(noise2, 64)));
    assert_int_equal(service->last.type, MEETING_JOINED);
    assert_int_equal(service->last.noise.len, 0);
    assert_int_equal(world_stats(&w).cookies, 0);
    world_deinit(&w);
}

/* READY and both JOINED may get lost. */
static void test_rendezvous_said_again(void **state)
{
    struct party *client, *service;
    struct world w;

    (void)state;
    world_init(&w, 1);
    client = party_of(&w, 1);
    service = party_of(&w, 2);
    wait_with(&w, client, 1);
    wait_with(&w, client, 1);
    assert_int_equal(client->said[MEETING_READY], 2);
    assert_int_equal(world_stats(&w).cookies, 1);
    join(&w, service, 1);
    w.now += 5 * TIME_MIN;
    world_tick(&w);
    join(&w, service, 1);
    assert_int_equal(service->said[MEETING_JOINED], 2);
    wait_with(&w, client, 1);
    assert_int_equal(client->said[MEETING_JOINED], 2);
    assert_true(bytes_equal(client->last.noise, bytes_of(noise2, 64)));
    assert_int_equal(w.joins, 1);
    world_deinit(&w);
}

/* Line 13: guessed, used, another's, twice, too early: nothing is joined, and
 * what is joined stays so. */
static void test_rendezvous_refuses(void **state)
{
    struct party *client, *service, *other;
    struct world w;

    (void)state;
    world_init(&w, 1);
    client = party_of(&w, 1);
    service = party_of(&w, 2);
    other = party_of(&w, 3);
    assert_int_equal(join(&w, service, 1), REASON_TIMEOUT); /* too early */
    wait_with(&w, client, 1);
    assert_int_equal(join(&w, other, 2), REASON_TIMEOUT);       /* guessed */
    assert_int_equal(wait_with(&w, other, 1), REASON_PROTOCOL); /* another's */
    assert_int_equal(join(&w, client, 1), REASON_PROTOCOL); /* with itself */
    assert_int_equal(w.joins, 0);
    assert_int_equal(join(&w, service, 1), REASON_UNKNOWN);
    assert_int_equal(join(&w, other, 1), REASON_TIMEOUT); /* used */
    wait_with(&w, other, 1); /* once more, by somebody else */
    assert_int_equal(other->last.type, MEETING_READY);
    assert_int_equal(join(&w, service, 2), REASON_PROTOCOL); /* is joined */
    assert_int_equal(wait_with(&w, service, 3), REASON_PROTOCOL);
    assert_int_equal(wait_with(&w, client, 3), REASON_PROTOCOL);
    assert_int_equal(w.joins, 1);
    assert_true(are_joined(&w, client, service));
    world_deinit(&w);
}

static void test_rendezvous_cookies_get_old(void **state)
{
    struct party *client, *late, *service;
    struct world w;

    (void)state;
    world_init(&w, 1);
    client = party_of(&w, 1);
    late = party_of(&w, 3);
    service = party_of(&w, 2);
    wait_with(&w, client, 1);
    w.now += COOKIE_LIFE;
    wait_with(&w, late, 2);
    assert_int_equal(join(&w, service, 1), REASON_TIMEOUT); /* before a tick */
    world_tick(&w);
    assert_int_equal(world_stats(&w).cookies, 1);
    assert_int_equal(world_stats(&w).cookies_over, 1);
    assert_int_equal(join(&w, service, 2), REASON_UNKNOWN);
    wait_with(&w, client, 1); /* again */
    assert_int_equal(client->said[MEETING_READY], 2);
    world_deinit(&w);
}

/* Another cookie takes the place of the one before. */
static void test_rendezvous_one_cookie_a_circuit(void **state)
{
    struct party *client, *service;
    struct world w;

    (void)state;
    world_init(&w, 1);
    client = party_of(&w, 1);
    service = party_of(&w, 2);
    for (unsigned i = 0; i < 10000; i++)
        wait_with(&w, client, i);
    assert_int_equal(world_stats(&w).cookies, 1);
    assert_int_equal(join(&w, service, 5), REASON_TIMEOUT);
    assert_int_equal(join(&w, service, 9999), REASON_UNKNOWN);
    world_deinit(&w);
}

/* One of the two goes: the other waits, or joins, anew. */
static void test_rendezvous_after_the_other(void **state)
{
    struct party *client, *service, *third;
    struct world w;

    (void)state;
    world_init(&w, 1);
    client = party_of(&w, 1);
    service = party_of(&w, 2);
    wait_with(&w, client, 1);
    join(&w, service, 1);
    party_end(&w, service);
    wait_with(&w, client, 2);
    assert_int_equal(client->last.type, MEETING_READY);
    service = party_of(&w, 3);
    assert_int_equal(join(&w, service, 2), REASON_UNKNOWN);
    assert_true(are_joined(&w, client, service));
    party_end(&w, client);
    third = party_of(&w, 4);
    wait_with(&w, third, 3);
    assert_int_equal(join(&w, service, 3), REASON_UNKNOWN);
    assert_true(are_joined(&w, third, service));
    world_deinit(&w);
}

static void test_rendezvous_that_cannot_join(void **state)
{
    struct party *client, *service;
    struct world w;

    (void)state;
    world_init(&w, 1);
    client = party_of(&w, 1);
    service = party_of(&w, 2);
    wait_with(&w, client, 1);
    w.join_error = ERR_IN_USE;
    assert_int_equal(join(&w, service, 1), REASON_FULL);
    assert_int_equal(client->said[MEETING_JOINED], 0);
    w.join_error = OK;
    assert_int_equal(join(&w, service, 1), REASON_UNKNOWN);
    world_deinit(&w);
}

static void test_rendezvous_kinds_of_circuits(void **state)
{
    const struct auth a = auth_of(1);
    struct party *p, *waiting;
    struct world w;

    (void)state;
    world_init(&w, 1);
    waiting = party_of(&w, 1);
    wait_with(&w, waiting, 1);
    p = party_of(&w, 2);
    establish(&w, p, &a, NULL, NULL);
    assert_int_equal(wait_with(&w, p, 2), REASON_PROTOCOL);
    assert_int_equal(join(&w, p, 1), REASON_PROTOCOL);
    p = party_of(&w, 3);
    introduce(&w, p, a.id, 1, 0);
    assert_int_equal(wait_with(&w, p, 2), REASON_PROTOCOL);
    assert_int_equal(join(&w, p, 1), REASON_PROTOCOL);
    assert_int_equal(establish(&w, waiting, &a, NULL, NULL), REASON_PROTOCOL);
    assert_int_equal(introduce(&w, waiting, a.id, 1, 0), REASON_PROTOCOL);
    assert_int_equal(w.joins, 0);
    world_deinit(&w);
}

/* Line 7: a line with 10,000 circuits has three quarters of the cookies, and
 * whoever comes from elsewhere is served. */
static void test_rendezvous_flood(void **state)
{
    const struct endpoint line = source_at(9, 9, 9, 9);
    struct party *honest[6];
    struct world w;

    (void)state;
    world_init(&w, 1);
    for (unsigned i = 0; i < 3; i++) {
        honest[i] = party_of(&w, i);
        wait_with(&w, honest[i], 20000 + i);
    }
    for (unsigned i = 0; i < 10000; i++)
        wait_with(&w, party_new(&w, &line), i);
    assert_in_range(world_stats(&w).cookies, w.config.max_cookies * 3 / 4,
                    w.config.max_cookies * 3 / 4 + 3);
    for (unsigned i = 0; i < 1000; i++) {
        const struct endpoint ep =
            source_at(8, 8, (uint8_t)(i % 250), (uint8_t)(i / 250));

        wait_with(&w, party_new(&w, &ep), 10000 + i);
    }
    assert_int_equal(world_stats(&w).cookies, w.config.max_cookies);
    for (unsigned i = 3; i < 6; i++) {
        honest[i] = party_of(&w, i);
        wait_with(&w, honest[i], 20000 + i);
    }
    for (unsigned i = 0; i < 6; i++)
        assert_int_equal(join(&w, party_of(&w, 100 + i), 20000 + i),
                         REASON_UNKNOWN);
    assert_int_equal(w.joins, 6);
    world_deinit(&w);
}

static void test_rendezvous_without_memory(void **state)
{
    unsigned n;

    (void)state;
    for (n = 1;; n++) {
        struct party *client, *service;
        struct world w;
        bool failed;

        world_init(&w, 1);
        client = party_of(&w, 1);
        service = party_of(&w, 2);
        fail_alloc_at(n);
        wait_with(&w, client, 1);
        join(&w, service, 1);
        failed = fail_alloc_end();
        wait_with(&w, client, 1);
        join(&w, service, 1);
        assert_int_equal(w.joins, 1);
        world_deinit(&w);
        if (!failed)
            break;
    }
    assert_in_range(n, 5, 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rendezvous_joins),
        cmocka_unit_test(test_rendezvous_said_again),
        cmocka_unit_test(test_rendezvous_refuses),
        cmocka_unit_test(test_rendezvous_cookies_get_old),
        cmocka_unit_test(test_rendezvous_one_cookie_a_circuit),
        cmocka_unit_test(test_rendezvous_after_the_other),
        cmocka_unit_test(test_rendezvous_that_cannot_join),
        cmocka_unit_test(test_rendezvous_kinds_of_circuits),
        cmocka_unit_test(test_rendezvous_flood),
        cmocka_unit_test(test_rendezvous_without_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
