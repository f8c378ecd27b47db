/* SPDX-License-Identifier: MIT
 *
 * Whole members of the community: they find each other, keep pools, send data
 * out through an exit, and measure a circuit.
 */
#include "tunnel_world.h"

static uint32_t first_circuit(struct world *w, unsigned hops)
{
    uint32_t id = 0;

    assert_true(member_active(w->member[0].tunnel, hops, &id, 1) > 0);
    return id;
}

static void test_tunnel_pool_of_each_length_and_data(void **state)
{
    (void)state;
    for (unsigned hops = 1; hops <= ONION_HOPS_MAX; hops++) {
        struct world *w = world_new(hops);
        struct resident *client = &w->member[0];
        struct endpoint to;
        uint32_t id;

        assert_int_equal(member_build(client->tunnel, hops, w->now), OK);
        run(w, 10 * TIME_S);
        assert_true(member_ready(client->tunnel) >= 1.0);
        assert_int_equal(member_active(client->tunnel, hops, NULL, 0), 2);
        id = first_circuit(w, hops);
        endpoint_parse("8.8.8.8:53", &to);
        assert_int_equal(member_data(client->tunnel, id, &to,
                                     bytes_of_text("question"), w->now),
                         OK);
        run(w, TIME_S);
        assert_int_equal(client->data, 1);
        assert_int_equal(client->payload_len, 8);
        assert_memory_equal(client->payload, "question", 8);
        assert_true(endpoint_equal(&client->source, &to));
        assert_int_equal(member_ping(client->tunnel, id, w->now), OK);
        run(w, TIME_S);
        assert_int_equal(client->pongs, hops);
        world_free(w);
    }
}

static void test_tunnel_names_and_refusals(void **state)
{
    static const char *bad[] = {"10.0.0.1:53", "11.7.0.1:80" /* its own */};
    struct world *w = world_new(2);
    struct resident *client = &w->member[0];
    struct endpoint to;
    uint32_t id;

    (void)state;
    member_build(client->tunnel, 2, w->now);
    run(w, 10 * TIME_S);
    id = first_circuit(w, 2);
    assert_int_equal(member_data_name(client->tunnel, id,
                                      bytes_of_text("echo.example"), 7,
                                      bytes_of_text("hi"), w->now),
                     OK);
    run(w, TIME_S);
    assert_int_equal(client->data, 1);
    assert_int_equal(client->source.port, 7);
    member_data_name(client->tunnel, id, bytes_of_text("no.example"), 7,
                     bytes_of_text("hi"), w->now);
    run(w, TIME_S);
    assert_int_equal(client->refused, 1);
    assert_int_equal(client->why, REASON_NO_NAME);
    for (unsigned i = 0; i < COUNT_OF(bad); i++) {
        endpoint_parse(bad[i], &to);
        member_data(client->tunnel, id, &to, bytes_of_text("x"), w->now);
        run(w, TIME_S);
        assert_int_equal(client->refused, 2 + i);
        assert_int_equal(client->why, REASON_POLICY);
    }
    assert_int_equal(client->data, 1);
    world_free(w);
}

static void test_tunnel_long_datagrams_go_and_come_in_pieces(void **state)
{
    static const size_t sizes[] = {0,    1,    143,  1199, 1200,
                                   1215, 1216, 1217, 1300, 8000};
    struct world *w = world_new(3);
    struct resident *client = &w->member[0];
    static uint8_t text[10000];
    struct endpoint to;
    uint32_t id;

    (void)state;
    test_random_fill(&w->random, text, sizeof(text));
    endpoint_parse("[2001:4860:4860::8888]:443", &to);
    member_build(client->tunnel, 3, w->now);
    run(w, 10 * TIME_S);
    id = first_circuit(w, 3);
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        client->data = 0;
        assert_int_equal(member_data(client->tunnel, id, &to,
                                     bytes_of(text, sizes[i]), w->now),
                         OK);
        run(w, 3 * TIME_S);
        if (client->data != 1)
            fail_msg("%zu bytes did not come back", sizes[i]);
        assert_int_equal(client->payload_len, sizes[i]);
        assert_memory_equal(client->payload, text, sizes[i]);
    }
    assert_int_equal(member_data(client->tunnel, id, &to,
                                 bytes_of(text, sizeof(text)), w->now),
                     ERR_TOO_LARGE);
    assert_int_equal(
        member_data(client->tunnel, id + 99, &to, bytes_of(text, 1), w->now),
        ERR_NOT_FOUND);
    world_free(w);
}

