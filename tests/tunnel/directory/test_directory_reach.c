/* SPDX-License-Identifier: MIT
 *
 * A relay that others say is somewhere, and who has reached it there.
 */
#include "directory_tell.h"

#include "tunnel/directory/directory_internal.h"
#include "tunnel/link/cookie.h"

#define OURS  "9.9.9.9:9"
#define FALSE "6.6.6.6:6"

static struct directory_self self_at(const struct host *h, const char *text)
{
    return (struct directory_self){.rotated = (uint64_t)h->wall,
                                   .roles = ROLE_RELAY,
                                   .address_count = 1,
                                   .addresses = {test_ep(text)},
                                   .unproven = 1};
}

static void begin(struct host *h, uint64_t seed)
{
    struct directory_self self;

    host_init(h, seed);
    self = self_at(h, OURS);
    directory_set_self(h->d, &self, h->now);
    host_tick(h);
}

static bool publishes(const struct host *h, const char *text)
{
    struct bytes ours = directory_self_text(h->d);
    struct endpoint ep = test_ep(text);
    struct descriptor d;

    return ours.len > 0 && descriptor_read(ours, TEST_NETWORK, &d) == OK &&
           directory_lists(&d, &ep);
}

/* ---- Who asks ------------------------------------------------------------ */

struct asker {
    struct endpoint from, reached;
    bool ask_back;
};

static enum error ask(struct host *h, const struct asker *a,
                      const uint8_t *cookie)
{
    uint8_t nonce[LINK_ASK_NONCE] = {1, 2, 3}, datagram[LINK_MESSAGE_MAX];
    struct link_message read, m = {.kind = LINK_ASK,
                                   .version = TUNNEL_VERSION,
                                   .network = bytes_of_text(TEST_NETWORK),
                                   .nonce = bytes_of(nonce, sizeof(nonce)),
                                   .reached = a->reached,
                                   .ask_back = a->ask_back,
                                   .cookie = cookie};
    size_t len = link_message_write(&m, datagram);

    assert_int_equal(link_message_read(bytes_of(datagram, len), &read), OK);
    h->sent = 0;
    return directory_receive_ask(h->d, &a->from, &read, (uint64_t)h->wall,
                                 h->now);
}

/* As a node does: once more with the cookie, if one came. */
static enum error ask_properly(struct host *h, const struct asker *a)
{
    uint8_t cookie[LINK_COOKIE_BYTES];
    struct link_message m;
    enum error e = ask(h, a, NULL);

    if (h->sent == 0 || !endpoint_equal(&h->sent_to, &a->from) ||
        link_message_read(bytes_of(h->datagram, h->datagram_len), &m) != OK ||
        m.kind != LINK_COOKIE)
        return e;
    memcpy(cookie, m.cookie, sizeof(cookie));
    return ask(h, a, cookie);
}

static enum error reached_from(struct host *h, const char *from,
                               const char *reached)
{
    struct asker a = {.from = test_ep(from), .reached = test_ep(reached)};

    return ask_properly(h, &a);
}

/* ---- Proof --------------------------------------------------------------- */

static void test_reach_publishes_what_two_have_reached(void **state)
{
    struct host h;

    (void)state;
    begin(&h, 1);
    /* It can be found, or nobody would ever come. */
    assert_int_equal(h.announced, 1);
    assert_int_equal(h.puts, 0);
    assert_int_equal(directory_unproven(h.d), 1);
    assert_int_equal(reached_from(&h, "20.1.1.1:5", OURS), ERR_UNEXPECTED);
    assert_false(publishes(&h, OURS));
    assert_int_equal(reached_from(&h, "30.1.1.1:5", OURS), OK);
    assert_true(publishes(&h, OURS)); /* and he was told */
    assert_int_equal(directory_stats(h.d)->tells_out, 1);
    host_tick(&h);
    assert_int_equal(h.announced, 1);
    assert_int_equal(h.puts, 1);
    assert_int_equal(directory_unproven(h.d), 0);
    host_deinit(&h);
}

