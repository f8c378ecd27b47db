/* SPDX-License-Identifier: MIT */
#include "directory_tell.h"

#include "tunnel/directory/directory_internal.h"

#include "wire/item/item_signing.h"
#include "wire/msgpack/mp_reader.h"
#include "wire/msgpack/mp_writer.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <sodium.h>

/* Links are only named, never looked into. */
static char names[2];
static struct link *const link_a = (struct link *)(void *)&names[0];
static struct link *const link_b = (struct link *)(void *)&names[1];

static void test_directory_keys_are_known(void **state)
{
    static const struct {
        unsigned i;
        const char *hex;
    } cases[] = {
        /* By Python's hashlib and msgpack. */
        {0, "6b8edf507abeef1b646ad4b2c1eea7807fdfeed7"},
        {7, "7f5260e8562ff2236d1d1d2c5a9caf2e62762b6d"},
        {200, "671f6cebab65cb227fd9ce800e30f6083b8585e1"},
    };
    struct id id, want;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        directory_key(TEST_NETWORK, cases[i].i, &id);
        assert_int_equal(id_parse(cases[i].hex, &want), OK);
        assert_true(id_equal(&id, &want));
    }
    assert_int_equal(directory_key_index(test_descriptor(7).identity), 141);
}

/* ---- ASK and TELL ------------------------------------------------------ */

static void test_directory_learns_by_asking(void **state)
{
    struct descriptor d = test_descriptor(1);
    struct host h;

    (void)state;
    host_init(&h, 1);
    assert_int_equal(ask_and_tell(&h, 1, &d, 1), OK);
    assert_int_equal(h.datagram_len, LINK_ASK_BYTES);
    assert_int_equal(directory_count(h.d), 1);
    assert_non_null(directory_find(h.d, d.identity));
    assert_int_equal(h.stored_count, 1);
    assert_int_equal(directory_stats(h.d)->learned, 1);
    host_deinit(&h);
}

static void test_directory_refuses_bad_descriptors(void **state)
{
    static const struct {
        unsigned at, of, signer; /* asked, described, and signed by */
        int64_t issued, expires; /* from now */
        uint8_t roles;
        const char *address;
        enum error e;
    } cases[] = {
        {1, 1, 2, 0, 10, ROLE_RELAY, NULL, ERR_SIGNATURE},
        {1, 2, 2, 0, 10, ROLE_RELAY, NULL, ERR_ADDRESS}, /* of another */
        {1, 1, 1, -9000, -3601, ROLE_RELAY, NULL, ERR_EXPIRED},
        {1, 1, 1, 3601, 9000, ROLE_RELAY, NULL, ERR_FUTURE},
        {1, 1, 1, 0, DESCRIPTOR_LIFETIME_MAX + 1, ROLE_RELAY, NULL, ERR_RANGE},
        {1, 1, 1, 0, 10, 0, NULL, ERR_UNEXPECTED},
        {1, 1, 1, 0, 10, ROLE_RELAY, "10.0.0.1:5", ERR_ADDRESS},
        /* Clocks off by an hour, either way. */
        {1, 1, 1, 3600, 9000, ROLE_RELAY, NULL, OK},
        {2, 2, 2, -9000, -3600, ROLE_RELAY, NULL, OK},
    };
    struct host h;
    unsigned good = 0;

    (void)state;
    host_init(&h, 2);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct descriptor d = test_descriptor(cases[i].of);
        uint64_t before = directory_stats(h.d)->refused[cases[i].e];

        h.now += TIME_HOUR; /* so that the same may be asked again */
        d.issued = (uint64_t)(h.wall + cases[i].issued);
        d.expires = (uint64_t)(h.wall + cases[i].expires);
        d.roles = cases[i].roles;
        if (cases[i].address != NULL)
            d.addresses[0] = test_ep(cases[i].address);
        assert_int_equal(ask_and_tell(&h, cases[i].at, &d, cases[i].signer),
                         cases[i].e);
        good += cases[i].e == OK;
        if (cases[i].e != OK)
            assert_int_equal(directory_stats(h.d)->refused[cases[i].e],
                             before + 1);
        assert_int_equal(directory_count(h.d), good);
    }
    host_deinit(&h);
}