static void test_tunnel_speedtest_reports(void **state)
{
    struct world *w = world_new(4);
    struct resident *client = &w->member[0];
    uint32_t id;

    (void)state;
    member_build(client->tunnel, 3, w->now);
    run(w, 10 * TIME_S);
    id = first_circuit(w, 3);
    assert_int_equal(member_speedtest(client->tunnel, id, 2 * TIME_S, w->now),
                     OK);
    assert_int_equal(member_speedtest(client->tunnel, id, 2 * TIME_S, w->now),
                     ERR_IN_USE);
    run(w, 10 * TIME_S);
    assert_true(client->done);
    assert_true(client->reports >= 6);
    assert_int_equal(client->report.lost, 0);
    assert_true(client->report.up > 100000);
    /* Three links, there and back. */
    assert_int_equal(client->report.rtt_min, 6 * DELAY);
    world_free(w);
}

static unsigned measured(const struct resident *client, uint64_t most)
{
    const struct directory *d = member_directory(client->tunnel);
    unsigned n = 0;

    for (unsigned i = 0; i < directory_count(d); i++) {
        n += directory_at(d, i)->record.capacity != 0;
        assert_true(directory_at(d, i)->record.capacity <= most);
    }
    return n;
}

/* All hops of the circuit, by what came back; not those of tests that are too
 * short or came to no end. */
static void test_tunnel_speedtest_measures_the_hops(void **state)
{
    struct world *w = world_new(9);
    struct resident *client = &w->member[0];
    uint32_t id;

    (void)state;
    member_build(client->tunnel, 3, w->now);
    run(w, 10 * TIME_S);
    id = first_circuit(w, 3);
    member_speedtest(client->tunnel, id, TIME_S, w->now);
    run(w, 5 * TIME_S);
    assert_true(client->done);
    assert_int_equal(measured(client, 0), 0);
    member_speedtest(client->tunnel, id, 4 * TIME_S, w->now);
    run(w, 2 * TIME_S);
    member_close(client->tunnel, id, w->now);
    run(w, 5 * TIME_S);
    assert_int_equal(measured(client, 0), 0);
    id = first_circuit(w, 3);
    member_speedtest(client->tunnel, id, 4 * TIME_S, w->now);
    run(w, 8 * TIME_S);
    assert_int_equal(measured(client, client->report.down / 1000), 3);
    world_free(w);
}

/* A client that starts with one address learns of the rest from whoever is
 * there, over the link that its circuits use. */
static void test_tunnel_neighbours_tell_of_others(void **state)
{
    struct world *w = world_new(9);
    struct resident *client = &w->member[0];
    struct member_config c = config_of(0);
    struct member_status status;

    (void)state;
    member_free(client->tunnel, w->now);
    resident_start(client, &c);
    member_ask(client->tunnel, &w->member[EXIT].ep, w->now);
    for (unsigned i = 1; i < EXIT; i++)
        member_ask(w->member[EXIT].tunnel, &w->member[i].ep, w->now);
    run(w, 10 * TIME_S);
    member_status(client->tunnel, w->now, WALL, &status);
    assert_int_equal(status.known, 1);
    member_build(client->tunnel, 1, w->now);
    run(w, 5 * TIME_MIN);
    member_status(client->tunnel, w->now, WALL, &status);
    assert_int_equal(status.known, MEMBERS - 1);
    assert_int_equal(member_router(client->tunnel)->dropped[ERR_UNEXPECTED], 0);
    world_free(w);
}

/* Only the circuit of the client's own making, through `hop`. */
static struct link_target target_of(const struct world *w, unsigned number)
{
    struct member_config c = config_of(number);
    struct link_target t = {.ep = w->member[number].ep};

    memcpy(t.identity, c.identity, sizeof(t.identity));
    noise_public_key(c.handshake_secret, t.handshake_key);
    return t;
}

static bool reaches(struct world *w, unsigned hop)
{
    const struct router *e = member_router(w->member[0].tunnel);
    struct link_target target = target_of(w, hop);
    unsigned before = w->member[0].ready;
    struct circuit *circuit;

    assert_int_equal(circuit_new(e->circuits, &target, 1, w->now, &circuit),
                     OK);
    run(w, 12 * TIME_S);
    return w->member[0].ready > before;
}

static uint64_t refused(const struct world *w)
{
    const struct router *first = member_router(w->member[1].tunnel);

    return transits_stats(first->transits)->failed[REASON_ADDRESS];
}

/* Nobody on the public network is made to send into a private one, nor to
 * other programs on its own machine. */
