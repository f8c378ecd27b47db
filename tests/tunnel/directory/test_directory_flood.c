/* SPDX-License-Identifier: MIT
 *
 * A relay that is flooded with ASKs from made-up addresses, and those who ask
 * it meanwhile.
 */
#include "directory_tell.h"

#include <sodium.h>

#define CLIENTS 30
#define RATE    2000 /* forged ASKs a second: 1.3 MB */

static char name;
static struct link *const a_link = (struct link *)(void *)&name;

static void relay_init(struct host *h)
{
    struct directory_self self = {.roles = ROLE_RELAY,
                                  .address_count = 1,
                                  .addresses = {test_relay_ep(1)}};
    struct directory_config c;

    host_init(h, 1);
    directory_free(h->d);
    c = host_config(h);
    test_identity(1, c.identity, h->secret);
    host_start(h, &c);
    self.rotated = (uint64_t)h->wall;
    directory_set_self(h->d, &self, h->now);
    host_tick(h);
}

/* ---- Who floods ---------------------------------------------------------- */

struct flood {
    struct host *relay;
    bool has_source;
    struct endpoint source; /* the only one, else any */
    uint64_t in, out;       /* bytes */
    unsigned told;
};

static void forge(struct flood *f)
{
    struct host *h = f->relay;
    uint8_t nonce[LINK_ASK_NONCE] = {0}, lie[LINK_COOKIE_BYTES];
    struct link_message ask = {.kind = LINK_ASK,
                               .version = TUNNEL_VERSION,
                               .network = bytes_of_text(TEST_NETWORK),
                               .nonce = bytes_of(nonce, sizeof(nonce)),
                               .cookie = lie};
    struct endpoint from = f->source;
    unsigned sent = h->sent;

    if (!f->has_source)
        from = test_ep4((uint8_t)(20 + test_random_below(&h->random, 60)),
                        (uint8_t)test_random_below(&h->random, 256),
                        (uint8_t)test_random_below(&h->random, 256),
                        (uint8_t)test_random_below(&h->random, 256), 1000);
    test_random_fill(&h->random, lie, sizeof(lie));
    f->told += directory_receive_ask(h->d, &from, &ask, (uint64_t)h->wall,
                                     h->now) == OK;
    f->in += LINK_ASK_BYTES;
    if (h->sent > sent)
        f->out += h->datagram_len;
}

static void flood_for(struct flood *f, uint64_t duration)
{
    for (uint64_t t = 0; t < duration; t += TIME_S / RATE) {
        host_pass(f->relay, TIME_S / RATE);
        forge(f);
    }
}

/* ---- Who asks ------------------------------------------------------------ */

/* Carries what was sent last over, if it was sent there. */
static void carry(struct host *from, const struct endpoint *from_ep,
                  struct host *to, const struct endpoint *to_ep)
{
    struct link_message m;

    if (from->sent == 0 || !endpoint_equal(&from->sent_to, to_ep))
        return;
    from->sent = 0;
    assert_int_equal(
        link_message_read(bytes_of(from->datagram, from->datagram_len), &m),
        OK);
    to->sent = 0;
    if (m.kind == LINK_ASK)
        (void)directory_receive_ask(to->d, from_ep, &m, (uint64_t)to->wall,
                                    to->now);
    else if (m.kind == LINK_COOKIE)
        (void)directory_receive_cookie(to->d, from_ep, &m, to->now);
    else
        (void)directory_receive_tell(to->d, from_ep, &m, (uint64_t)to->wall,
                                     to->now);
}

/* A client at `ep` asks once, and gets what it gets. */
static bool is_told(struct flood *f, struct endpoint ep, unsigned seed)
{
    struct endpoint relay = test_relay_ep(1);
    struct host client;
    bool told;

    host_init(&client, seed);
    assert_int_equal(directory_ask(client.d, &relay, client.now), OK);
    host_tick(&client);
    for (unsigned i = 0; i < 2; i++) {
        flood_for(f, 25 * TIME_MS);
        carry(&client, &ep, f->relay, &relay);
        carry(f->relay, &relay, &client, &ep);
        flood_for(f, 25 * TIME_MS);
    }
    told = directory_count(client.d) == 1;
    host_deinit(&client);
    return told;
}

/* All who ask are told, whatever comes in from nowhere, and nobody is sent more
 * than he asked with. */
