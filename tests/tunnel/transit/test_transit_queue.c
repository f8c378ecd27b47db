/* SPDX-License-Identifier: MIT */
#include "tunnel_net.h"

#include "fail_alloc.h"

#define FLOWS 64
#define RATE  UINT64_C(1000000)

struct sink {
    struct transit_queue q;
    struct transit_flow flow[FLOWS];
    uint64_t now;
    uint64_t bytes[FLOWS], all;
    unsigned cells[FLOWS];
    uint32_t last[FLOWS];    /* number in the cell that came last */
    uint64_t delay[FLOWS];   /* the longest */
    const uint8_t *last_ptr; /* where it lay */
    enum transit_way way;
    /* A bucket by the book, in bytes: how full of water it is. */
    double level, level_max, rate;
    uint64_t level_at;
};

/* What a test cell carries where its body would be. */
struct mark {
    uint32_t number;
    uint64_t sent_at;
};

static void sink_send(void *ctx, struct transit_flow *flow,
                      enum transit_way way, uint8_t *datagram, size_t len,
                      uint64_t now)
{
    struct sink *s = ctx;
    ptrdiff_t i = flow - s->flow;
    struct mark mark;

    memcpy(&mark, datagram, sizeof(mark));
    assert_int_equal(now, s->now);
    assert_true(s->cells[i] == 0 || mark.number > s->last[i]);
    s->last[i] = mark.number;
    if (now - mark.sent_at > s->delay[i])
        s->delay[i] = now - mark.sent_at;
    s->bytes[i] += len;
    s->all += len;
    s->cells[i]++;
    s->last_ptr = datagram;
    s->way = way;
    s->level -= s->rate * (double)(now - s->level_at) / 1e9;
    s->level = (s->level < 0 ? 0 : s->level) + (double)len;
    s->level_at = now;
    if (s->level > s->level_max)
        s->level_max = s->level;
}

static void fill(void *ctx, void *buf, size_t len)
{
    test_random_fill(ctx, buf, len);
}

static struct sink *sink_new(const struct transit_queue_config *config)
{
    struct sink *s = calloc(1, sizeof(*s));
    struct test_random seed = test_seed(3);
    struct random_source random = {.ctx = &seed, .fill = fill};

    assert_non_null(s);
    s->now = TIME_S;
    s->rate = (double)config->bandwidth;
    transit_queue_init(&s->q, config, &random);
    s->q.ctx = s;
    s->q.send = sink_send;
    return s;
}

static void sink_free(struct sink *s)
{
    for (int i = 0; i < FLOWS; i++)
        transit_queue_forget(&s->q, &s->flow[i]);
    assert_null(s->q.root.turn);
    assert_null(s->q.held);
    transit_queue_deinit(&s->q);
    free(s);
}

/* False when it was dropped. */
static bool offer(struct sink *s, unsigned flow, size_t len)
{
    static uint32_t number;
    struct mark mark = {++number, s->now};
    uint8_t cell[CELL_MAX] = {0};
    enum transit_offer offered =
        transit_queue_offer(&s->q, &s->flow[flow], len, s->now);

    memcpy(cell, &mark, sizeof(mark));
    if (offered == TRANSIT_DROPPED)
        return false;
    transit_queue_put(&s->q, &s->flow[flow], offered, TRANSIT_FORWARD, cell,
                      len, s->now);
    return true;
}

/* To `end`, with a timer that is late by `late` each time. */
static void run_to(struct sink *s, uint64_t end, uint64_t late)
{
    for (;;) {
        uint64_t at = time_after(transit_queue_next_deadline(&s->q), late);

        if (at > end)
            break;
        s->now = at > s->now ? at : s->now;
        transit_queue_tick(&s->q, s->now);
    }
    s->now = end;
}

static const struct transit_queue_config limited = {
    .bandwidth = RATE,
    .bandwidth_burst = 20000,
    .max_cells = 1024,
    .max_circuit_cells = 256,
};

