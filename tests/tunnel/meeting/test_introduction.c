/* SPDX-License-Identifier: MIT
 *
 * Introduction points, and who would like to have somebody else's.
 */
#include "tunnel/meeting/introduction.h"

#include "fail_alloc.h"
#include "meeting/meeting_world.h"

static unsigned points(const struct world *w)
{
    return world_stats(w).introductions;
}

/* A service with a point, and nothing said to it since. */
static struct party *service_of(struct world *w, unsigned n)
{
    const struct auth a = auth_of(n);
    struct party *p = party_of(w, n);

    assert_int_equal(establish(w, p, &a, NULL, NULL), REASON_UNKNOWN);
    assert_int_equal(p->last.type, MEETING_INTRO_ESTABLISHED);
    assert_int_equal(p->last.status, MEETING_TAKEN);
    return p;
}

static void test_introduction_from_end_to_end(void **state)
{
    const struct auth a = auth_of(1);
    struct party *service, *client;
    struct world w;

    (void)state;
    world_init(&w, 1);
    service = service_of(&w, 1);
    client = party_of(&w, 2);
    assert_int_equal(introduce(&w, client, a.id, 7, 2000), REASON_UNKNOWN);
    assert_int_equal(client->text_len, 0); /* the service decides */
    assert_int_equal(service->last.type, MEETING_INTRODUCED);
    assert_memory_equal(service->last.auth_id, a.id, sizeof(a.id));
    assert_int_equal(service->last.noise.p[0], 7);
    assert_true(service->last.has_work);
    assert_int_equal(service->last.work.effort, 2000);
    assert_int_equal(
        result(&w, service, service->last.handle, MEETING_BUSY, 4096),
        REASON_UNKNOWN);
    assert_int_equal(client->last.type, MEETING_INTRODUCE_ACK);
    assert_int_equal(client->last.status, MEETING_BUSY);
    assert_int_equal(client->last.effort, 4096);
    assert_int_equal(world_stats(&w).acks[MEETING_BUSY], 1);
    world_deinit(&w);
}

/* A service that has restarted asks to hear it with a later time; that is told
 * as it is, and is no effort that the point would hold others to. */
static void test_introduction_again(void **state)
{
    const uint32_t time = 1800000000;
    const struct auth a = auth_of(1);
    struct party *service, *client;
    struct world w;

    (void)state;
    world_init(&w, 1);
    service = service_of(&w, 1);
    client = party_of(&w, 2);
    introduce(&w, client, a.id, 7, 0);
    result(&w, service, service->last.handle, MEETING_BUSY, 2000);
    client = party_of(&w, 3);
    introduce(&w, client, a.id, 8, 0);
    result(&w, service, service->last.handle, MEETING_AGAIN, time);
    assert_int_equal(client->last.status, MEETING_AGAIN);
    assert_int_equal(client->last.effort, time);
    assert_int_equal(world_stats(&w).acks[MEETING_AGAIN], 1);
    /* The rate of those who work is still that of 2,000. */
    for (unsigned i = 0; i < 200; i++)
        introduce(&w, party_of(&w, 10 + i), a.id, 10, 0);
    client = party_of(&w, 4);
    introduce(&w, client, a.id, 9, 2000);
    assert_int_equal(service->last.noise.p[0], 9);
    world_deinit(&w);
}

/* All may get lost, and be said again: with the same effect. */
static void test_introduction_said_again(void **state)
{
    const struct auth a = auth_of(1);
    struct party *service, *client;
    struct world w;
    uint32_t handle;

    (void)state;
    world_init(&w, 1);
    service = service_of(&w, 1);
    assert_int_equal(establish(&w, service, &a, NULL, NULL), REASON_UNKNOWN);
    assert_int_equal(service->said[MEETING_INTRO_ESTABLISHED], 2);
    assert_int_equal(world_stats(&w).established, 1);
    client = party_of(&w, 2);
    assert_int_equal(introduce(&w, client, a.id, 7, 0), REASON_UNKNOWN);
    handle = service->last.handle;
    assert_int_equal(introduce(&w, client, a.id, 7, 0), REASON_UNKNOWN);
    assert_int_equal(service->said[MEETING_INTRODUCED], 2);
    assert_int_equal(service->last.handle, handle);
    result(&w, service, handle, MEETING_TAKEN, 0);
    result(&w, service, handle, MEETING_REFUSED, 0); /* too late */
    assert_int_equal(client->said[MEETING_INTRODUCE_ACK], 1);
    /* Now the point knows. */
    introduce(&w, client, a.id, 7, 0);
    assert_int_equal(client->said[MEETING_INTRODUCE_ACK], 2);
    assert_int_equal(client->last.status, MEETING_TAKEN);
    assert_int_equal(service->said[MEETING_INTRODUCED], 2);
    world_deinit(&w);
}

