/* SPDX-License-Identifier: MIT
 *
 * How often a directory looks relays up in the DHT, and what it takes from
 * there.
 */
#include "directory_tell.h"

static void put_peer(struct host *h, unsigned i, const struct endpoint *ep)
{
    directory_key(TEST_NETWORK, i, &h->peers[h->peer_count].key);
    h->peers[h->peer_count++].ep = *ep;
}

/* The first `count` relays answer the ASKs that have come to them. */
static void answer_all(struct host *h, unsigned count)
{
    for (unsigned i = 0; i < h->logged; i++) {
        for (unsigned n = 0; n < count; n++) {
            struct endpoint ep = test_relay_ep(n);
            struct descriptor d = test_descriptor(n);
            uint8_t text[DESCRIPTOR_MAX];

            if (!endpoint_equal(&ep, &h->log[i].to))
                continue;
            (void)tell_with(h, &ep, bytes_of(h->log[i].nonce, LINK_ASK_NONCE),
                            bytes_of(text, test_descriptor_text(&d, n, text)));
        }
    }
    h->logged = 0;
}

/* Lookups while `duration` passes; of each, `met` known relays come as nodes
 * near the key. */
static unsigned lookups_in(struct host *h, uint64_t duration, unsigned met)
{
    uint64_t end = h->now + duration;
    unsigned before = h->lookups, seen = h->lookups;

    while (h->now < end) {
        host_run(h, 10 * TIME_MS);
        for (; seen < h->lookups; seen++) {
            for (unsigned n = 0; n < met; n++) {
                struct endpoint ep = test_relay_ep(n);

                directory_meet(h->d, &ep, h->now);
            }
        }
    }
    return h->lookups - before;
}

static void test_directory_dht_looks_ever_less_for_what_is_not_there(void **s)
{
    struct host h;

    (void)s;
    host_init(&h, 11);
    directory_set_wanted(h.d, 64, 4, h.now);
    assert_in_range(lookups_in(&h, 10 * TIME_S, 0), 15, 35);
    assert_in_range(lookups_in(&h, 10 * TIME_MIN, 0), 10, 35);
    assert_in_range(lookups_in(&h, TIME_HOUR, 0), 25, 35);
    /* All keys have been looked up by then. */
    host_run(&h, 10 * TIME_HOUR);
    h.lookups = 0;
    host_run(&h, 24 * TIME_HOUR);
    assert_in_range(h.lookups, 100, 200);
    host_deinit(&h);
}

/* Without anybody to meet near the keys, in a network of 14 relays. */
static void test_directory_dht_looks_at_all_keys_in_need(void **state)
{
    struct host h;

    (void)state;
    host_init(&h, 11);
    for (unsigned n = 0; n < 14; n++) {
        struct endpoint ep = test_relay_ep(n);

        put_peer(&h, directory_key_index(test_descriptor(n).identity), &ep);
    }
    directory_set_wanted(h.d, 64, 4, h.now);
    directory_set_needed(h.d, true, h.now);
    for (unsigned i = 0; i < 300; i++) {
        host_run(&h, TIME_S);
        answer_all(&h, 14);
    }
    assert_int_equal(directory_count(h.d), 14);
    assert_in_range(directory_stats(h.d)->asks_out, 14, 20);
    assert_in_range(h.lookups, 256, 350);
    assert_in_range(lookups_in(&h, TIME_HOUR, 0), 50, 75);
    host_deinit(&h);
}

/* The one relay in a DHT that does not meet it is found in one sweep. */
static void test_directory_dht_finds_the_only_relay(void **state)
{
    struct endpoint ep = test_relay_ep(0);
    struct host h;

    (void)state;
    host_init(&h, 13);
    put_peer(&h, directory_key_index(test_descriptor(0).identity), &ep);
    directory_set_wanted(h.d, 64, 4, h.now);
    directory_set_needed(h.d, true, h.now);
    for (unsigned i = 0; i < 20 && directory_count(h.d) == 0; i++) {
        host_run(&h, TIME_S);
        answer_all(&h, 1);
    }
    assert_int_equal(directory_count(h.d), 1);
    /* And where there is none, no more than that. */
    host_deinit(&h);
    host_init(&h, 13);
    directory_set_wanted(h.d, 64, 4, h.now);
    directory_set_needed(h.d, true, h.now);
    assert_in_range(lookups_in(&h, 20 * TIME_S, 0), 250, 256);
    assert_in_range(lookups_in(&h, 10 * TIME_MIN, 0), 8, 25);
    host_deinit(&h);
}

/* Relay `n` tells its descriptor, which is good for `life` seconds. */
static void learn(struct host *h, unsigned n, uint8_t roles, uint64_t life)
{
    struct descriptor d = test_descriptor(n);

    d.issued = (uint64_t)h->wall;
    d.expires = d.issued + life;
    d.roles = roles;
    assert_int_equal(ask_and_tell(h, n, &d, n), OK);
}