static void test_reach_counts_each_network_once(void **state)
{
    struct asker liar = {.from = test_ep("30.1.1.1:5"),
                         .reached = test_ep(OURS)};
    uint8_t lie[LINK_COOKIE_BYTES] = {1};
    struct host h;

    (void)state;
    begin(&h, 2);
    (void)reached_from(&h, "20.1.1.1:5", OURS);
    (void)reached_from(&h, "20.1.2.2:5", OURS);  /* the same /16 */
    (void)reached_from(&h, "9.9.1.1:5", OURS);   /* its own */
    (void)reached_from(&h, "40.1.1.1:5", FALSE); /* elsewhere */
    (void)reached_from(&h, "50.1.1.1:5", "9.9.9.9:10");
    (void)ask(&h, &liar, NULL);
    (void)ask(&h, &liar, lie); /* forged */
    host_tick(&h);
    assert_int_equal(h.puts, 0);
    assert_int_equal(directory_self_text(h.d).len, 0);
    h.now += TIME_MIN;
    (void)reached_from(&h, "40.1.1.1:5", OURS);
    assert_true(publishes(&h, OURS));
    host_deinit(&h);
}

/* An hour later the first one counts no more. */
static void test_reach_forgets(void **state)
{
    struct host h;

    (void)state;
    begin(&h, 3);
    (void)reached_from(&h, "20.1.1.1:5", OURS);
    host_run(&h, REACH_FRESH);
    (void)reached_from(&h, "30.1.1.1:5", OURS);
    assert_false(publishes(&h, OURS));
    (void)reached_from(&h, "40.1.1.1:5", OURS);
    assert_true(publishes(&h, OURS));
    host_deinit(&h);
}

static void ask_honestly(struct host *h)
{
    static const char *const honest[] = {"20.1.1.1:5", "30.1.1.1:5",
                                         "40.1.1.1:5"};

    for (size_t i = 0; i < COUNT_OF(honest); i++)
        (void)reached_from(h, honest[i], OURS);
}

/* Liars who have won the vote, and ask from two networks, move nobody whom
 * three others reach; nor is he lost when an hour has passed. */
static void test_reach_stays_where_it_is_reached(void **state)
{
    struct directory_self self;
    struct host h;

    (void)state;
    begin(&h, 4);
    ask_honestly(&h);
    assert_true(publishes(&h, OURS));
    self = self_at(&h, FALSE);
    directory_set_self(h.d, &self, h.now);
    for (unsigned minutes = 0; minutes < 150; minutes += 10) {
        host_run(&h, 10 * TIME_MIN);
        ask_honestly(&h);
        (void)reached_from(&h, "70.1.1.1:5", FALSE);
        (void)reached_from(&h, "80.1.1.1:5", FALSE);
        assert_true(publishes(&h, OURS));
        assert_false(publishes(&h, FALSE));
    }
    host_deinit(&h);
}

/* Voters who are all liars keep nobody from being found where he is. */
static void test_reach_is_found_where_it_is_reached(void **state)
{
    struct directory_self self;
    struct host h;

    (void)state;
    host_init(&h, 10);
    self = self_at(&h, FALSE);
    directory_set_self(h.d, &self, h.now);
    host_tick(&h);
    (void)reached_from(&h, "70.1.1.1:5", FALSE);
    ask_honestly(&h);
    host_tick(&h);
    assert_true(publishes(&h, OURS));
    assert_false(publishes(&h, FALSE));
    assert_int_equal(h.puts, 1);
    host_run(&h, 30 * TIME_MIN);
    ask_honestly(&h);
    host_run(&h, 40 * TIME_MIN);
    assert_true(publishes(&h, OURS));
    host_run(&h, 4 * TIME_HOUR); /* nobody came for hours */
    assert_int_equal(directory_self_text(h.d).len, 0);
    host_deinit(&h);
}

/* What was proven is not asked about again; what the machine knows never is. */
static void test_reach_is_proven_once(void **state)
{
    struct directory_self self;
    struct host h;

    (void)state;
    begin(&h, 5);
    ask_honestly(&h);
    self = self_at(&h, OURS);
    directory_set_self(h.d, &self, h.now);
    assert_int_equal(directory_unproven(h.d), 0);
    self = self_at(&h, "8.8.8.8:8");
    self.unproven = 0;
    directory_set_self(h.d, &self, h.now);
    host_tick(&h);
    assert_true(publishes(&h, "8.8.8.8:8"));
    host_deinit(&h);
}

static void test_reach_withdraws_what_it_loses(void **state)
{
    struct directory_self none;
    struct host h;

    (void)state;
    begin(&h, 6);
    none = self_at(&h, OURS);
    none.address_count = 0;
    directory_set_self(h.d, &none, h.now);
    host_tick(&h);
    assert_int_equal(h.withdrawn, 1);
    host_deinit(&h);
}