static void test_directory_takes_only_what_it_asked_for(void **state)
{
    struct descriptor d = test_descriptor(1);
    struct endpoint ep = test_relay_ep(1), other = test_relay_ep(2);
    uint8_t text[DESCRIPTOR_MAX], nonce[8] = {0};
    struct bytes b = bytes_of(text, test_descriptor_text(&d, 1, text));
    struct host h;

    (void)state;
    host_init(&h, 3);
    assert_int_equal(tell_with(&h, &ep, bytes_of(nonce, 8), b), ERR_UNEXPECTED);
    assert_int_equal(directory_ask(h.d, &ep, h.now), OK);
    host_tick(&h);
    assert_int_equal(tell_with(&h, &ep, bytes_of(nonce, 8), b), ERR_UNEXPECTED);
    assert_int_equal(tell(&h, &other, b), ERR_UNEXPECTED);
    assert_int_equal(directory_count(h.d), 0);
    assert_int_equal(tell(&h, &ep, b), OK);
    assert_int_equal(tell(&h, &ep, b), ERR_UNEXPECTED); /* replayed */
    host_deinit(&h);
}

static void test_directory_asks_twice_and_gives_up(void **state)
{
    struct endpoint ep = test_relay_ep(1);
    struct directory_status status;
    struct host h;

    (void)state;
    host_init(&h, 4);
    assert_int_equal(directory_ask(h.d, &ep, h.now), OK);
    host_run(&h, TIME_MIN);
    assert_int_equal(h.sent, 2);
    assert_int_equal(directory_stats(h.d)->asks_lost, 1);
    directory_status(h.d, (uint64_t)h.wall, h.now, &status);
    assert_int_equal(status.asks, 0);
    /* Not again so soon, whoever names it. */
    assert_int_equal(directory_ask(h.d, &ep, h.now), OK);
    host_run(&h, TIME_MIN);
    assert_int_equal(h.sent, 2);
    host_pass(&h, 10 * TIME_MIN);
    assert_int_equal(directory_ask(h.d, &ep, h.now), OK);
    host_run(&h, TIME_MIN);
    assert_int_equal(h.sent, 4);
    host_deinit(&h);
}

/* Relays that are gone are asked for new descriptors ever less, though more
 * relays are wanted. */
static void test_directory_asks_the_dead_ever_less(void **state)
{
    struct host h;

    (void)state;
    host_init(&h, 6);
    host_add_many(&h, 0, 20, ROLE_RELAY);
    host_pass(&h, 70 * TIME_HOUR); /* they run out */
    directory_set_wanted(h.d, 64, 4, h.now);
    host_run(&h, 10 * TIME_MIN);
    assert_in_range(h.sent, 20 * 2 * 3, 20 * 2 * 6);
    host_run(&h, 2 * TIME_HOUR);
    h.sent = 0;
    host_run(&h, TIME_HOUR);
    assert_in_range(h.sent, 20, 20 * 2 * 2);
    host_deinit(&h);
}

static void test_directory_bounds_asks_and_candidates(void **state)
{
    struct directory_status status;
    unsigned full = 0;
    struct host h;

    (void)state;
    host_init(&h, 5);
    for (unsigned n = 0; n < 500; n++) {
        struct endpoint ep = test_relay_ep(n);

        full += directory_ask(h.d, &ep, h.now) == ERR_FULL;
    }
    assert_int_equal(full, 500 - 64);
    host_tick(&h);
    directory_status(h.d, (uint64_t)h.wall, h.now, &status);
    assert_int_equal(status.asks, 16);
    assert_int_equal(status.candidates, 64 - 16);
    host_run(&h, TIME_MIN);
    assert_int_equal(h.sent, 2 * 64);
    host_deinit(&h);
}

static void test_directory_asks_no_address_that_cannot_be(void **state)
{
    static const char *const bad[] = {"10.0.0.1:5", "127.0.0.1:5", "8.8.8.8:0",
                                      "224.0.0.1:5", "[::1]:5"};
    struct host h;

    (void)state;
    host_init(&h, 6);
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct endpoint ep = test_ep(bad[i]);

        assert_int_equal(directory_ask(h.d, &ep, h.now), ERR_ADDRESS);
    }
    host_deinit(&h);
}

/* ---- Our own descriptor ------------------------------------------------ */

static struct directory_self self_at(const struct host *h)
{
    return (struct directory_self){.rotated = (uint64_t)h->wall,
                                   .handshake_key = {1},
                                   .roles = ROLE_RELAY | ROLE_EXIT,
                                   .address_count = 1,
                                   .addresses = {test_ep4(9, 9, 9, 9, 9)},
                                   .exit_policy = "accept 53",
                                   .tcp_policy = "accept 80"};
}