/* Those near the keys are the same ten again and again. */
static void test_directory_dht_rests_when_all_seem_known(void **state)
{
    struct host h;

    (void)state;
    host_init(&h, 12);
    for (unsigned n = 0; n < 10; n++)
        learn(&h, n, ROLE_RELAY, DESCRIPTOR_LIFETIME_MAX);
    h.sent = 0;
    directory_set_wanted(h.d, 64, 4, h.now);
    assert_in_range(lookups_in(&h, TIME_MIN, 8), 8, 20);
    assert_in_range(lookups_in(&h, 10 * TIME_MIN, 8), 2, 8);
    assert_in_range(lookups_in(&h, TIME_HOUR, 8), 5, 9);
    /* There is no exit: they are asked for more often, but not all keys. */
    directory_set_needed(h.d, true, h.now);
    assert_in_range(lookups_in(&h, TIME_MIN, 8), 8, 20);
    assert_in_range(lookups_in(&h, TIME_HOUR, 8), 50, 75);
    directory_set_needed(h.d, false, h.now);
    assert_in_range(lookups_in(&h, TIME_HOUR, 8), 5, 10);
    assert_int_equal(h.sent, 0); /* nobody was asked what is known */
    host_deinit(&h);
}

static void test_directory_dht_is_quiet_when_it_knows_enough(void **state)
{
    struct host h;

    (void)state;
    host_init(&h, 12);
    host_add_many(&h, 0, 70, ROLE_RELAY | ROLE_EXIT);
    directory_set_wanted(h.d, 64, 4, h.now);
    host_run(&h, TIME_MIN);
    h.lookups = h.sent = 0;
    host_run(&h, 24 * TIME_HOUR);
    /* Some 25 messages a lookup: below 0.05 a second. */
    assert_in_range(h.lookups, 100, 200);
    assert_int_equal(h.sent, 0);
    /* But none of them will do. */
    directory_set_needed(h.d, true, h.now);
    assert_in_range(lookups_in(&h, 10 * TIME_S, 0), 15, 35);
    directory_set_needed(h.d, false, h.now);
    assert_in_range(lookups_in(&h, TIME_HOUR, 0), 5, 10);
    host_deinit(&h);
}

static void test_directory_dht_news_begin_anew(void **state)
{
    struct host h;

    (void)state;
    host_init(&h, 13);
    directory_set_wanted(h.d, 64, 4, h.now);
    lookups_in(&h, TIME_HOUR, 0);
    learn(&h, 1, ROLE_RELAY, 3 * 3600);
    assert_in_range(lookups_in(&h, 10 * TIME_S, 0), 15, 35);
    lookups_in(&h, TIME_HOUR, 0);
    host_pass(&h, TIME_HOUR);
    learn(&h, 1, ROLE_RELAY, DESCRIPTOR_LIFETIME); /* known: no news */
    assert_in_range(lookups_in(&h, 10 * TIME_S, 0), 0, 1);
    /* When there are enough relays, exits alone count. */
    host_add_many(&h, 100, 64, ROLE_RELAY);
    lookups_in(&h, TIME_HOUR, 0);
    learn(&h, 2, ROLE_RELAY, DESCRIPTOR_LIFETIME);
    assert_in_range(lookups_in(&h, 10 * TIME_S, 0), 0, 1);
    learn(&h, 3, ROLE_RELAY | ROLE_EXIT, DESCRIPTOR_LIFETIME);
    assert_in_range(lookups_in(&h, 10 * TIME_S, 0), 15, 35);
    host_deinit(&h);
}

/* Whatever goes on and off: all keys once, and two a minute. */
static void test_directory_dht_lookups_are_bounded(void **state)
{
    struct host h;

    (void)state;
    host_init(&h, 14);
    directory_set_wanted(h.d, 64, 4, h.now);
    for (unsigned i = 0; i < 3600; i++) {
        directory_set_needed(h.d, i % 2 == 0, h.now);
        host_run(&h, TIME_S);
    }
    assert_in_range(h.lookups, DIRECTORY_KEYS, DIRECTORY_KEYS + 121);
    host_deinit(&h);
}

/* A node of the DHT that does not relay yet, or no more. */
static void test_directory_dht_asks_the_silent_again(void **state)
{
    struct endpoint ep = test_relay_ep(1);
    struct host h;

    (void)state;
    host_init(&h, 15);
    directory_set_wanted(h.d, 64, 4, h.now);
    for (unsigned i = 0; i < 120; i++) {
        directory_meet(h.d, &ep, h.now);
        host_run(&h, TIME_S);
    }
    /* After about 10, 20, 40, 80 s; each time twice. */
    assert_in_range(h.sent, 8, 12);
    host_run(&h, TIME_HOUR);
    h.sent = 0;
    for (unsigned i = 0; i < 3600; i++) {
        directory_meet(h.d, &ep, h.now);
        host_run(&h, TIME_S);
    }
    assert_in_range(h.sent, 8, 12);
    host_deinit(&h);
}