/* Who repeats without end is not passed on without end. */
static void test_introduction_repeats_are_few(void **state)
{
    const struct auth a = auth_of(1);
    struct party *service, *client;
    struct world w;

    (void)state;
    world_init(&w, 1);
    service = service_of(&w, 1);
    client = party_of(&w, 2);
    for (unsigned i = 0; i < 600; i++)
        introduce(&w, client, a.id, 7, 0);
    assert_in_range(service->said[MEETING_INTRODUCED], 6, 10);
    /* Another one is served. */
    introduce(&w, party_of(&w, 3), a.id, 8, 0);
    assert_int_equal(service->last.noise.p[0], 8);
    world_deinit(&w);
}

/* One INTRODUCE a circuit: who wants to try others needs others. */
static void test_introduction_one_a_circuit(void **state)
{
    const struct auth a = auth_of(1), b = auth_of(2);
    struct party *service, *client;
    struct world w;

    (void)state;
    world_init(&w, 1);
    service = service_of(&w, 1);
    service_of(&w, 2);
    client = party_of(&w, 3);
    introduce(&w, client, a.id, 7, 0);
    assert_int_equal(introduce(&w, client, a.id, 8, 0), REASON_PROTOCOL);
    assert_int_equal(introduce(&w, client, b.id, 7, 0), REASON_PROTOCOL);
    assert_int_equal(service->said[MEETING_INTRODUCED], 1);
    assert_int_equal(world_stats(&w).introduced, 1);
    world_deinit(&w);
}

static void test_introduction_unknown_id(void **state)
{
    const struct auth a = auth_of(1);
    struct party *client;
    struct world w;

    (void)state;
    world_init(&w, 1);
    client = party_of(&w, 2);
    introduce(&w, client, a.id, 7, 0);
    assert_int_equal(client->last.type, MEETING_INTRODUCE_ACK);
    assert_int_equal(client->last.status, MEETING_UNKNOWN);
    introduce(&w, client, a.id, 7, 0);
    assert_int_equal(client->said[MEETING_INTRODUCE_ACK], 2);
    world_deinit(&w);
}

/* The point goes while a client waits: it hears so at once. */
static void test_introduction_point_goes(void **state)
{
    const struct auth a = auth_of(1);
    struct party *service, *clients[3];
    struct world w;

    (void)state;
    world_init(&w, 1);
    service = service_of(&w, 1);
    for (unsigned i = 0; i < 3; i++) {
        clients[i] = party_of(&w, 2 + i);
        introduce(&w, clients[i], a.id, (uint8_t)i, 0);
    }
    party_end(&w, clients[1]); /* which waits no more */
    assert_int_equal(world_stats(&w).waiting, 2);
    party_end(&w, service);
    for (unsigned i = 0; i < 3; i += 2)
        assert_int_equal(clients[i]->last.status, MEETING_UNKNOWN);
    assert_int_equal(world_stats(&w).waiting, 0);
    assert_int_equal(points(&w), 0);
    world_deinit(&w);
}

/* ---- Whose point it is --------------------------------------------------- */

/* Line 5 and 6 of the attacks: a message of another circuit, another's key, a
 * wrong signature; then the owner comes, and wins. */