static void test_directory_publishes_itself(void **state)
{
    uint8_t message[ITEM_SIGNED_MAX];
    size_t len;
    struct directory_self self;
    struct descriptor d;
    struct id key;
    struct host h;

    (void)state;
    host_init(&h, 7);
    self = self_at(&h);
    directory_set_self(h.d, &self, h.now);
    host_tick(&h);
    directory_key(TEST_NETWORK,
                  directory_key_index(directory_config_of(h.d)->identity),
                  &key);
    assert_int_equal(h.announced, 1);
    assert_true(id_equal(&h.announced_key, &key));
    /* The DHT would take the item. */
    assert_int_equal(h.puts, 1);
    len =
        item_signed_bytes((struct bytes){0}, h.item.seq, h.item.value, message);
    assert_int_equal(
        crypto_sign_verify_detached(h.item.signature, message, len, h.item.key),
        0);
    assert_int_equal(h.item.seq, h.wall);
    assert_int_equal(test_descriptor_accept(directory_self_text(h.d),
                                            TEST_NETWORK, (uint64_t)h.wall, &d),
                     OK);
    assert_int_equal(d.roles, ROLE_RELAY | ROLE_EXIT);
    assert_true(bytes_is_text(descriptor_exit_policy(&d), "accept 53"));
    assert_true(bytes_is_text(descriptor_tcp_policy(&d), "accept 80"));

    directory_set_self(h.d, NULL, h.now);
    host_tick(&h);
    assert_int_equal(h.withdrawn, 1);
    assert_int_equal(directory_self_text(h.d).len, 0);
    host_deinit(&h);
}

static void test_directory_publishes_when_the_dht_can(void **state)
{
    struct directory_self self;
    struct host h;

    (void)state;
    host_init(&h, 8);
    self = self_at(&h);
    h.dht_error = ERR_FULL;
    directory_set_self(h.d, &self, h.now);
    host_run(&h, 10 * TIME_MIN);
    assert_int_equal(h.announced + h.puts, 0);
    h.dht_error = OK;
    host_run(&h, TIME_MIN);
    assert_int_equal(h.announced, 1);
    assert_int_equal(h.puts, 1);
    host_deinit(&h);
}

static void test_directory_renews_itself_and_rotates(void **state)
{
    struct directory_self self;
    struct descriptor d;
    int64_t seq;
    struct host h;

    (void)state;
    host_init(&h, 9);
    self = self_at(&h);
    directory_set_self(h.d, &self, h.now);
    host_tick(&h);
    for (unsigned hour = 0; hour < 15 * 24; hour++) {
        host_run(&h, TIME_HOUR);
        assert_int_equal(test_descriptor_accept(directory_self_text(h.d),
                                                TEST_NETWORK, (uint64_t)h.wall,
                                                &d),
                         OK);
        assert_true(d.expires > (uint64_t)h.wall + DESCRIPTOR_LIFETIME / 4);
    }
    assert_int_equal(h.rotations, 2);
    assert_int_equal(d.handshake_key[0], 2);
    assert_in_range(h.puts, 15 * 24 / 15, 15 * 24 / 9 + 2);

    /* The clock is set back an hour: what follows is newer all the same. */
    seq = h.item.seq;
    h.wall = seq - 3600;
    self.bandwidth = 77;
    directory_set_self(h.d, &self, h.now);
    host_tick(&h);
    assert_int_equal(h.item.seq, seq + 1);
    /* By a month: what was signed would be refused by all others. */
    h.wall -= 30 * 86400;
    host_run(&h, TIME_MIN);
    assert_int_equal(test_descriptor_accept(directory_self_text(h.d),
                                            TEST_NETWORK, (uint64_t)h.wall, &d),
                     OK);
    host_deinit(&h);
}

static unsigned lists_of(const struct host *h, const char *const *eps)
{
    struct descriptor d;
    unsigned found = 0;

    assert_int_equal(test_descriptor_accept(directory_self_text(h->d),
                                            TEST_NETWORK, (uint64_t)h->wall,
                                            &d),
                     OK);
    for (unsigned i = 0; eps[i] != NULL; i++) {
        struct endpoint ep = test_ep(eps[i]);

        found += directory_lists(&d, &ep);
    }
    assert_int_equal(d.address_count, found);
    return found;
}

/* Those who say that we are elsewhere do not take us away from where we are:
 * for an hour we say both, and who asks finds the address that he asked. */