static void test_transit_queue_without_a_limit_passes_in_place(void **state)
{
    struct transit_queue_config none = {.bandwidth_burst = 1};
    struct sink *s = sink_new(&none);
    uint8_t cell[CELL_MAX] = {0};

    (void)state;
    for (uint32_t i = 1; i < 10000; i++) {
        memcpy(cell, &i, sizeof(i));
        assert_int_equal(
            transit_queue_offer(&s->q, &s->flow[0], CELL_LARGE, s->now),
            TRANSIT_PASSES);
        transit_queue_put(&s->q, &s->flow[0], TRANSIT_PASSES, TRANSIT_BACKWARD,
                          cell, CELL_LARGE, s->now);
        assert_ptr_equal(s->last_ptr, cell);
        assert_int_equal(s->way, TRANSIT_BACKWARD);
    }
    assert_int_equal(s->cells[0], 9999);
    assert_true(transit_queue_next_deadline(&s->q) == TIME_NEVER);
    sink_free(s);
}

/* Ten seconds of twice what is allowed. */
static void flood(struct sink *s, uint64_t rate, unsigned flows, uint64_t late)
{
    uint64_t end = s->now + 10 * TIME_S;
    uint64_t step = (uint64_t)CELL_LARGE * TIME_S / (2 * rate);

    for (unsigned i = 0; s->now < end; i++) {
        offer(s, i % flows, CELL_LARGE);
        run_to(s, s->now + step, late);
    }
}

static void test_transit_queue_overshoot_is_below_5_percent(void **state)
{
    static const struct {
        uint64_t rate, burst, late;
    } cases[] = {
        {20000, 0, 0},
        {100000, 0, 0},
        {100000, 10000, TIME_MS},
        {RATE, 0, TIME_MS},
        {RATE, 50000, 0},
        {20 * RATE, 0, TIME_MS},
        {20 * RATE, 8 * RATE, TIME_MS},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct transit_queue_config c = limited;
        uint64_t wanted = 10 * cases[i].rate;
        struct sink *s;

        c.bandwidth = cases[i].rate;
        c.bandwidth_burst = cases[i].burst;
        s = sink_new(&c);
        flood(s, cases[i].rate, 3, cases[i].late);
        assert_in_range(s->all, wanted * 95 / 100, wanted * 105 / 100);
        assert_true(s->q.stats.dropped + s->q.root.count > 0);
        sink_free(s);
    }
}

/* In any time t, at most burst + rate * t: not only in the mean. */
static void test_transit_queue_never_gives_more_than_the_burst(void **state)
{
    struct sink *s = sink_new(&limited);
    struct test_random r = test_seed(7);

    (void)state;
    for (int i = 0; i < 20000; i++) {
        unsigned cells = test_random_below(&r, 20);

        while (cells-- > 0)
            offer(s, test_random_below(&r, FLOWS),
                  test_random_below(&r, 3) == 0 ? CELL_SMALL : CELL_LARGE);
        run_to(s, s->now + test_random_below(&r, 20 * TIME_MS),
               test_random_below(&r, 2 * TIME_MS));
    }
    assert_true(s->level_max <= 20001);
    assert_true(s->level_max > 18000);
    sink_free(s);
}

static void test_transit_queue_limits_each_circuit(void **state)
{
    struct transit_queue_config c = {.circuit_bandwidth = RATE / 10,
                                     .circuit_burst = 5000,
                                     .max_cells = 1024,
                                     .max_circuit_cells = 64};
    struct sink *s = sink_new(&c);

    (void)state;
    flood(s, RATE, 4, 0);
    for (int i = 0; i < 4; i++)
        assert_in_range(s->bytes[i], RATE * 95 / 100, RATE * 105 / 100);
    sink_free(s);
}

/* Others wait for tokens of their own: that holds nobody else up. */
static void test_transit_queue_held_circuits_hold_up_nobody(void **state)
{
    struct transit_queue_config c = {
        .circuit_bandwidth = 20000, .max_cells = 4096, .max_circuit_cells = 64};
    struct sink *s = sink_new(&c);

    (void)state;
    for (unsigned i = 1; i < FLOWS; i++) {
        for (int k = 0; k < 50; k++)
            offer(s, i, CELL_LARGE);
    }
    for (int i = 0; i < 20; i++) {
        assert_true(offer(s, 0, CELL_SMALL));
        run_to(s, s->now + 50 * TIME_MS, 0);
    }
    assert_int_equal(s->delay[0], 0);
    assert_true(s->q.root.count > 0);
    sink_free(s);
}