static void test_introduction_is_the_owners(void **state)
{
    const struct auth a = auth_of(1), thief = auth_of(9);
    struct party *service, *other, *client;
    uint8_t text[CELL_MAX];
    struct auth mixed = thief;
    struct world w;
    size_t len;

    (void)state;
    world_init(&w, 1);
    service = party_of(&w, 1);
    other = party_of(&w, 2);
    len = establish_text(service, &a, NULL, NULL, text);
    /* Seen by a former point, and said on a circuit of the thief's. */
    say_text(&w, other, bytes_of(text, len));
    assert_int_equal(other->last.status, MEETING_REFUSED);
    memcpy(mixed.public, a.public, sizeof(mixed.public));
    establish(&w, other, &mixed, NULL, NULL);
    assert_int_equal(other->last.status, MEETING_REFUSED);
    assert_int_equal(points(&w), 0);
    say_text(&w, service, bytes_of(text, len));
    assert_int_equal(service->last.status, MEETING_TAKEN);
    /* And again, while it stands. */
    say_text(&w, other, bytes_of(text, len));
    assert_int_equal(other->last.status, MEETING_REFUSED);
    establish(&w, other, &mixed, NULL, NULL);
    assert_int_equal(service->said[MEETING_INTRO_ESTABLISHED], 1);
    client = party_of(&w, 3);
    introduce(&w, client, a.id, 1, 0);
    assert_int_equal(service->said[MEETING_INTRODUCED], 1);
    assert_int_equal(other->said[MEETING_INTRODUCED], 0);
    world_deinit(&w);
}

/* Each byte of it is covered. */
static void test_introduction_flipped_bits(void **state)
{
    const struct auth a = auth_of(1);
    uint8_t topic[32] = {1}, entry[MEETING_ENTRY_BYTES] = {2}, text[CELL_MAX];
    struct party *p;
    struct world w;
    size_t len;

    (void)state;
    world_init(&w, 1);
    p = party_of(&w, 1);
    len = establish_text(p, &a, topic, entry, text);
    for (size_t i = 0; i < 225; i++) {
        text[i] ^= 1;
        say_text(&w, p, bytes_of(text, len));
        text[i] ^= 1;
        assert_int_equal(points(&w), 0);
        assert_int_equal(world_stats(&w).topics, 0);
        w.now += TIME_S; /* signatures are checked at a rate */
    }
    say_text(&w, p, bytes_of(text, len));
    assert_int_equal(points(&w), 1);
    world_deinit(&w);
}

/* A service that lost its circuit without hearing of it. */
static void test_introduction_newest_circuit_wins(void **state)
{
    const struct auth a = auth_of(1);
    struct party *old, *new, *client;
    struct world w;
    uint32_t handle;

    (void)state;
    world_init(&w, 1);
    old = service_of(&w, 1);
    client = party_of(&w, 2);
    introduce(&w, client, a.id, 1, 0);
    handle = old->last.handle;
    new = party_of(&w, 3);
    establish(&w, new, &a, NULL, NULL);
    assert_int_equal(old->last.type, MEETING_INTRO_ESTABLISHED);
    assert_int_equal(old->last.status, MEETING_REPLACED);
    assert_int_equal(points(&w), 1);
    /* What was said on the old one goes on, on the new one. */
    result(&w, old, handle, MEETING_TAKEN, 0);
    assert_int_equal(client->text_len, 0);
    introduce(&w, client, a.id, 1, 0);
    assert_int_equal(new->last.type, MEETING_INTRODUCED);
    result(&w, new, new->last.handle, MEETING_TAKEN, 0);
    assert_int_equal(client->last.status, MEETING_TAKEN);
    party_end(&w, old);
    assert_int_equal(points(&w), 1);
    world_deinit(&w);
}

/* Line 2 and 4: a result that is not of this service's, or of no introduction.
 */
