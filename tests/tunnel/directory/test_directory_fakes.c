/* SPDX-License-Identifier: MIT
 *
 * A DHT of strangers, in which anybody can have anything told under the
 * well-known keys: peers that are no relays, by thousands, or one victim at
 * whom all who look for relays are pointed.
 */
#include "directory_tell.h"

#define RELAYS 14
#define FAKES  512 /* as many as one lookup tells */
#define VICTIM 198

/* What is told under the keys. */
enum fakes {
    FAKES_NONE,
    FAKES_EVERYWHERE, /* each in a network of its own */
    FAKES_VICTIM,     /* ports of one host */
    FAKES_PORT,       /* one of them, again and again */
    FAKES_NETWORK     /* hosts of one network */
};

struct strangers {
    struct host host;
    enum fakes fakes;
    unsigned flooded; /* keys, from the first one */
    unsigned serial;
    bool relays;
    struct id key[DIRECTORY_KEYS];
    struct id relay_key[RELAYS]; /* of those keys, whose each relay has */
};

static struct endpoint fake_of(struct strangers *s)
{
    unsigned n = s->serial++;

    switch (s->fakes) {
    case FAKES_VICTIM:
        return test_ep4(VICTIM, 1, 1, 1, (uint16_t)(1024 + n % 60000));
    case FAKES_PORT:
        return test_ep4(VICTIM, 1, 1, 1, 80);
    case FAKES_NETWORK:
        return test_ep4(VICTIM, 1, (uint8_t)(n >> 8), (uint8_t)n, 1000);
    case FAKES_NONE:
    case FAKES_EVERYWHERE:
        break;
    }
    return test_ep4((uint8_t)(64 + n / 256 % 32), (uint8_t)n,
                    (uint8_t)(n >> 13), 1, 1000);
}

static void tell_relays(struct strangers *s, const struct id *key,
                        const struct dht_provider_handler *handler)
{
    for (unsigned n = 0; s->relays && n < RELAYS; n++) {
        struct endpoint ep = test_relay_ep(n);

        if (id_equal(&s->relay_key[n], key))
            handler->peer(handler->ctx, handler->cookie, &ep);
    }
}

static bool is_flooded(const struct strangers *s, const struct id *key)
{
    for (unsigned i = 0; i < s->flooded; i++) {
        if (id_equal(&s->key[i], key))
            return true;
    }
    return false;
}

static enum error get_peers(void *ctx, const struct id *hash,
                            const struct dht_provider_handler *handler,
                            uint64_t *request)
{
    struct strangers *s = ctx;

    *request = ++s->host.lookups;
    tell_relays(s, hash, handler);
    for (unsigned i = 0; is_flooded(s, hash) && i < FAKES; i++) {
        const struct endpoint ep = fake_of(s);

        handler->peer(handler->ctx, handler->cookie, &ep);
    }
    handler->done(handler->ctx, handler->cookie, OK);
    return OK;
}

/* Relays answer; counts the ASKs that went to the victim. */
static unsigned answer(struct strangers *s)
{
    struct host *h = &s->host;
    unsigned at_victim = 0;

    for (unsigned i = 0; i < h->logged; i++) {
        at_victim += h->log[i].to.addr[0] == VICTIM;
        for (unsigned n = 0; s->relays && n < RELAYS; n++) {
            struct endpoint ep = test_relay_ep(n);
            struct descriptor d;
            uint8_t text[DESCRIPTOR_MAX];

            if (!endpoint_equal(&ep, &h->log[i].to))
                continue;
            d = test_descriptor(n);
            (void)tell_with(h, &ep, bytes_of(h->log[i].nonce, LINK_ASK_NONCE),
                            bytes_of(text, test_descriptor_text(&d, n, text)));
        }
    }
    h->logged = 0;
    return at_victim;
}

static void strangers_init(struct strangers *s, enum fakes fakes)
{
    *s = (struct strangers){.fakes = fakes, .flooded = DIRECTORY_KEYS};
    for (unsigned i = 0; i < DIRECTORY_KEYS; i++)
        directory_key(TEST_NETWORK, i, &s->key[i]);
    for (unsigned n = 0; n < RELAYS; n++)
        s->relay_key[n] =
            s->key[directory_key_index(test_descriptor(n).identity)];
    host_init(&s->host, 21);
    s->host.dht.ctx = s;
    s->host.dht.get_peers = get_peers;
    directory_set_wanted(s->host.d, 64, 4, s->host.now);
    directory_set_needed(s->host.d, true, s->host.now);
}

/* Returns the ASKs at the victim. */
static unsigned pass(struct strangers *s, uint64_t duration)
{
    uint64_t end = s->host.now + duration;
    unsigned at_victim = 0;

    while (s->host.now < end) {
        host_run(&s->host, 100 * TIME_MS);
        at_victim += answer(s);
    }
    return at_victim;
}

/* Those whose key nobody floods. */
static unsigned in_the_open(const struct strangers *s)
{
    unsigned count = 0;

    for (unsigned n = 0; n < RELAYS; n++)
        count += directory_key_index(test_descriptor(n).identity) >= s->flooded;
    return count;
}

/* Thousands under half of the keys: the relays under the others are found all
 * the same, and then the strangers are left alone. */
static void test_directory_finds_relays_beside_floods(void **state)
{
    struct strangers s;
    unsigned before;

    (void)state;
    strangers_init(&s, FAKES_EVERYWHERE);
    s.relays = true;
    s.flooded = DIRECTORY_KEYS / 2;
    pass(&s, 10 * TIME_MIN);
    before = s.host.sent;
    print_message("%u of %u relays after %u lookups and %u datagrams\n",
                  directory_count(s.host.d), RELAYS, s.host.lookups, before);
    assert_in_range(in_the_open(&s), RELAYS / 3, RELAYS - 1);
    assert_in_range(directory_count(s.host.d), in_the_open(&s), RELAYS);
    pass(&s, TIME_HOUR);
    print_message("%u in an hour, then\n", s.host.sent - before);
    assert_in_range(s.host.sent - before, 1, 1200);
    host_deinit(&s.host);
}

/* Lookups wait for those who were found to be asked, so that none is lost
 * because the others are silent. */
static void test_directory_asks_all_that_it_takes_up(void **state)
{
    struct strangers s;

    (void)state;
    strangers_init(&s, FAKES_EVERYWHERE);
    pass(&s, 20 * TIME_MIN);
    print_message("%u lookups, %u datagrams\n", s.host.lookups, s.host.sent);
    /* Eight of each, each twice. */
    assert_true(s.host.sent + 2 * (64 + 16) >= s.host.lookups * 16);
    host_deinit(&s.host);
}

static void points_at(enum fakes fakes, unsigned most)
{
    unsigned first, later;
    struct strangers s;

    strangers_init(&s, fakes);
    first = pass(&s, TIME_HOUR);
    later = pass(&s, TIME_HOUR);
    print_message("%u ASKs at the victim in the first hour, then %u\n", first,
                  later);
    assert_in_range(first, 1, most);
    assert_in_range(later, 1, most);
    host_deinit(&s.host);
}

/* Whoever answers for all keys points at one host, or one network, which has
 * never said that it relays. */
static void test_directory_spares_a_victim(void **state)
{
    (void)state;
    points_at(FAKES_VICTIM, 16);
    points_at(FAKES_PORT, 64);
    points_at(FAKES_NETWORK, 400);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_directory_finds_relays_beside_floods),
        cmocka_unit_test(test_directory_asks_all_that_it_takes_up),
        cmocka_unit_test(test_directory_spares_a_victim),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