static void test_transit_queue_gives_equal_shares(void **state)
{
    struct sink *s = sink_new(&limited);
    uint64_t end = s->now + 10 * TIME_S, third;

    (void)state;
    /* One offers much more than the others, one small cells only. */
    while (s->now < end) {
        for (int i = 0; i < 8; i++)
            offer(s, 0, CELL_LARGE);
        offer(s, 1, CELL_LARGE);
        for (int i = 0; i < 4; i++)
            offer(s, 2, CELL_SMALL);
        run_to(s, s->now + 2 * TIME_MS, 0);
    }
    third = s->all / 3;
    for (int i = 0; i < 3; i++)
        assert_in_range(s->bytes[i], third * 97 / 100, third * 103 / 100);
    sink_free(s);
}

static void join(struct sink *s, unsigned flow, const struct endpoint *ep)
{
    assert_int_equal(transit_queue_join(&s->q, &s->flow[flow], ep), OK);
}

/* Circuits 1 to 63 flood, and circuit 0 offers a part of the bandwidth: of how
 * much of that it gets, in percent. */
static unsigned gets_beside_a_flood(struct sink *s, unsigned part)
{
    uint64_t end = s->now + 20 * TIME_S,
             step = part * CELL_LARGE * TIME_S / RATE;
    unsigned offered = 0;

    while (s->now < end) {
        offered += CELL_LARGE;
        offer(s, 0, CELL_LARGE);
        for (unsigned i = 0; i < 2 * part; i++)
            offer(s, 1 + (offered / CELL_LARGE * 2 * part + i) % (FLOWS - 1),
                  CELL_LARGE);
        run_to(s, s->now + step, 0);
    }
    run_to(s, s->now + 200 * TIME_MS, 0);
    return (unsigned)(100 * s->bytes[0] / offered);
}

/* However many circuits one party has, and addresses of one network: an honest
 * one beside them gets what it asks for, up to its share. */
static void test_transit_queue_shares_by_source(void **state)
{
    static const struct {
        const char *name;
        uint8_t family, byte; /* the one in which his circuits differ */
        unsigned part, least;
    } floods[] = {
        {"one address", FAMILY_IPV4, 15, 10, 99},
        {"one address", FAMILY_IPV4, 15, 2, 95},
        {"an IPv4 /24", FAMILY_IPV4, 3, 10, 99},
        {"an IPv4 /24", FAMILY_IPV4, 3, 5, 95},
        {"a /56", FAMILY_IPV6, 7, 10, 99},
        {"a /56", FAMILY_IPV6, 7, 2, 95},
        {"a /48", FAMILY_IPV6, 6, 10, 99},
        {"a /48", FAMILY_IPV6, 6, 5, 95},
    };
    struct endpoint honest = {.addr = {9, 9, 9, 9}, .port = 1};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(floods); i++) {
        struct sink *s = sink_new(&limited);
        unsigned got;

        join(s, 0, &honest);
        for (unsigned k = 1; k < FLOWS; k++) {
            struct endpoint ep = {.addr = {0x20, 1, 2, 3},
                                  .family = floods[i].family};

            if (floods[i].byte < 8)
                ep.addr[floods[i].byte] = (uint8_t)k;
            ep.port = (uint16_t)k;
            join(s, k, &ep);
        }
        got = gets_beside_a_flood(s, floods[i].part);
        if (got < floods[i].least)
            fail_msg("%s: %u %% of a %uth", floods[i].name, got,
                     floods[i].part);
        sink_free(s);
    }
}