static void test_introduction_results_of_others(void **state)
{
    const struct auth a = auth_of(1);
    struct party *service, *other, *client;
    struct world w;

    (void)state;
    world_init(&w, 1);
    service = service_of(&w, 1);
    other = service_of(&w, 2);
    client = party_of(&w, 3);
    introduce(&w, client, a.id, 1, 0);
    result(&w, other, service->last.handle, MEETING_TAKEN, 0);
    assert_int_equal(result(&w, client, service->last.handle, MEETING_TAKEN, 0),
                     REASON_PROTOCOL);
    result(&w, service, service->last.handle + 1, MEETING_TAKEN, 0);
    assert_int_equal(client->text_len, 0);
    /* What only a relay says comes to nothing. */
    for (int t = MEETING_INTRO_ESTABLISH; t <= MEETING_RELAY_TOLD; t++) {
        uint8_t noise[MEETING_NOISE1_BYTES] = {0};
        struct meeting_message m = {.type = (enum meeting_message_type)t,
                                    .auth_id = a.id,
                                    .cookie = a.id,
                                    .signature = noise,
                                    .value = NULL,
                                    .noise = {noise, sizeof(noise)}};

        if (!meeting_relay_says(m.type) || t == MEETING_DHT_ITEM)
            continue;
        m.noise.len = t == MEETING_JOINED ? 64 : sizeof(noise);
        assert_int_equal(say(&w, client, &m), REASON_PROTOCOL);
    }
    /* Anything that it says but TAKEN and BUSY is a refusal. */
    result(&w, service, service->last.handle, MEETING_UNKNOWN, 0);
    assert_int_equal(client->last.status, MEETING_REFUSED);
    world_deinit(&w);
}

/* A circuit is of one kind. */
static void test_introduction_kinds_of_circuits(void **state)
{
    const struct auth a = auth_of(1), b = auth_of(2);
    uint8_t text[CELL_MAX];
    struct party *service, *client;
    struct world w;
    size_t len;

    (void)state;
    world_init(&w, 1);
    service = service_of(&w, 1);
    assert_int_equal(introduce(&w, service, a.id, 1, 0), REASON_PROTOCOL);
    assert_int_equal(establish(&w, service, &b, NULL, NULL), REASON_PROTOCOL);
    client = party_of(&w, 2);
    introduce(&w, client, a.id, 1, 0);
    assert_int_equal(establish(&w, client, &b, NULL, NULL), REASON_PROTOCOL);
    /* One with a next hop, or with sockets of an exit. */
    client = party_of(&w, 3);
    len = establish_text(client, &b, NULL, NULL, text);
    assert_int_equal(meeting_message(w.m, &client->state, &client->relay, true,
                                     bytes_of(text, len), client->transcript,
                                     w.wall, w.now),
                     REASON_PROTOCOL);
    assert_null(client->state);
    assert_int_equal(points(&w), 1);
    world_deinit(&w);
}

/* ---- Floods -------------------------------------------------------------- */

/* Line 9: what is asked without work does not keep out who works. */
static void test_introduction_flood_without_work(void **state)
{
    const struct auth a = auth_of(1), b = auth_of(2);
    struct party *service, *client;
    struct world w;

    (void)state;
    world_init(&w, 1);
    service = service_of(&w, 1);
    client = party_of(&w, 2);
    introduce(&w, client, a.id, 1, 0);
    result(&w, service, service->last.handle, MEETING_BUSY, 1024);
    for (unsigned i = 0; i < 1000; i++) {
        w.now += TIME_MS;
        introduce(&w, party_of(&w, 3 + i), a.id, 1, 0);
    }
    /* burst and rate, and no more */
    assert_in_range(service->said[MEETING_INTRODUCED], 100, 130);
    client = party_of(&w, 2000);
    introduce(&w, client, a.id, 1, 0);
    assert_int_equal(client->last.status, MEETING_BUSY);
    assert_int_equal(client->last.effort, 1024); /* what would help */
    client = party_of(&w, 2001);
    introduce(&w, client, a.id, 1, 1023); /* too little */
    assert_int_equal(client->last.status, MEETING_BUSY);
    client = party_of(&w, 2002);
    introduce(&w, client, a.id, 42, 1024);
    assert_int_equal(service->last.noise.p[0], 42);
    /* Nor does it keep out who wants another service. */
    service = service_of(&w, 2);
    introduce(&w, party_of(&w, 2003), b.id, 43, 0);
    assert_int_equal(service->last.noise.p[0], 43);
    world_deinit(&w);
}