/* ---- Asked in return ----------------------------------------------------- */

/* One that knows relays asks them to ask it, until it is proven; fast at first,
 * and ever less. */
static void test_reach_asks_to_be_asked(void **state)
{
    struct link_message m;
    unsigned sent;
    struct host h;

    (void)state;
    host_init(&h, 7);
    host_add_many(&h, 1, 20, ROLE_RELAY);
    host_run(&h, TIME_MIN);
    assert_int_equal(h.sent, 0);
    {
        struct directory_self self = self_at(&h, OURS);

        directory_set_self(h.d, &self, h.now);
    }
    host_run(&h, 2 * TIME_S);
    assert_in_range(h.sent, 4, 16);
    assert_int_equal(
        link_message_read(bytes_of(h.datagram, h.datagram_len), &m), OK);
    assert_true(m.ask_back);
    assert_true(endpoint_equal(&m.reached, &h.sent_to));
    host_run(&h, TIME_HOUR);
    assert_in_range(h.sent, 16, 80);
    ask_honestly(&h);
    host_tick(&h);
    sent = h.sent;
    host_run(&h, TIME_HOUR / 2);
    assert_int_equal(h.sent, sent);
    host_deinit(&h);
}

static unsigned asked_in_return(struct host *h, const struct asker *a)
{
    uint64_t before = directory_stats(h->d)->returns;

    (void)ask_properly(h, a);
    return (unsigned)(directory_stats(h->d)->returns - before);
}

static void known_relay(struct host *h, uint64_t seed)
{
    struct directory_self self;

    host_init(h, seed);
    self = self_at(h, OURS);
    self.unproven = 0;
    directory_set_self(h->d, &self, h->now);
    host_tick(h);
}

static void test_reach_asks_in_return(void **state)
{
    struct asker a = {.from = test_ep("20.1.1.1:5"),
                      .reached = test_ep(OURS),
                      .ask_back = true};
    struct host h;

    (void)state;
    known_relay(&h, 8);
    /* Who has not shown that he is there gets less than he has sent. */
    assert_int_equal(ask(&h, &a, NULL), ERR_RATE_LIMITED);
    host_tick(&h);
    assert_int_equal(h.sent, 1);
    assert_true(h.datagram_len < LINK_ASK_BYTES / 2);
    assert_int_equal(asked_in_return(&h, &a), 1);
    h.sent = 0;
    host_tick(&h);
    assert_int_equal(h.sent, 1);
    assert_true(endpoint_equal(&h.sent_to, &a.from));
    host_deinit(&h);
}

/* A whole network wants to be asked again and again, and is silent then; so one
 * who is really there is asked nevertheless. */
static void test_reach_returns_are_shared(void **state)
{
    unsigned honest = 0, liars = 0;
    struct host h;

    (void)state;
    known_relay(&h, 9);
    for (unsigned second = 0; second < 60; second++) {
        struct asker a = {.from = test_ep4(90, (uint8_t)second, 1, 1, 5),
                          .reached = test_ep(OURS),
                          .ask_back = true};

        for (unsigned i = 0; i < 50; i++) {
            struct asker liar = a;

            liar.from = test_ep4(66, 6, (uint8_t)second, (uint8_t)i, 5);
            liars += asked_in_return(&h, &liar);
        }
        if (second % 6 == 5)
            honest += asked_in_return(&h, &a);
        host_run(&h, TIME_S);
    }
    print_message("%u of 10 honest ones are asked in return, %u liars\n",
                  honest, liars);
    assert_int_equal(honest, 10);
    assert_true(liars <= 60 + 8);
    assert_true(directory_stats(h.d)->returns_refused > 2000);
    host_deinit(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reach_publishes_what_two_have_reached),
        cmocka_unit_test(test_reach_counts_each_network_once),
        cmocka_unit_test(test_reach_forgets),
        cmocka_unit_test(test_reach_stays_where_it_is_reached),
        cmocka_unit_test(test_reach_is_found_where_it_is_reached),
        cmocka_unit_test(test_reach_is_proven_once),
        cmocka_unit_test(test_reach_withdraws_what_it_loses),
        cmocka_unit_test(test_reach_asks_to_be_asked),
        cmocka_unit_test(test_reach_asks_in_return),
        cmocka_unit_test(test_reach_returns_are_shared),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