/* Within a line each circuit has as much, and so has each line of a site. */
static void test_transit_queue_shares_within_a_source(void **state)
{
    static const uint8_t last[] = {1, 1, 1,
                                   2}; /* of four circuits' addresses */
    struct sink *s = sink_new(&limited);
    uint64_t end = s->now + 10 * TIME_S;

    (void)state;
    for (unsigned i = 0; i < COUNT_OF(last); i++) {
        struct endpoint ep = {.addr = {9, 9, 9, last[i]}, .port = 1};

        join(s, i, &ep);
    }
    while (s->now < end) {
        for (unsigned i = 0; i < COUNT_OF(last); i++) {
            for (unsigned k = 0; k <= 2 * i; k++)
                offer(s, i, i == 1 ? CELL_SMALL : CELL_LARGE);
            if (i != 3)
                offer(s, i, CELL_SMALL);
        }
        offer(s, 1, CELL_SMALL);
        offer(s, 1, CELL_SMALL);
        run_to(s, s->now + 2 * TIME_MS, 0);
    }
    for (unsigned i = 0; i < 3; i++)
        assert_in_range(s->bytes[i], s->all * 97 / 600, s->all * 103 / 600);
    assert_in_range(s->bytes[3], s->all * 97 / 200, s->all * 103 / 200);
    sink_free(s);
}

/* A circuit with little traffic beside `bulk` that flood: it waits for one
 * service and one cell of each. */
static void test_transit_queue_interactive_delay_is_bounded(void **state)
{
    (void)state;
    for (unsigned bulk = 1; bulk < FLOWS; bulk *= 4) {
        struct sink *s = sink_new(&limited);
        uint64_t bound = 2 * TRANSIT_QUEUE_PAUSE +
                         (bulk + 2) * (uint64_t)CELL_LARGE * TIME_S / RATE;

        for (unsigned i = 0; i < 4000; i++) {
            for (unsigned k = 0; k < 4; k++)
                offer(s, 1 + (i * 4 + k) % bulk, CELL_LARGE);
            if (i % 20 == 19)
                assert_true(offer(s, 0, CELL_SMALL));
            run_to(s, s->now + 2500 * TIME_US, 0);
        }
        run_to(s, s->now + bound, 0);
        assert_int_equal(s->cells[0], 200);
        assert_true(s->delay[0] <= bound);
        /* While the bulk waited for as long as its queue is. */
        assert_true(s->delay[1] > 100 * TIME_MS);
        sink_free(s);
    }
}

static void test_transit_queue_caps(void **state)
{
    struct transit_queue_config c = limited;
    struct sink *s;
    unsigned before;

    (void)state;
    c.max_cells = 100;
    c.max_circuit_cells = 40;
    s = sink_new(&c);
    for (int i = 0; i < 100; i++)
        offer(s, 0, CELL_LARGE);
    assert_int_equal(s->flow[0].turn.count, 40);
    assert_int_equal(s->q.stats.dropped, 100 - 40 - s->cells[0]);
    /* As many as there are places left, then; never more than all. */
    for (unsigned i = 1; i < FLOWS; i++) {
        for (int k = 0; k < 100; k++)
            offer(s, i, CELL_LARGE);
        if (i == 1)
            assert_int_equal(s->flow[1].turn.count, 30);
    }
    assert_true(s->q.root.count <= 100);
    before = s->cells[0];
    run_to(s, s->now + TIME_S, 0);
    assert_int_equal(s->q.root.count, 0);
    assert_int_equal(s->cells[0], before + 40);
    assert_int_equal(s->cells[1], 30);
    sink_free(s);
}

static void test_transit_queue_newcomers_find_a_place(void **state)
{
    struct transit_queue_config c = limited;
    struct sink *s;

    (void)state;
    c.max_cells = 100;
    s = sink_new(&c);
    for (unsigned round = 0; round < 200; round++) {
        for (unsigned i = 0; i < 9; i++)
            offer(s, i, CELL_LARGE);
    }
    assert_true(offer(s, 10, CELL_LARGE));
    assert_true(s->q.root.count <= 91);
    sink_free(s);
}

static void test_transit_queue_memory_is_given_back(void **state)
{
    struct sink *s = sink_new(&limited);

    (void)state;
    flood(s, RATE, 2, 0);
    run_to(s, s->now + TIME_S, 0);
    assert_int_equal(s->q.root.count, 0);
    assert_non_null(s->q.spare);
    run_to(s, s->now + 2 * TIME_S, 0);
    assert_null(s->q.spare);
    assert_true(transit_queue_next_deadline(&s->q) == TIME_NEVER);
    sink_free(s);
}