static void test_directory_stays_where_it_was_for_an_hour(void **state)
{
    static const char *const before[] = {"9.9.9.9:9", NULL};
    static const char *const both[] = {"6.6.6.6:6", "9.9.9.9:9", NULL};
    static const char *const then[] = {"6.6.6.6:6", NULL};
    static const char *const four[] = {"7.7.7.9:1", "7.7.7.8:1", "7.7.7.7:1",
                                       "7.7.7.6:1", NULL};
    struct directory_self self;
    struct host h;

    (void)state;
    host_init(&h, 34);
    self = self_at(&h);
    directory_set_self(h.d, &self, h.now);
    host_tick(&h);
    assert_int_equal(lists_of(&h, before), 1);
    self.addresses[0] = test_ep("6.6.6.6:6");
    directory_set_self(h.d, &self, h.now);
    host_tick(&h);
    assert_int_equal(lists_of(&h, both), 2);
    host_run(&h, TIME_HOUR - TIME_S);
    assert_int_equal(lists_of(&h, both), 2);
    host_run(&h, TIME_MIN);
    assert_int_equal(lists_of(&h, then), 1);
    /* Back and forth, and many at once: no more than there is room for. */
    self.addresses[0] = test_ep("9.9.9.9:9");
    directory_set_self(h.d, &self, h.now);
    self.addresses[0] = test_ep("6.6.6.6:6");
    directory_set_self(h.d, &self, h.now);
    host_tick(&h);
    assert_int_equal(lists_of(&h, both), 2);
    for (unsigned i = 0; i < 10; i++) {
        self.addresses[0] = test_ep4(7, 7, 7, (uint8_t)i, 1);
        directory_set_self(h.d, &self, h.now);
        host_pass(&h, TIME_S);
        host_tick(&h);
    }
    assert_int_equal(lists_of(&h, four), 4);
    /* Nothing is known any more: nothing is published. */
    self.address_count = 0;
    directory_set_self(h.d, &self, h.now);
    host_tick(&h);
    assert_int_equal(directory_self_text(h.d).len, 0);
    host_deinit(&h);
}

static void test_directory_answers_asks(void **state)
{
    struct endpoint from = test_ep4(7, 7, 7, 7, 7);
    uint8_t nonce[8] = {1, 2, 3};
    struct link_message ask = {.kind = LINK_ASK,
                               .version = TUNNEL_VERSION,
                               .network = bytes_of_text(TEST_NETWORK),
                               .nonce = bytes_of(nonce, 8)},
                        answer;
    struct directory_self self;
    struct host h;

    (void)state;
    host_init(&h, 10);
    assert_int_equal(
        directory_receive_ask(h.d, &from, &ask, (uint64_t)h.wall, h.now),
        ERR_UNEXPECTED);
    self = self_at(&h);
    directory_set_self(h.d, &self, h.now);
    host_tick(&h);
    assert_int_equal(
        directory_receive_ask(h.d, &from, &ask, (uint64_t)h.wall, h.now), OK);
    assert_true(endpoint_equal(&h.sent_to, &from));
    assert_true(h.datagram_len < LINK_ASK_BYTES);
    assert_int_equal(
        link_message_read(bytes_of(h.datagram, h.datagram_len), &answer), OK);
    assert_true(bytes_equal(answer.nonce, ask.nonce));
    assert_int_equal(answer.descriptor.len, directory_self_text(h.d).len);

    ask.version = 2;
    assert_int_equal(
        directory_receive_ask(h.d, &from, &ask, (uint64_t)h.wall, h.now),
        ERR_UNSUPPORTED);
    ask.version = TUNNEL_VERSION;
    ask.network = bytes_of_text("other");
    assert_int_equal(
        directory_receive_ask(h.d, &from, &ask, (uint64_t)h.wall, h.now),
        ERR_NETWORK);
    ask.network = bytes_of_text(TEST_NETWORK);
    for (unsigned i = 0; i < 1000; i++)
        (void)directory_receive_ask(h.d, &from, &ask, (uint64_t)h.wall, h.now);
    assert_int_equal(directory_stats(h.d)->tells_out, 20);
    host_deinit(&h);
}

/* What is told when the time is `h->wall`. */
static struct descriptor told(struct host *h)
{
    struct endpoint from = test_ep4(7, 7, 7, 7, 7);
    uint8_t nonce[8] = {1, 2, 3};
    struct link_message answer, ask = {.kind = LINK_ASK,
                                       .version = TUNNEL_VERSION,
                                       .network = bytes_of_text(TEST_NETWORK),
                                       .nonce = bytes_of(nonce, 8)};
    struct descriptor d;

    assert_int_equal(
        directory_receive_ask(h->d, &from, &ask, (uint64_t)h->wall, h->now),
        OK);
    assert_int_equal(
        link_message_read(bytes_of(h->datagram, h->datagram_len), &answer), OK);
    assert_int_equal(descriptor_read(answer.descriptor, TEST_NETWORK, &d), OK);
    assert_int_equal(descriptor_verify(answer.descriptor, &d), OK);
    return d;
}