static void test_tunnel_does_not_extend_to_private_or_own(void **state)
{
    static const char *bad[] = {"10.0.0.1:7881",      "127.0.0.1:7881",
                                "169.254.169.254:80", "192.168.1.1:7881",
                                "172.16.0.1:7881",    "100.64.0.1:7881",
                                "[::1]:7881",         "[fc00::1]:7881",
                                "[fe80::1]:7881",     "[64:ff9b::a00:1]:7881",
                                "11.2.0.1:7881", /* own, published */
                                "11.2.0.1:99",        "11.2.77.77:7881",
                                "[2606::77]:53"};
    const struct endpoint own[] = {
        {.addr = {11, 2, 77, 77}, .port = 7881},
        {.addr = {0x26, 0x06, [15] = 0x77}, .port = 1, .family = FAMILY_IPV6}};
    struct world *w = world_new(8);
    const struct router *e = member_router(w->member[0].tunnel);
    struct link_target hops[2];
    struct circuit *c;

    (void)state;
    assert_int_equal(policy_set_own(&w->member[1].policy, own, 2), OK);
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        for (unsigned hop = 0; hop < 2; hop++)
            hops[hop] = target_of(w, hop + 1);
        assert_int_equal(endpoint_parse(bad[i], &hops[1].ep), OK);
        assert_int_equal(circuit_new(e->circuits, hops, 2, w->now, &c), OK);
        run(w, 2 * TIME_S); /* resident_send sees where to */
        if (refused(w) != i + 1)
            fail_msg("%s was not refused", bad[i]);
    }
    world_free(w);
}

/* Nor by cells of a true link that seem to come from there. */
static void test_tunnel_does_not_move_to_private_addresses(void **state)
{
    static const char *bad[] = {"10.0.0.1:7881",      "127.0.0.1:7881",
                                "169.254.169.254:80", "[::1]:7881",
                                "[fc00::1]:7881",     "11.2.0.1:7882"};
    struct world *w = world_new(11);
    const struct router *e = member_router(w->member[0].tunnel);
    struct link_target t = target_of(w, 1);
    struct link *link;

    (void)state;
    run(w, TIME_S);
    assert_int_equal(link_open(e->shared.links, &t, w->now, &link), OK);
    run(w, TIME_S);
    assert_int_equal(w->count, 0);
    for (size_t i = 0; i <= COUNT_OF(bad); i++) {
        struct endpoint from;
        struct packet *p;

        assert_int_equal(
            endpoint_parse(i < COUNT_OF(bad) ? bad[i] : "12.0.0.1:7881", &from),
            OK);
        link_send(e->shared.links, link, CELL_PONG, 0, bytes_of("", 0), w->now);
        p = w->queue[(w->first + --w->count) % QUEUE_MAX];
        w->sink = true;
        w->sunk = 0;
        assert_int_equal(member_receive(w->member[1].tunnel, &from, p->bytes,
                                        p->len, w->now, WALL),
                         OK);
        assert_int_equal(w->sunk, i == COUNT_OF(bad)); /* a PING */
        free(p);
        w->sink = false;
    }
    world_free(w);
}

/* A relay behind a NAT is reached once both have a neighbour in common. */
static void test_tunnel_nat_is_opened_by_a_neighbour(void **state)
{
    struct world *w = world_new(7);

    (void)state;
    w->member[3].nat = true;
    memset(w->member[3].sent, 0, sizeof(w->member[3].sent));
    assert_false(reaches(w, 3));
    member_build(w->member[3].tunnel, 2, w->now);
    for (unsigned i = 1; i < MEMBERS; i++)
        member_ask(w->member[3].tunnel, &w->member[i].ep, w->now);
    run(w, 10 * TIME_S);
    w->member[3].sent[0] = false;
    for (unsigned i = 1; i < MEMBERS; i++)
        assert_true(i == 3 || reaches(w, i));
    /* Each time three neighbours are asked, at random. */
    assert_true(reaches(w, 3) || reaches(w, 3) || reaches(w, 3));
    world_free(w);
}

/* Or whoever has the address of a client could ask all relays in turn, and
 * would hear from the client itself which of them are its guards. */
static void test_tunnel_client_is_introduced_to_nobody(void **state)
{
    uint8_t text[3 + ENDPOINT_COMPACT_MAX] = {0x91, 0xc4, 6};
    struct world *w = world_new(9);
    const struct router *e = member_router(w->member[2].tunnel);
    struct link *link;

    (void)state;
    endpoint_write_compact(&w->member[0].ep, text + 3);
    for (unsigned relay = 1; relay < MEMBERS; relay++) {
        struct link_target t = target_of(w, relay);

        if (relay == 2)
            continue;
        assert_true(reaches(w, relay)); /* so the client has a link with it */
        assert_int_equal(link_open(e->shared.links, &t, w->now, &link), OK);
        run(w, TIME_S);
        assert_int_equal(link->state, LINK_UP);
        link_send(e->shared.links, link, CELL_PUNCTURE, 0, bytes_of(text, 9),
                  w->now);
        run(w, TIME_S);
    }
    assert_int_equal(w->member[0].pokes, 0);
    world_free(w);
}

