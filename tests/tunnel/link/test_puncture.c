/* SPDX-License-Identifier: MIT */
#include "dht_data.h"

#include "base/timestamp.h"
#include "tunnel/link/link_message.h"
#include "tunnel/link/puncture.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* A node with up to four links, which are told apart by their endpoints. The
 * type `struct link` is never looked into. */
struct host {
    struct puncture p;
    struct test_random random;
    struct endpoint ep[4];
    unsigned links;
    unsigned cells, datagrams;
    enum cell_type type;
    uint8_t text[64];
    size_t text_len;
    unsigned to; /* the last cell's link */
    struct endpoint sent_to;
    size_t sent_len;
    bool broken;
};

static struct link *link_at(struct host *h, unsigned i)
{
    return (struct link *)(void *)&h->ep[i];
}

static void on_send(void *ctx, const struct endpoint *to, struct bytes b)
{
    struct host *h = ctx;

    h->datagrams++;
    h->sent_to = *to;
    h->sent_len = b.len;
}

static bool on_cell(void *ctx, struct link *link, enum cell_type type,
                    struct bytes text, uint64_t now)
{
    struct host *h = ctx;

    (void)now;
    if (h->broken)
        return false;
    h->cells++;
    h->type = type;
    h->to = (unsigned)((struct endpoint *)(void *)link - h->ep);
    memcpy(h->text, text.p, text.len);
    h->text_len = text.len;
    return true;
}

static struct link *on_find(void *ctx, const struct endpoint *ep)
{
    struct host *h = ctx;

    for (unsigned i = 0; i < h->links; i++)
        if (endpoint_equal(&h->ep[i], ep))
            return link_at(h, i);
    return NULL;
}

static unsigned on_pick(void *ctx, struct link **out, unsigned max)
{
    struct host *h = ctx;
    unsigned n = h->links < max ? h->links : max;

    for (unsigned i = 0; i < n; i++)
        out[i] = link_at(h, i);
    return n;
}

static void host_init(struct host *h)
{
    struct puncture_config config;
    struct puncture_env env = {.ctx = h,
                               .random = test_source(&h->random),
                               .send = on_send,
                               .send_cell = on_cell,
                               .find = on_find,
                               .pick = on_pick};

    *h = (struct host){.random = {1}, .links = 4};
    for (uint8_t i = 0; i < 4; i++)
        h->ep[i] = test_ep4(8, 8, i, 1, 1000);
    puncture_config_init(&config);
    puncture_init(&h->p, &config, &env);
}

static struct bytes text_of(const struct endpoint *ep)
{
    static uint8_t text[64]; /* padded with zeros, as in a cell */

    text[0] = 0x91;
    text[1] = 0xc4;
    text[2] = (uint8_t)endpoint_write_compact(ep, text + 3);
    return bytes_of(text, sizeof(text));
}

static void test_puncture_reaches_through_a_common_neighbour(void **state)
{
    struct host client, introducer, target;
    struct endpoint target_ep = test_ep4(8, 8, 2, 1, 1000);
    struct endpoint client_ep = test_ep4(8, 8, 1, 1, 1000);

    (void)state;
    host_init(&client);
    host_init(&introducer);
    host_init(&target);
    assert_int_equal(puncture_ask(&client.p, &target_ep, TIME_S), OK);
    assert_int_equal(client.cells, PUNCTURE_NEIGHBOURS);
    assert_int_equal(client.type, CELL_PUNCTURE);

    assert_int_equal(
        puncture_receive_ask(&introducer.p, link_at(&introducer, 1), &client_ep,
                             bytes_of(client.text, client.text_len), TIME_S),
        OK);
    assert_int_equal(introducer.cells, 1);
    assert_int_equal(introducer.type, CELL_PUNCTURED);
    assert_int_equal(introducer.to, 2);
    assert_int_equal(introducer.datagrams, 0);

    assert_int_equal(
        puncture_receive_told(&target.p, &introducer.ep[0],
                              bytes_of(introducer.text, introducer.text_len),
                              TIME_S),
        OK);
    assert_int_equal(target.datagrams, 1);
    assert_true(endpoint_equal(&target.sent_to, &client_ep));
    assert_true(target.sent_len < CELL_SMALL / 100);
    puncture_deinit(&client.p);
    puncture_deinit(&introducer.p);
    puncture_deinit(&target.p);
}

/* Nobody without a link is told, nor is the asker about itself, and the
 * neighbour is told of the address that the link proved. */
static void test_puncture_introduces_only_neighbours(void **state)
{
    struct host h;
    struct endpoint stranger = test_ep4(9, 9, 9, 9, 9);
    struct endpoint other_port = test_ep4(8, 8, 2, 1, 1001);

    (void)state;
    host_init(&h);
    assert_int_equal(puncture_receive_ask(&h.p, link_at(&h, 0), &h.ep[0],
                                          text_of(&stranger), TIME_S),
                     ERR_NOT_FOUND);
    assert_int_equal(puncture_receive_ask(&h.p, link_at(&h, 0), &h.ep[0],
                                          text_of(&other_port), TIME_S),
                     ERR_NOT_FOUND);
    assert_int_equal(puncture_receive_ask(&h.p, link_at(&h, 0), &h.ep[0],
                                          text_of(&h.ep[0]), TIME_S),
                     ERR_NOT_FOUND);
    assert_int_equal(h.cells, 0);
    assert_int_equal(h.p.stats.introduced, 0);
    h.broken = true;
    assert_int_equal(puncture_receive_ask(&h.p, link_at(&h, 0), &h.ep[0],
                                          text_of(&h.ep[1]), TIME_S),
                     ERR_NOT_FOUND);
    puncture_deinit(&h.p);
}