static void test_transit_queue_out_of_memory_drops(void **state)
{
    struct sink *s = sink_new(&limited);
    unsigned sent;

    (void)state;
    while (s->q.root.count == 0)
        offer(s, 0, CELL_LARGE);
    sent = s->cells[0];
    fail_alloc_at(1);
    offer(s, 0, CELL_LARGE);
    assert_true(fail_alloc_end());
    assert_int_equal(s->q.stats.dropped, 1);
    run_to(s, s->now + TIME_S, 0);
    assert_int_equal(s->cells[0], sent + 1);
    sink_free(s);
}

static void test_transit_queue_new_limits_at_once(void **state)
{
    struct transit_queue_config slow = limited, none = limited;
    struct sink *s;

    (void)state;
    slow.bandwidth = slow.circuit_bandwidth = 1000;
    none.bandwidth = none.circuit_bandwidth = 0;
    s = sink_new(&slow);
    for (int i = 0; i < 50; i++)
        offer(s, 0, CELL_LARGE);
    assert_true(s->q.root.count >= 30);
    run_to(s, s->now + TIME_S, 0);
    assert_true(s->q.root.count >= 30);
    transit_queue_configure(&s->q, &none);
    run_to(s, s->now + TIME_MS, 0);
    assert_int_equal(s->q.root.count, 0);
    assert_int_equal(s->cells[0], 50);
    sink_free(s);
}

/* What was overspent under the limit before is forgiven: with 1,000 bytes a
 * second the burst would come back in 20 s only. */
static void test_transit_queue_new_limits_begin_full(void **state)
{
    struct transit_queue_config slow = limited;
    struct sink *s;
    unsigned passed;

    (void)state;
    slow.bandwidth = 1000;
    s = sink_new(&slow);
    while (transit_queue_offer(&s->q, &s->flow[0], CELL_LARGE, s->now) ==
           TRANSIT_PASSES)
        offer(s, 0, CELL_LARGE);
    passed = s->cells[0];
    assert_in_range(passed, 10, 20);
    transit_queue_configure(&s->q, &slow);
    while (transit_queue_offer(&s->q, &s->flow[0], CELL_LARGE, s->now) ==
           TRANSIT_PASSES)
        offer(s, 0, CELL_LARGE);
    assert_int_equal(s->cells[0], 2 * passed);
    sink_free(s);
}

/* Flows come and go at any moment; the books are right all the time. */
static void test_transit_queue_random_life(void **state)
{
    struct transit_queue_config c = limited;
    struct test_random r = test_seed(11);
    struct sink *s;

    (void)state;
    c.circuit_bandwidth = RATE / 8;
    c.circuit_burst = 4000;
    c.max_cells = 300;
    s = sink_new(&c);
    for (int i = 0; i < 50000; i++) {
        unsigned flow = test_random_below(&r, FLOWS), sum = 0;

        if (test_random_below(&r, 10) == 0) {
            transit_queue_forget(&s->q, &s->flow[flow]);
            s->flow[flow] = (struct transit_flow){0};
            if (flow % 4 != 0)
                join(s, flow,
                     &(struct endpoint){
                         .addr = {(uint8_t)(8 + test_random_below(&r, 3)), 1, 1,
                                  (uint8_t)test_random_below(&r, 4)}});
        } else {
            offer(s, flow, CELL_LARGE);
        }
        if (test_random_below(&r, 8) == 0)
            run_to(s, s->now + test_random_below(&r, 10 * TIME_MS), 0);
        for (unsigned k = 0; k < FLOWS; k++)
            sum += s->flow[k].turn.count;
        assert_int_equal(sum, s->q.root.count);
        assert_true(sum <= 300);
        assert_true(sum == 0 ||
                    transit_queue_next_deadline(&s->q) != TIME_NEVER);
    }
    assert_true(s->level_max <= 20001);
    sink_free(s);
}

/* ---- In a relay --------------------------------------------------------- */

static void limit_relay(struct net *net, unsigned node, uint64_t bandwidth)
{
    struct router_config c = net_config(&net->node[node]);

    c.transit.queue = limited;
    c.transit.queue.bandwidth = bandwidth;
    transits_configure(net->node[node].engine.transits, &c.transit);
}

struct relay_bytes {
    const struct net_node *node;
    uint64_t bytes;
};