static void pass(struct host *h, unsigned minutes)
{
    h->wall += 60 * minutes;
    h->now += minutes * TIME_MIN;
}

/* So that who is told knows what time it is; what is in the DHT stays. */
static void test_directory_tells_what_was_signed_lately(void **state)
{
    uint8_t before[DESCRIPTOR_MAX];
    struct directory_self self;
    struct descriptor first;
    struct bytes text;
    struct host h;

    (void)state;
    host_init(&h, 10);
    self = self_at(&h);
    directory_set_self(h.d, &self, h.now);
    host_tick(&h);
    first = told(&h);
    text = directory_self_text(h.d);
    memcpy(before, text.p, text.len);
    pass(&h, 9);
    assert_int_equal(told(&h).issued, first.issued);
    pass(&h, 2);
    assert_int_equal(told(&h).issued, (uint64_t)h.wall);
    assert_true(told(&h).expires > first.expires);
    host_tick(&h);
    assert_true(
        bytes_equal(directory_self_text(h.d), bytes_of(before, text.len)));
    /* What changes is told at once, as newer. */
    self.bandwidth++;
    directory_set_self(h.d, &self, h.now);
    host_tick(&h);
    assert_int_equal(told(&h).bandwidth, self.bandwidth);
    assert_true(told(&h).issued > (uint64_t)h.wall);
    host_deinit(&h);
}

/* ---- The DHT ----------------------------------------------------------- */

/* A guard that is gone from its address has left a new descriptor. */
static void test_directory_finds_a_guard_that_moved(void **state)
{
    struct descriptor d = test_descriptor(1);
    uint8_t text[DESCRIPTOR_MAX];
    struct host h;

    (void)state;
    host_init(&h, 15);
    assert_int_equal(host_add(&h, &d, 1), OK);
    directory_set_guard(h.d, d.identity, (uint64_t)h.wall, (uint64_t)h.wall + 1,
                        false);
    d.issued += 64800;
    d.expires += 64800;
    d.addresses[0] = test_relay_ep(99);
    assert_int_equal(
        value_from_bytes(bytes_of(text, test_descriptor_text(&d, 1, text)),
                         &h.value),
        OK);
    memcpy(h.item.key, d.identity, 32);
    h.item.value = &h.value;
    host_run(&h, 17 * TIME_HOUR);
    assert_int_equal(h.fetches, 0);
    host_run(&h, 3 * TIME_HOUR);
    assert_in_range(h.fetches, 1, 5);
    assert_true(endpoint_equal(&directory_find(h.d, d.identity)->d.addresses[0],
                               &d.addresses[0]));
    host_deinit(&h);
}

/* Also when it lists the address that it had, as it does for an hour. */
static void test_directory_goes_where_a_guard_answers(void **state)
{
    struct descriptor d = test_descriptor(1);
    const struct known_relay *relay;
    uint8_t text[DESCRIPTOR_MAX];
    struct host h;

    (void)state;
    host_init(&h, 15);
    assert_int_equal(ask_and_tell(&h, 1, &d, 1), OK);
    relay = directory_find(h.d, d.identity);
    directory_set_guard(h.d, d.identity, (uint64_t)h.wall, (uint64_t)h.wall + 1,
                        false);
    d.issued += 64800;
    d.expires += 64800;
    d.addresses[0] = test_relay_ep(1);
    d.addresses[1] = test_relay_ep(99);
    d.address_count = 2;
    assert_int_equal(
        value_from_bytes(bytes_of(text, test_descriptor_text(&d, 1, text)),
                         &h.value),
        OK);
    memcpy(h.item.key, d.identity, 32);
    h.item.value = &h.value;
    for (unsigned i = 0; i < 20 * 3600 && relay->answered < 2; i++) {
        host_run(&h, TIME_S);
        if (endpoint_equal(&h.sent_to, &d.addresses[1]))
            (void)tell(&h, &h.sent_to,
                       bytes_of(text, test_descriptor_text(&d, 1, text)));
    }
    assert_true(endpoint_equal(&relay->d.addresses[0], &d.addresses[1]));
    host_deinit(&h);
}

/* ---- Samples ----------------------------------------------------------- */

static struct bytes sample_of(unsigned first, unsigned count,
                              uint8_t out[CELL_TEXT_MAX])
{
    struct mp_writer w;

    mp_writer_init(&w, out, CELL_TEXT_MAX);
    mp_write_array(&w, count);
    for (unsigned n = first; n < first + count; n++) {
        struct descriptor d = test_descriptor(n);
        uint8_t text[DESCRIPTOR_MAX];

        mp_write_bin(&w, bytes_of(text, test_descriptor_text(&d, n, text)));
    }
    memset(out + w.len, 0, CELL_TEXT_MAX - w.len);
    return bytes_of(out, CELL_TEXT_MAX);
}