/* Where enough relays are known, nodes of the DHT are left alone. */
static void test_directory_dht_meets_while_few_are_known(void **state)
{
    struct endpoint ep = test_relay_ep(500);
    struct host h;

    (void)state;
    host_init(&h, 16);
    host_add_many(&h, 0, 47, ROLE_RELAY);
    host_tick(&h);
    directory_meet(h.d, &ep, h.now);
    host_tick(&h);
    assert_int_equal(h.sent, 1);
    host_add_many(&h, 47, 1, ROLE_RELAY);
    host_tick(&h);
    ep = test_relay_ep(501);
    directory_meet(h.d, &ep, h.now);
    host_tick(&h);
    assert_int_equal(h.sent, 1);
    directory_set_needed(h.d, true, h.now);
    directory_meet(h.d, &ep, h.now);
    host_tick(&h);
    assert_int_equal(h.sent, 2);
    host_deinit(&h);
}

/* A thousand endpoints under one key: a few are asked, one of each /16. */
static void test_directory_takes_little_from_one_key(void **state)
{
    struct directory_status status;
    struct directory_config c;
    struct host h;

    (void)state;
    host_init(&h, 13);
    for (unsigned i = 0; i < HOST_PEERS; i++) {
        struct endpoint ep = test_relay_ep(i);

        if (i >= 4)
            ep = test_ep4(66, 66, (uint8_t)i, 1, 5);
        put_peer(&h, 5, &ep);
    }
    directory_set_wanted(h.d, 1, 0, h.now);
    directory_set_needed(h.d, true, h.now); /* all keys, one a second */
    for (unsigned i = 0; i < 3000 && h.sent == 0; i++)
        host_run(&h, 100 * TIME_MS);
    directory_status(h.d, (uint64_t)h.wall, h.now, &status);
    assert_int_equal(status.asks + status.candidates, 5);
    directory_free(h.d);

    /* Of sixty-four in as many networks, eight. */
    h.peer_count = 0;
    for (unsigned i = 0; i < HOST_PEERS; i++) {
        struct endpoint ep = test_relay_ep(i);

        put_peer(&h, 5, &ep);
    }
    c = host_config(&h);
    c.wanted_relays = 1;
    host_start(&h, &c);
    h.sent = 0;
    directory_set_needed(h.d, true, h.now); /* all keys, one a second */
    for (unsigned i = 0; i < 3000 && h.sent == 0; i++)
        host_run(&h, 100 * TIME_MS);
    directory_status(h.d, (uint64_t)h.wall, h.now, &status);
    assert_int_equal(status.asks + status.candidates, 8);
    host_deinit(&h);
}

static void test_directory_waits_for_the_dht(void **state)
{
    struct directory_status status;
    struct host h;

    (void)state;
    host_init(&h, 14);
    h.dht_error = ERR_NO_NODES;
    directory_set_wanted(h.d, 64, 4, h.now);
    host_run(&h, TIME_MIN);
    assert_in_range(h.lookups, 5, 10);
    h.lookups = 0;
    host_run(&h, TIME_HOUR);
    assert_in_range(h.lookups, 100, 130);
    h.dht_error = OK;
    h.lookups = 0;
    host_run(&h, 40 * TIME_S); /* it is back: as if at the beginning */
    assert_in_range(h.lookups, 15, 60);
    h.dht_error = ERR_FULL;
    h.lookups = 0;
    host_run(&h, TIME_MIN);
    assert_in_range(h.lookups, 6, 20);
    /* Answers that do not come: no more than four are waited for. */
    h.dht_error = OK;
    h.slow = true;
    directory_set_wanted(h.d, 64, 4, h.now);
    host_run(&h, TIME_MIN);
    directory_status(h.d, (uint64_t)h.wall, h.now, &status);
    assert_int_equal(status.lookups, 4);
    directory_free(h.d);
    assert_int_equal(h.cancelled, 4);
    h.d = NULL;
    host_deinit(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            test_directory_dht_looks_ever_less_for_what_is_not_there),
        cmocka_unit_test(test_directory_dht_looks_at_all_keys_in_need),
        cmocka_unit_test(test_directory_dht_finds_the_only_relay),
        cmocka_unit_test(test_directory_dht_rests_when_all_seem_known),
        cmocka_unit_test(test_directory_dht_is_quiet_when_it_knows_enough),
        cmocka_unit_test(test_directory_dht_news_begin_anew),
        cmocka_unit_test(test_directory_dht_lookups_are_bounded),
        cmocka_unit_test(test_directory_dht_asks_the_silent_again),
        cmocka_unit_test(test_directory_dht_meets_while_few_are_known),
        cmocka_unit_test(test_directory_takes_little_from_one_key),
        cmocka_unit_test(test_directory_waits_for_the_dht),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