static bool bytes_tap(struct net *net, struct net_packet *p)
{
    struct relay_bytes *b = net->tap_ctx;

    if (endpoint_equal(&p->from, &b->node->ep) && p->bytes[1] == CELL_KIND)
        b->bytes += p->len;
    return true;
}

static void test_transit_queue_of_a_relay_bounds_what_it_sends(void **state)
{
    struct net *net = net_new(21);
    struct relay_bytes b = {&net->node[1], 0};
    struct circuit *bulk = net_build(net, (unsigned[]){1, 2, 0});
    struct circuit *quiet = net_build(net, (unsigned[]){1, 3, 0});
    struct net_node *client = &net->node[0];
    uint64_t longest = 0;
    char text[1001];

    (void)state;
    memset(text, 'x', sizeof(text) - 1);
    text[1000] = '\0';
    net_run(net, TIME_S);
    assert_int_equal(client->ready, 2);
    limit_relay(net, 1, RATE);
    net->tap = bytes_tap;
    net->tap_ctx = &b;
    /* Twice the bandwidth one way alone, and everything comes back. */
    for (int i = 0; i < 3500; i++) {
        for (int k = 0; k < 2; k++)
            net_send_data(net, bulk, text);
        if (i % 350 == 0)
            circuit_ping(client->engine.circuits, quiet, 2, net->now);
        net_run(net, 1400 * TIME_US);
        if (quiet->hop[1].rtt > longest)
            longest = quiet->hop[1].rtt;
    }
    assert_in_range(b.bytes, RATE * 49 / 10 * 95 / 100,
                    RATE * 49 / 10 * 105 / 100);
    assert_true(client->answered >= 9);
    /* Four links of 5 ms, and two turns at the relay. */
    assert_true(longest >= 4 * NET_DELAY);
    assert_true(longest <= 8 * NET_DELAY + 20 * TIME_MS);
    assert_true(transits_queue(net->node[1].engine.transits)->stats.dropped >
                0);
    net_free(net);
}

static void test_transit_queue_goes_with_its_circuit(void **state)
{
    struct net *net = net_new(22);
    struct circuit *c = net_build(net, (unsigned[]){1, 2, 0});
    const struct transit_queue *q;

    (void)state;
    net_run(net, TIME_S);
    limit_relay(net, 1, 1000);
    q = transits_queue(net->node[1].engine.transits);
    for (int i = 0; i < 60; i++)
        net_send_data(net, c, "x");
    net_run(net, 50 * TIME_MS);
    assert_true(q->root.count > 10);
    circuit_close(net->node[0].engine.circuits, c, REASON_REQUESTED, net->now);
    net_run(net, 50 * TIME_MS);
    assert_int_equal(transits_count(net->node[1].engine.transits), 0);
    assert_int_equal(q->root.count, 0);
    net_run(net, 3 * TIME_S);
    assert_null(q->spare);
    net_free(net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_transit_queue_without_a_limit_passes_in_place),
        cmocka_unit_test(test_transit_queue_overshoot_is_below_5_percent),
        cmocka_unit_test(test_transit_queue_never_gives_more_than_the_burst),
        cmocka_unit_test(test_transit_queue_limits_each_circuit),
        cmocka_unit_test(test_transit_queue_held_circuits_hold_up_nobody),
        cmocka_unit_test(test_transit_queue_gives_equal_shares),
        cmocka_unit_test(test_transit_queue_shares_by_source),
        cmocka_unit_test(test_transit_queue_shares_within_a_source),
        cmocka_unit_test(test_transit_queue_interactive_delay_is_bounded),
        cmocka_unit_test(test_transit_queue_caps),
        cmocka_unit_test(test_transit_queue_newcomers_find_a_place),
        cmocka_unit_test(test_transit_queue_memory_is_given_back),
        cmocka_unit_test(test_transit_queue_out_of_memory_drops),
        cmocka_unit_test(test_transit_queue_new_limits_at_once),
        cmocka_unit_test(test_transit_queue_new_limits_begin_full),
        cmocka_unit_test(test_transit_queue_random_life),
        cmocka_unit_test(test_transit_queue_of_a_relay_bounds_what_it_sends),
        cmocka_unit_test(test_transit_queue_goes_with_its_circuit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