/* A new link to the neighbour, over which it is asked at once. */
static void ask_sample(struct host *h, struct link *link,
                       const struct endpoint *ep)
{
    unsigned cells = h->cells;

    directory_link_down(h->d, link);
    directory_link_up(h->d, link, ep, true, h->now);
    host_tick(h);
    assert_int_equal(h->cells, cells + 1);
}

static enum error give(struct host *h, struct link *link, struct bytes text)
{
    return directory_receive_sample(h->d, link, text, (uint64_t)h->wall,
                                    h->now);
}

static void test_directory_exchanges_samples(void **state)
{
    struct endpoint ep = test_relay_ep(1000), asker = test_relay_ep(1001);
    struct directory_self self;
    struct host relay, client;

    (void)state;
    host_init(&relay, 16);
    host_init(&client, 17);
    self = self_at(&relay);
    directory_set_self(relay.d, &self, relay.now);
    host_add_many(&relay, 0, 50, ROLE_RELAY);
    host_tick(&relay);
    directory_link_up(client.d, link_a, &ep, true, client.now);
    host_tick(&client);
    assert_int_equal(client.cells, 1);
    assert_int_equal(client.cell_type, CELL_SAMPLE_ASK);
    assert_int_equal(directory_receive_sample_ask(relay.d, link_b, &asker,
                                                  false, (uint64_t)relay.wall,
                                                  relay.now),
                     OK);
    assert_int_equal(relay.cell_type, CELL_SAMPLE);
    assert_int_equal(
        give(&client, link_a, bytes_of(relay.text, relay.text_len)), OK);
    assert_int_equal(directory_count(client.d), DIRECTORY_SAMPLE_MAX);
    host_deinit(&relay);
    host_deinit(&client);
}

static void test_directory_samples_only_when_asked(void **state)
{
    struct endpoint ep = test_relay_ep(1000);
    uint8_t text[CELL_TEXT_MAX];
    struct bytes sample = sample_of(0, 2, text);
    struct host h;

    (void)state;
    host_init(&h, 18);
    assert_int_equal(give(&h, link_a, sample), ERR_UNEXPECTED);
    directory_link_up(h.d, link_b, &ep, false, h.now); /* not ours */
    host_tick(&h);
    assert_int_equal(h.cells, 0);
    directory_link_up(h.d, link_a, &ep, true, h.now);
    host_tick(&h);
    assert_int_equal(give(&h, link_b, sample), ERR_UNEXPECTED);
    assert_int_equal(give(&h, link_a, sample), OK);
    assert_int_equal(give(&h, link_a, sample), ERR_UNEXPECTED);
    host_run(&h, TIME_HOUR);
    assert_in_range(h.cells, 2, 4);
    host_pass(&h, TIME_MIN);
    assert_int_equal(give(&h, link_a, sample), ERR_UNEXPECTED); /* late */
    directory_link_down(h.d, link_a);
    assert_int_equal(give(&h, link_a, sample), ERR_UNEXPECTED);
    /* A client gives none, nor does a relay on links that it opened. */
    assert_int_equal(directory_receive_sample_ask(h.d, link_a, &ep, false,
                                                  (uint64_t)h.wall, h.now),
                     ERR_UNEXPECTED);
    host_deinit(&h);
}

/* Thousands of honest-looking relays from one neighbour. */
static void test_directory_bounds_what_one_informant_names(void **state)
{
    struct endpoint liar = test_relay_ep(1000), other = test_relay_ep(1001);
    uint8_t text[CELL_TEXT_MAX];
    struct host h;

    (void)state;
    host_init(&h, 19);
    for (unsigned n = 0; n < 60; n += 3) {
        ask_sample(&h, link_a, &liar);
        (void)give(&h, link_a, sample_of(n, 3, text));
    }
    assert_int_equal(directory_count(h.d), KNOWN_NETWORK_MIN);
    assert_true(directory_stats(h.d)->refused[ERR_FULL] > 40);
    /* One that was reached is hearsay no more: there is room for another. */
    directory_succeeded(h.d, test_descriptor(0).identity, 0, (uint64_t)h.wall);
    ask_sample(&h, link_a, &liar);
    (void)give(&h, link_a, sample_of(57, 3, text));
    assert_int_equal(directory_count(h.d), KNOWN_NETWORK_MIN + 1);

    /* With two hundred others, it may name a 16th of as many. */
    host_add_many(&h, 500, 200, ROLE_RELAY);
    for (unsigned n = 200; n < 300; n += 3) {
        ask_sample(&h, link_a, &liar);
        (void)give(&h, link_a, sample_of(n, 3, text));
    }
    assert_int_equal(directory_count(h.d), 213);
    /* Another still finds room. */
    ask_sample(&h, link_b, &other);
    assert_int_equal(give(&h, link_b, sample_of(400, 3, text)), OK);
    assert_int_equal(directory_count(h.d), 216);
    host_deinit(&h);
}