/* Line 10: claims of work have a rate too, however high they are. */
static void test_introduction_flood_of_claims(void **state)
{
    const struct auth a = auth_of(1);
    struct party *service;
    struct world w;

    (void)state;
    world_init(&w, 1);
    service = service_of(&w, 1);
    for (unsigned i = 0; i < 1000; i++) {
        w.now += TIME_MS;
        introduce(&w, party_of(&w, 3 + i), a.id, 1, UINT32_MAX);
    }
    assert_in_range(service->said[MEETING_INTRODUCED], 100, 130);
    introduce(&w, party_of(&w, 2), a.id, 44, 0);
    assert_int_equal(service->last.noise.p[0], 44);
    world_deinit(&w);
}

static void test_introduction_rate_over_all(void **state)
{
    struct world w;
    unsigned introduced = 0;

    (void)state;
    world_prepare(&w, 1);
    w.config.introduce_rate = 10;
    w.config.introduce_burst = 20;
    world_begin(&w);
    for (unsigned i = 0; i < 30; i++) {
        const struct auth a = auth_of(i);

        service_of(&w, i);
        introduce(&w, party_of(&w, 1000 + i), a.id, 1, 0);
    }
    introduced = (unsigned)world_stats(&w).introduced;
    assert_int_equal(introduced, 20);
    w.now += TIME_S;
    introduce(&w, party_of(&w, 1100), auth_of(3).id, 1, 0);
    assert_int_equal(world_stats(&w).introduced, introduced + 1);
    world_deinit(&w);
}

/* A service may want less than the relay gives, not more. */
static void test_introduction_rate_of_a_service(void **state)
{
    const struct auth a = auth_of(1);
    uint8_t covered[MEETING_SIGNED_MAX], signature[64];
    struct meeting_message msg = {.type = MEETING_INTRO_ESTABLISH,
                                  .auth_key = a.public,
                                  .rate = 1,
                                  .burst = 3,
                                  .signature = signature};
    struct party *service;
    struct world w;

    (void)state;
    world_init(&w, 1);
    service = party_of(&w, 1);
    crypto_sign_detached(
        signature, NULL, covered,
        meeting_signed_bytes(&msg, service->transcript, covered), a.secret);
    say(&w, service, &msg);
    for (unsigned i = 0; i < 200; i++)
        introduce(&w, party_of(&w, 2 + i), a.id, 1, 0);
    assert_int_equal(service->said[MEETING_INTRODUCED], 3);
    msg.rate = msg.burst = UINT16_MAX;
    crypto_sign_detached(
        signature, NULL, covered,
        meeting_signed_bytes(&msg, service->transcript, covered), a.secret);
    say(&w, service, &msg);
    w.now += TIME_HOUR;
    for (unsigned i = 0; i < 200; i++)
        introduce(&w, party_of(&w, 300 + i), a.id, 1, 0);
    assert_int_equal(service->said[MEETING_INTRODUCED], 3 + 100);
    world_deinit(&w);
}

/* Line 7: 10,000 from one circuit, then from one line, then of a network; who
 * comes from elsewhere has a place, and keeps it. */