/* Whether the member takes links to the key that belongs to `secret`. */
static bool takes_key(struct world *w, const uint8_t secret[NOISE_KEY_BYTES])
{
    const struct router *e = member_router(w->member[0].tunnel);
    struct link_target t = target_of(w, 1);
    struct link *link;
    bool up;

    noise_public_key(secret, t.handshake_key);
    assert_int_equal(link_open(e->shared.links, &t, w->now, &link), OK);
    link_hold(link);
    run(w, 400 * TIME_MS);
    up = link->state == LINK_UP;
    link_release(link, w->now);
    run(w, 2 * TIME_MIN); /* closed or given up */
    return up;
}

/* Else who has a link to it waits for an answer with the next EXTEND. */
static void test_tunnel_tells_neighbours_that_it_stops(void **state)
{
    struct world *w = world_new(9);
    struct links *links = member_router(w->member[0].tunnel)->shared.links;
    struct link_target t = target_of(w, 1);
    struct member_config c = config_of(1);
    struct link *link;

    (void)state;
    assert_int_equal(link_open(links, &t, w->now, &link), OK);
    run(w, 400 * TIME_MS);
    assert_int_equal(link->state, LINK_UP);
    assert_int_equal(links_count(links), 1);
    member_free(w->member[1].tunnel, w->now);
    resident_start(&w->member[1], &c);
    run(w, 400 * TIME_MS);
    assert_int_equal(links_count(links), 0);
    world_free(w);
}

static struct resident *restart(struct world *w, const struct member_config *c)
{
    struct resident *m = &w->member[1];

    member_free(m->tunnel, w->now);
    m->rotated = m->retired = 0;
    resident_start(m, c);
    return m;
}

#define DAY (24 * 3600)

static void test_tunnel_key_before_is_taken_for_25_hours(void **state)
{
    struct world *w = world_new(9);
    struct member_config c = config_of(1);
    uint64_t life = DESCRIPTOR_LIFETIME + DESCRIPTOR_SKEW;
    struct resident *m;

    (void)state;
    c.handshake_made = WALL - 7 * DAY;
    m = restart(w, &c);
    run(w, TIME_S);
    assert_int_equal(m->rotated, 1);
    assert_memory_equal(m->replaced, c.handshake_secret, NOISE_KEY_BYTES);
    run(w, (life - 60) * TIME_S);
    assert_true(takes_key(w, c.handshake_secret));
    assert_int_equal(m->retired, 1);
    assert_false(takes_key(w, c.handshake_secret));
    world_free(w);
}

/* Also by a node that was stopped meanwhile; a clock that was set back gives
 * it no more than a day and an hour. */
static void test_tunnel_key_before_outlives_a_restart(void **state)
{
    static const int64_t replaced[] = {0, -3600, -25 * 3600 + 200, 7 * DAY};
    struct world *w = world_new(10);
    struct member_config c = config_of(1);
    uint64_t life = DESCRIPTOR_LIFETIME + DESCRIPTOR_SKEW;

    (void)state;
    memset(c.previous_secret, 77, NOISE_KEY_BYTES);
    for (size_t i = 0; i < COUNT_OF(replaced); i++) {
        uint64_t left = life, now = w->now;
        struct resident *m;

        if (replaced[i] < 0)
            left -= (uint64_t)-replaced[i];
        c.previous_replaced = (uint64_t)((int64_t)WALL + replaced[i]);
        m = restart(w, &c);
        assert_true(takes_key(w, c.previous_secret));
        run(w, now + left * TIME_S - 1 - w->now);
        assert_int_equal(m->retired, 0);
        run(w, 1);
        assert_int_equal(m->retired, 1);
        assert_false(takes_key(w, c.previous_secret));
        assert_true(takes_key(w, c.handshake_secret));
        assert_int_equal(m->rotated, 0);
    }
    c.previous_replaced = WALL - life;
    assert_int_equal(restart(w, &c)->retired, 0);
    run(w, 1);
    assert_int_equal(w->member[1].retired, 1);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tunnel_pool_of_each_length_and_data),
        cmocka_unit_test(test_tunnel_names_and_refusals),
        cmocka_unit_test(test_tunnel_long_datagrams_go_and_come_in_pieces),
        cmocka_unit_test(test_tunnel_speedtest_reports),
        cmocka_unit_test(test_tunnel_speedtest_measures_the_hops),
        cmocka_unit_test(test_tunnel_tells_neighbours_that_it_stops),
        cmocka_unit_test(test_tunnel_neighbours_tell_of_others),
        cmocka_unit_test(test_tunnel_does_not_extend_to_private_or_own),
        cmocka_unit_test(test_tunnel_does_not_move_to_private_addresses),
        cmocka_unit_test(test_tunnel_nat_is_opened_by_a_neighbour),
        cmocka_unit_test(test_tunnel_client_is_introduced_to_nobody),
        cmocka_unit_test(test_tunnel_key_before_is_taken_for_25_hours),
        cmocka_unit_test(test_tunnel_key_before_outlives_a_restart),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