/* Nor can one network of addresses, however many tell for themselves. */
static void test_directory_bounds_one_network(void **state)
{
    struct host h;
    unsigned taken = 0;

    (void)state;
    host_init(&h, 20);
    for (unsigned n = 0; n < 30; n++) {
        struct descriptor d = test_descriptor(n);

        d.addresses[0] = test_ep4(66, 66, (uint8_t)n, 1, 5);
        taken += host_add(&h, &d, n) == OK;
    }
    assert_int_equal(taken, KNOWN_NETWORK_MIN);
    host_deinit(&h);
}

/* ---- One address that says it is many ---------------------------------- */

/* `way` names it, and it is asked at `ep`, where it answers with `d`. */
static enum error answer_at(struct host *h, const struct endpoint *ep,
                            const struct descriptor *d, unsigned signer)
{
    uint8_t text[DESCRIPTOR_MAX];

    host_pass(h, 11 * TIME_MIN); /* the same may be asked again */
    (void)directory_ask(h->d, ep, h->now);
    h->logged = 0;
    host_tick(h);
    for (unsigned i = 0; i < h->logged; i++)
        if (endpoint_equal(&h->log[i].to, ep))
            return tell_with(
                h, ep, bytes_of(h->log[i].nonce, LINK_ASK_NONCE),
                bytes_of(text, test_descriptor_text(d, signer, text)));
    return ERR_NOT_FOUND;
}

/* A party has one address, at which its relays answer, and each says first that
 * it lives in another network. Some honest ones are there before, others come
 * while it goes on. */
static void test_directory_one_address_is_one_source(void **state)
{
    struct endpoint evil = test_ep4(66, 66, 66, 66, 1000);
    unsigned of_party = 0, honest = 0;
    struct host h;

    (void)state;
    host_init(&h, 31);
    directory_set_wanted(h.d, 64, 4, h.now);
    for (unsigned n = 0; n < 100; n++) {
        struct descriptor bad = test_descriptor(200 + n);
        struct descriptor good = test_descriptor(n);
        struct endpoint ep = test_relay_ep(n);

        bad.issued = good.issued = (uint64_t)h.wall;
        bad.expires = good.expires = bad.issued + DESCRIPTOR_LIFETIME_MAX;
        evil.port = (uint16_t)(1000 + n);
        bad.addresses[1] = evil;
        bad.address_count = 2;
        of_party += answer_at(&h, &evil, &bad, 200 + n) == OK;
        if (n < 20)
            honest += answer_at(&h, &ep, &good, n) == OK;
    }
    print_message("%u of the party, %u honest\n", of_party, honest);
    assert_int_equal(honest, 20);
    assert_in_range(of_party, 1, KNOWN_HOST_MAX);
    host_deinit(&h);
}

/* Relays that say that they live in the network of another do not keep it out,
 * whether they answered elsewhere or were only named. */
static void test_directory_who_answers_beats_who_claims(void **state)
{
    struct endpoint victim = test_ep4(50, 50, 1, 1, 1000);
    struct descriptor honest = test_descriptor(1);
    uint8_t text[CELL_TEXT_MAX];
    unsigned claimed = 0;
    struct host h;

    (void)state;
    host_init(&h, 32);
    directory_set_wanted(h.d, 64, 4, h.now);
    for (unsigned n = 100; n < 140; n++) {
        struct descriptor d = test_descriptor(n);
        struct endpoint own = test_relay_ep(n), liar = test_relay_ep(n + 100);
        uint8_t one[DESCRIPTOR_MAX];
        struct mp_writer w;

        d.addresses[0] = victim; /* this very endpoint */
        if (n % 2 == 0) {
            d.addresses[1] = own;
            d.address_count = 2;
            claimed += answer_at(&h, &own, &d, n) == OK;
            continue;
        }
        mp_writer_init(&w, text, sizeof(text));
        mp_write_array(&w, 1);
        mp_write_bin(&w, bytes_of(one, test_descriptor_text(&d, n, one)));
        ask_sample(&h, link_a, &liar);
        (void)give(&h, link_a, mp_writer_bytes(&w));
        claimed += directory_find(h.d, d.identity) != NULL;
    }
    assert_in_range(claimed, 20, 30);
    honest.addresses[0] = victim;
    honest.expires = honest.issued + DESCRIPTOR_LIFETIME_MAX;
    assert_int_equal(answer_at(&h, &victim, &honest, 1), OK);
    assert_true(known_is_usable(directory_find(h.d, honest.identity),
                                (uint64_t)h.wall));
    host_deinit(&h);
}