static void test_puncture_pokes_only_what_can_be_an_address(void **state)
{
    static const char *const bad[] = {
        "10.0.0.1:5",  "127.0.0.1:5", "192.168.1.1:5",
        "224.0.0.1:5", "8.8.8.8:0",   "[::1]:5",
        "[fe80::1]:5", "[ff02::1]:5", "255.255.255.255:5"};
    struct host h;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct endpoint ep = test_ep(bad[i]);

        host_init(&h);
        assert_int_equal(
            puncture_receive_told(&h.p, &h.ep[0], text_of(&ep), TIME_S),
            ERR_ADDRESS);
        assert_int_equal(puncture_ask(&h.p, &ep, TIME_S), ERR_ADDRESS);
        assert_int_equal(h.datagrams + h.cells, 0);
        puncture_deinit(&h.p);
    }
}

/* Millions of requests make one POKE each at most, and no more than the
 * limits allow: by teller, and by the one who is poked. */
static void test_puncture_is_limited_at_each_step(void **state)
{
    struct host h;
    struct endpoint victim = test_ep4(9, 9, 9, 9, 9), from;

    (void)state;
    host_init(&h);
    for (unsigned i = 0; i < 1000; i++) { /* one teller, many victims */
        from = test_ep4(11, 0, (uint8_t)(i / 256), (uint8_t)i, 7);
        puncture_receive_told(&h.p, &h.ep[0], text_of(&from), TIME_S);
    }
    assert_int_equal(h.datagrams, h.p.config.source_burst);
    puncture_deinit(&h.p);

    host_init(&h);
    for (unsigned i = 0; i < 1000; i++) { /* many tellers, one victim */
        from = test_ep4(11, 0, (uint8_t)(i / 256), (uint8_t)i, 7);
        puncture_receive_told(&h.p, &from, text_of(&victim),
                              TIME_S + i * TIME_MS);
    }
    assert_in_range(h.datagrams, 1, h.p.config.source_burst + 1);
    puncture_deinit(&h.p);

    host_init(&h);
    for (unsigned i = 0; i < 1000; i++) { /* many askers, one target */
        from = test_ep4(11, 0, (uint8_t)(i / 256), (uint8_t)i, 7);
        puncture_receive_ask(&h.p, link_at(&h, 0), &from, text_of(&h.ep[1]),
                             TIME_S);
    }
    assert_int_equal(h.cells, h.p.config.source_burst);
    assert_true(limiter_memory(&h.p.askers) + limiter_memory(&h.p.targets) +
                    limiter_memory(&h.p.tellers) + limiter_memory(&h.p.poked) <
                100 * 1024);
    puncture_deinit(&h.p);

    host_init(&h);
    for (unsigned i = 0; i < 1000; i++) /* one asker */
        puncture_receive_ask(&h.p, link_at(&h, 0), &h.ep[0],
                             text_of(&h.ep[1 + i % 3]), TIME_S);
    assert_int_equal(h.cells, h.p.config.source_burst);
    puncture_deinit(&h.p);

    host_init(&h);
    for (unsigned i = 0; i < 1000; i++) { /* one who has us open links */
        from = test_ep4(11, 0, (uint8_t)(i / 256), (uint8_t)i, 7);
        puncture_ask_for(&h.p, &from, &h.ep[0], TIME_S);
    }
    assert_in_range(h.cells, 1, h.p.config.source_burst * PUNCTURE_NEIGHBOURS);
    puncture_deinit(&h.p);
}

static void test_puncture_asks_again_after_a_while(void **state)
{
    struct host h;
    struct endpoint target = test_ep4(9, 9, 9, 9, 9);

    (void)state;
    host_init(&h);
    h.links = 0;
    assert_int_equal(puncture_ask(&h.p, &target, TIME_S), ERR_NO_NODES);
    h.links = 1;
    assert_int_equal(puncture_ask(&h.p, &target, TIME_S), OK);
    assert_int_equal(h.cells, 1);
    assert_int_equal(puncture_ask(&h.p, &target, TIME_S + PUNCTURE_AGAIN - 1),
                     ERR_RATE_LIMITED);
    assert_int_equal(puncture_ask(&h.p, &target, TIME_S + PUNCTURE_AGAIN), OK);
    puncture_deinit(&h.p);
}

static void test_puncture_drops_malformed_texts(void **state)
{
    static const struct {
        const char *hex;
        enum error e;
    } cases[] = {
        {"", ERR_MISSING},
        {"91", ERR_MISSING},
        {"c0", ERR_WRONG_TYPE},
        {"90", ERR_MISSING},
        {"92c40608080201000ac0", ERR_TOO_LARGE},
        {"91c40508080201000a", ERR_WRONG_LENGTH},
        {"91c40708080201000a00", ERR_WRONG_LENGTH},
        {"9101", ERR_WRONG_TYPE},
    };
    struct host h;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct bytes text = test_hex(cases[i].hex);
        enum error e;

        host_init(&h);
        e = puncture_receive_ask(&h.p, link_at(&h, 0), &h.ep[0], text, TIME_S);
        assert_int_equal(e, cases[i].e);
        e = puncture_receive_told(&h.p, &h.ep[0], text, TIME_S);
        assert_int_equal(e, cases[i].e);
        assert_int_equal(h.cells + h.datagrams, 0);
        puncture_deinit(&h.p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_puncture_reaches_through_a_common_neighbour),
        cmocka_unit_test(test_puncture_introduces_only_neighbours),
        cmocka_unit_test(test_puncture_pokes_only_what_can_be_an_address),
        cmocka_unit_test(test_puncture_is_limited_at_each_step),
        cmocka_unit_test(test_puncture_asks_again_after_a_while),
        cmocka_unit_test(test_puncture_drops_malformed_texts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