static void test_introduction_flood_of_points(void **state)
{
    const struct endpoint line = source_at(9, 9, 9, 9);
    struct party *honest[8], *p;
    struct world w;

    (void)state;
    world_init(&w, 1);
    for (unsigned i = 0; i < 4; i++)
        honest[i] = service_of(&w, 20000 + i);
    p = party_new(&w, &line);
    for (unsigned i = 0; i < 10000; i++) {
        const struct auth a = auth_of(i);

        w.now += TIME_S / 100;
        establish(&w, p, &a, NULL, NULL);
    }
    assert_int_equal(points(&w), 5);
    for (unsigned i = 0; i < 10000; i++) {
        const struct auth a = auth_of(i);

        w.now += TIME_S / 100;
        establish(&w, party_new(&w, &line), &a, NULL, NULL);
        assert_true(points(&w) <= w.config.max_introductions);
    }
    /* Three quarters, and no more. */
    assert_in_range(points(&w), w.config.max_introductions * 3 / 4,
                    w.config.max_introductions * 3 / 4 + 5);
    for (unsigned i = 0; i < 2000; i++) {
        const struct endpoint ep =
            source_at(8, 8, (uint8_t)(i % 250), (uint8_t)(i / 250));
        const struct auth a = auth_of(10000 + i);

        w.now += TIME_S / 100;
        establish(&w, party_new(&w, &ep), &a, NULL, NULL);
    }
    assert_int_equal(points(&w), w.config.max_introductions);
    for (unsigned i = 4; i < 8; i++)
        honest[i] = service_of(&w, 20000 + i);
    for (unsigned i = 0; i < 8; i++) {
        const struct auth a = auth_of(20000 + i);

        introduce(&w, party_of(&w, 100 + i), a.id, 1, 0);
        assert_int_equal(honest[i]->said[MEETING_INTRODUCED], 1);
    }
    print_message("introductions %u, %zu bytes each\n", points(&w),
                  world_stats(&w).memory / points(&w));
    world_deinit(&w);
}

/* Who has signatures checked without end is not served for a while; others are.
 */
static void test_introduction_rate_of_signatures(void **state)
{
    const struct endpoint line = source_at(9, 9, 9, 9);
    struct auth mixed = auth_of(9);
    enum reason why = REASON_UNKNOWN;
    struct party *p;
    struct world w;
    unsigned n = 0;

    (void)state;
    world_init(&w, 1);
    memcpy(mixed.public, auth_of(1).public, sizeof(mixed.public));
    while (why == REASON_UNKNOWN && n++ < 10000) {
        p = party_new(&w, &line);
        why = establish(&w, p, &mixed, NULL, NULL);
    }
    assert_int_equal(why, REASON_RATE);
    assert_in_range(n, 100, 400);
    service_of(&w, 1);
    world_deinit(&w);
}

static void test_introduction_without_memory(void **state)
{
    const struct auth a = auth_of(1);
    unsigned n;

    (void)state;
    for (n = 1;; n++) {
        struct party *service, *client, *again;
        struct world w;
        bool failed;

        world_init(&w, 1);
        service = party_of(&w, 1);
        again = party_of(&w, 3);
        client = party_of(&w, 2);
        fail_alloc_at(n);
        establish(&w, service, &a, NULL, NULL);
        introduce(&w, client, a.id, 1, 0);
        establish(&w, again, &a, NULL, NULL);
        failed = fail_alloc_end();
        /* Whatever failed can be done again. */
        establish(&w, again, &a, NULL, NULL);
        assert_int_equal(again->last.status, MEETING_TAKEN);
        introduce(&w, party_of(&w, 4), a.id, 1, 0);
        assert_int_equal(again->last.type, MEETING_INTRODUCED);
        world_deinit(&w);
        if (!failed)
            break;
    }
    assert_in_range(n, 6, 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_introduction_from_end_to_end),
        cmocka_unit_test(test_introduction_again),
        cmocka_unit_test(test_introduction_said_again),
        cmocka_unit_test(test_introduction_repeats_are_few),
        cmocka_unit_test(test_introduction_one_a_circuit),
        cmocka_unit_test(test_introduction_unknown_id),
        cmocka_unit_test(test_introduction_point_goes),
        cmocka_unit_test(test_introduction_is_the_owners),
        cmocka_unit_test(test_introduction_flipped_bits),
        cmocka_unit_test(test_introduction_newest_circuit_wins),
        cmocka_unit_test(test_introduction_results_of_others),
        cmocka_unit_test(test_introduction_kinds_of_circuits),
        cmocka_unit_test(test_introduction_flood_without_work),
        cmocka_unit_test(test_introduction_flood_of_claims),
        cmocka_unit_test(test_introduction_rate_over_all),
        cmocka_unit_test(test_introduction_rate_of_a_service),
        cmocka_unit_test(test_introduction_flood_of_points),
        cmocka_unit_test(test_introduction_rate_of_signatures),
        cmocka_unit_test(test_introduction_without_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