static void test_flood_of_asks_leaves_tells_to_others(void **state)
{
    unsigned told = 0;
    struct host relay;
    struct flood f = {.relay = &relay};

    (void)state;
    relay_init(&relay);
    flood_for(&f, 10 * TIME_S);
    for (unsigned i = 0; i < CLIENTS; i++)
        told += is_told(&f, test_ep4(90, (uint8_t)i, 1, 1, 1000), 100 + i);
    print_message("%u of %u others are told; %llu bytes in, %llu out\n", told,
                  CLIENTS, (unsigned long long)f.in, (unsigned long long)f.out);
    assert_int_equal(told, CLIENTS);
    assert_true(f.out < f.in / 2);
    host_deinit(&relay);
}

/* In the name of one client: it is told all the same, and again. */
static void test_flood_of_asks_in_the_name_of_a_client(void **state)
{
    struct host relay;
    struct flood f = {.relay = &relay, .has_source = true};

    (void)state;
    relay_init(&relay);
    f.source = test_ep4(90, 1, 1, 1, 1000);
    flood_for(&f, TIME_S);
    for (unsigned i = 0; i < 5; i++)
        assert_true(is_told(&f, f.source, 200 + i));
    assert_in_range(f.told, 20, 25);
    host_deinit(&relay);
}

/* Neighbours have shown who they are, and take from another bucket. */
static void test_flood_of_asks_leaves_samples_to_neighbours(void **state)
{
    struct host relay;
    struct flood f = {.relay = &relay};

    (void)state;
    relay_init(&relay);
    host_add_many(&relay, 10, 5, ROLE_RELAY);
    flood_for(&f, 2 * TIME_S);
    for (unsigned i = 0; i < CLIENTS; i++) {
        struct endpoint ep = test_ep4(90, (uint8_t)i, 1, 1, 1000);

        flood_for(&f, 10 * TIME_MS);
        assert_int_equal(
            directory_receive_sample_ask(relay.d, a_link, &ep, false,
                                         (uint64_t)relay.wall, relay.now),
            OK);
    }
    host_deinit(&relay);
}

/* With a right cookie a source has its rate and no more; a wrong one, and that
 * of another, is worth nothing. */
static void test_flood_of_asks_with_a_cookie_is_limited(void **state)
{
    struct endpoint from = test_ep4(90, 1, 1, 1, 1000);
    struct endpoint other = test_ep4(91, 1, 1, 1, 1000);
    uint8_t nonce[LINK_ASK_NONCE] = {0}, cookie[LINK_COOKIE_BYTES];
    struct link_message ask = {.kind = LINK_ASK,
                               .version = TUNNEL_VERSION,
                               .network = bytes_of_text(TEST_NETWORK),
                               .nonce = bytes_of(nonce, sizeof(nonce))},
                        answer;
    struct host relay;
    struct flood f = {.relay = &relay};

    (void)state;
    relay_init(&relay);
    flood_for(&f, 2 * TIME_S);
    relay.sent = 0;
    assert_int_equal(directory_receive_ask(relay.d, &from, &ask,
                                           (uint64_t)relay.wall, relay.now),
                     ERR_RATE_LIMITED);
    assert_int_equal(link_message_read(
                         bytes_of(relay.datagram, relay.datagram_len), &answer),
                     OK);
    assert_int_equal(answer.kind, LINK_COOKIE);
    memcpy(cookie, answer.cookie, sizeof(cookie));
    ask.cookie = cookie;
    for (unsigned i = 0; i < 20; i++)
        assert_int_equal(directory_receive_ask(relay.d, &from, &ask,
                                               (uint64_t)relay.wall, relay.now),
                         OK);
    relay.sent = 0;
    assert_int_equal(directory_receive_ask(relay.d, &from, &ask,
                                           (uint64_t)relay.wall, relay.now),
                     ERR_RATE_LIMITED);
    assert_int_equal(relay.sent, 0);
    assert_int_equal(directory_receive_ask(relay.d, &other, &ask,
                                           (uint64_t)relay.wall, relay.now),
                     ERR_RATE_LIMITED);
    /* It is good for four minutes at most. */
    host_pass(&relay, 3 * TIME_MIN);
    relay.now += 2 * TIME_MIN;
    (void)directory_receive_ask(relay.d, &other, &ask, (uint64_t)relay.wall,
                                relay.now);
    relay.now += 2 * TIME_MIN;
    flood_for(&f, TIME_S);
    assert_int_equal(directory_receive_ask(relay.d, &from, &ask,
                                           (uint64_t)relay.wall, relay.now),
                     ERR_RATE_LIMITED);
    host_deinit(&relay);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flood_of_asks_leaves_tells_to_others),
        cmocka_unit_test(test_flood_of_asks_in_the_name_of_a_client),
        cmocka_unit_test(test_flood_of_asks_leaves_samples_to_neighbours),
        cmocka_unit_test(test_flood_of_asks_with_a_cookie_is_limited),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