/* One that others name is asked, at each of its addresses in turn, and is used
 * when it has answered from one of them; only then is it kept for a next life.
 */
static void test_directory_tries_what_is_hearsay(void **state)
{
    struct endpoint informant = test_relay_ep(1000);
    struct descriptor d = test_descriptor(1);
    const struct known_relay *relay;
    uint8_t text[CELL_TEXT_MAX], one[DESCRIPTOR_MAX];
    struct mp_writer w;
    struct host h;

    (void)state;
    host_init(&h, 33);
    directory_set_wanted(h.d, 64, 4, h.now);
    d.addresses[0] = test_relay_ep(7);
    d.addresses[1] = test_relay_ep(8);
    d.address_count = 2;
    mp_writer_init(&w, text, sizeof(text));
    mp_write_array(&w, 1);
    mp_write_bin(&w, bytes_of(one, test_descriptor_text(&d, 1, one)));
    ask_sample(&h, link_a, &informant);
    assert_int_equal(give(&h, link_a, mp_writer_bytes(&w)), OK);
    relay = directory_find(h.d, d.identity);
    assert_false(known_is_usable(relay, (uint64_t)h.wall));
    assert_int_equal(h.stored_count, 0);
    for (unsigned i = 0; i < 300 && !relay->tried; i++) {
        h.logged = 0;
        host_run(&h, TIME_S);
        if (h.logged > 0 && endpoint_equal(&h.sent_to, &d.addresses[1]))
            assert_int_equal(
                tell(&h, &h.sent_to,
                     bytes_of(one, test_descriptor_text(&d, 1, one))),
                OK);
    }
    assert_true(known_is_usable(relay, (uint64_t)h.wall));
    assert_int_equal(relay->answered, 1);
    assert_true(endpoint_equal(&relay->d.addresses[0], &d.addresses[1]));
    assert_int_equal(h.stored_count, 1);
    assert_int_equal(directory_stats(h.d)->confirmed, 1);
    host_deinit(&h);
}

static void test_directory_malformed_samples(void **state)
{
    static const char *const bad[] = {
        "", "c0", "94c0c0c0c0", "91c0", "91", "91c4020102ff", "dcffff"};
    struct endpoint ep = test_relay_ep(1000);
    struct host h;

    (void)state;
    host_init(&h, 21);
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        ask_sample(&h, link_a, &ep);
        (void)give(&h, link_a, test_hex(bad[i]));
        assert_int_equal(directory_count(h.d), 0);
    }
    host_deinit(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_directory_keys_are_known),
        cmocka_unit_test(test_directory_learns_by_asking),
        cmocka_unit_test(test_directory_refuses_bad_descriptors),
        cmocka_unit_test(test_directory_takes_only_what_it_asked_for),
        cmocka_unit_test(test_directory_asks_twice_and_gives_up),
        cmocka_unit_test(test_directory_asks_the_dead_ever_less),
        cmocka_unit_test(test_directory_bounds_asks_and_candidates),
        cmocka_unit_test(test_directory_asks_no_address_that_cannot_be),
        cmocka_unit_test(test_directory_publishes_itself),
        cmocka_unit_test(test_directory_publishes_when_the_dht_can),
        cmocka_unit_test(test_directory_renews_itself_and_rotates),
        cmocka_unit_test(test_directory_stays_where_it_was_for_an_hour),
        cmocka_unit_test(test_directory_answers_asks),
        cmocka_unit_test(test_directory_tells_what_was_signed_lately),
        cmocka_unit_test(test_directory_finds_a_guard_that_moved),
        cmocka_unit_test(test_directory_goes_where_a_guard_answers),
        cmocka_unit_test(test_directory_exchanges_samples),
        cmocka_unit_test(test_directory_samples_only_when_asked),
        cmocka_unit_test(test_directory_bounds_what_one_informant_names),
        cmocka_unit_test(test_directory_bounds_one_network),
        cmocka_unit_test(test_directory_one_address_is_one_source),
        cmocka_unit_test(test_directory_who_answers_beats_who_claims),
        cmocka_unit_test(test_directory_tries_what_is_hearsay),
        cmocka_unit_test(test_directory_malformed_samples),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
