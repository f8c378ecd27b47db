/* SPDX-License-Identifier: MIT */
#include "sim/sim.h"
#include "sim_test.h"

#include <string.h>

/* An engine that notes what it gets and echoes until told not to. */
struct echo {
    unsigned refusals; /* that it has heard of */
    uint64_t refused_at;
    struct sim *sim;
    uint32_t node;
    uint64_t interval; /* sends to `peer` that often; 0 never */
    uint64_t next;
    struct endpoint peer;
    uint32_t counter; /* of what it sends */
    uint32_t last;    /* counter that came last */
    unsigned got, late, ticks;
    uint64_t got_at;
    bool *freed;
};

static void echo_receive(void *engine, const struct endpoint *from,
                         struct bytes datagram, uint64_t now)
{
    struct echo *e = engine;
    uint32_t n = 0;

    (void)from;
    if (datagram.len == sizeof(n))
        memcpy(&n, datagram.p, sizeof(n));
    e->late += n < e->last;
    e->last = n > e->last ? n : e->last;
    e->got++;
    e->got_at = now;
}

static void echo_tick(void *engine, uint64_t now)
{
    struct echo *e = engine;

    e->ticks++;
    e->counter++;
    e->next = now + e->interval;
    sim_send(e->sim, e->node, &e->peer,
             bytes_of(&e->counter, sizeof(e->counter)));
}

static uint64_t echo_deadline(void *engine)
{
    struct echo *e = engine;

    return e->interval == 0 ? TIME_NEVER : e->next;
}

static void echo_free(void *engine)
{
    struct echo *e = engine;

    if (e->freed != NULL)
        *e->freed = true;
}

static void echo_unreachable(void *engine, const struct endpoint *to,
                             uint64_t now)
{
    struct echo *e = engine;

    assert_true(endpoint_equal(to, &e->peer));
    e->refusals++;
    e->refused_at = now;
}

static const struct sim_engine echo_vtable = {.unreachable = echo_unreachable,
                                              .receive = echo_receive,
                                              .tick = echo_tick,
                                              .next_deadline = echo_deadline,
                                              .free = echo_free};
static const struct sim_place v4 = {.family = {true, false}};

static struct sim *make(struct sim_config *config)
{
    struct sim *s = NULL;

    assert_int_equal(sim_new(config, &s), OK);
    return s;
}

static void config(struct sim_config *c)
{
    sim_config_init(c);
    c->seed = test_seed();
}

static void add(struct sim *s, struct echo *e)
{
    *e = (struct echo){.sim = s};
    assert_int_equal(sim_node_add(s, &v4, &e->node), OK);
    sim_attach(s, e->node, SIM_PLANE_DHT, &echo_vtable, e);
}

static void aim(struct echo *from, const struct echo *to, uint64_t interval)
{
    sim_endpoint(from->sim, to->node, FAMILY_IPV4, &from->peer);
    from->interval = interval;
    from->next = sim_now(from->sim);
    sim_wake(from->sim, from->node);
}

/* `n` nodes that send to each other for a while. */
static uint64_t run_ring(struct sim_config *c, int n, struct sim_stats *stats)
{
    struct echo e[20];
    struct sim *s = make(c);

    for (int i = 0; i < n; i++)
        add(s, &e[i]);
    for (int i = 0; i < n; i++)
        aim(&e[i], &e[(i + 1) % n], (uint64_t)(i + 1) * TIME_MS);
    sim_run_for(s, 100 * TIME_S);
    sim_stats(s, stats);
    sim_free(s);
    return stats->digest;
}

static void test_sim_same_seed_same_run(void **state)
{
    struct sim_config c;
    struct sim_stats a, b;

    (void)state;
    config(&c);
    c.loss = 0.1;
    c.duplicate = c.reorder = 0.05;
    run_ring(&c, 20, &a);
    run_ring(&c, 20, &b);
    assert_memory_equal(&a, &b, sizeof(a));
    c.seed++;
    run_ring(&c, 20, &b);
    assert_int_not_equal(a.digest, b.digest);
}

/* 100,000 datagrams: six standard deviations are under 0.6 %. */
static void test_sim_rates(void **state)
{
    struct sim_config c;
    struct sim_stats st;
    uint64_t n;

    (void)state;
    config(&c);
    c.loss = 0.1;
    c.duplicate = 0.05;
    c.reorder = 0.02;
    run_ring(&c, 2, &st);
    n = st.offered;
    assert_in_range(n, 149000, 151000);
    assert_in_range(st.fate[SIM_LOST] * 1000, n * 94, n * 106);
    assert_in_range(st.fate[SIM_DUPLICATED] * 1000, n * 40, n * 50);
    assert_in_range(st.fate[SIM_REORDERED] * 1000, n * 15, n * 21);
    assert_int_equal(st.fate[SIM_SENT] + st.fate[SIM_LOST], n);
    assert_int_equal(st.fate[SIM_DELIVERED] + st.in_flight,
                     st.fate[SIM_SENT] + st.fate[SIM_DUPLICATED]);
}

static void test_sim_clean_link_keeps_order(void **state)
{
    struct sim_config c;
    struct echo a, b;
    struct sim *s;

    (void)state;
    config(&c);
    c.latency.jitter = 0;
    s = make(&c);
    add(s, &a);
    add(s, &b);
    aim(&a, &b, TIME_MS);
    sim_run_for(s, 10 * TIME_S);
    assert_at_least(b.got, 9800);
    assert_int_equal(b.late, 0);
    c.reorder = 0.1;
    sim_reconfigure(s, &c);
    sim_run_for(s, 10 * TIME_S);
    assert_at_least(b.late, 100);
    sim_free(s);
}

struct bounds {
    uint64_t sent_at, least, most;
};

static void watch(void *ctx, enum sim_fate fate, uint32_t from_node,
                  uint32_t to_node, const struct endpoint *from,
                  const struct endpoint *to, struct bytes datagram,
                  uint64_t now)
{
    struct bounds *b = ctx;

    (void)from_node;
    (void)to_node;
    (void)from;
    (void)to;
    (void)datagram;
    if (fate == SIM_SENT)
        b->sent_at = now;
    if (fate != SIM_DELIVERED)
        return;
    b->least = time_min(b->least, now - b->sent_at);
    b->most = now - b->sent_at > b->most ? now - b->sent_at : b->most;
}

static void test_sim_latency_bounds(void **state)
{
    struct bounds b = {.least = TIME_NEVER};
    struct sim_tap tap = {&b, watch};
    struct sim_config c;
    struct echo e[20];
    struct sim *s;

    (void)state;
    config(&c);
    s = make(&c);
    sim_set_tap(s, &tap);
    for (int i = 0; i < 20; i++)
        add(s, &e[i]);
    for (int i = 0; i < 400; i++) { /* one datagram at a time */
        aim(&e[i / 20], &e[i % 20], 30 * TIME_S);
        sim_run_for(s, 10 * TIME_S);
        e[i / 20].interval = 0;
        sim_run_for(s, 30 * TIME_S);
    }
    assert_in_range(b.least, 10 * TIME_MS, 30 * TIME_MS);
    assert_in_range(b.most, 100 * TIME_MS, 130 * TIME_MS);
    sim_free(s);
}

static void test_sim_partition_and_death(void **state)
{
    struct sim_config c;
    struct echo a, b;
    struct sim_stats st;
    bool freed = false;
    unsigned got;
    struct sim *s;

    (void)state;
    config(&c);
    s = make(&c);
    add(s, &a);
    add(s, &b);
    b.freed = &freed;
    aim(&a, &b, 10 * TIME_MS);
    sim_partition(s, b.node, 1);
    sim_run_for(s, TIME_S);
    sim_stats(s, &st);
    assert_int_equal(b.got, 0);
    assert_int_equal(st.fate[SIM_CUT], a.ticks);

    sim_heal(s);
    sim_run_for(s, TIME_S);
    assert_at_least(got = b.got, 80);

    sim_kill(s, b.node);
    assert_true(freed);
    assert_false(sim_alive(s, b.node));
    sim_run_for(s, TIME_S);
    assert_int_equal(b.got, got);

    sim_attach(s, b.node, SIM_PLANE_DHT, &echo_vtable, &b);
    sim_run_for(s, TIME_S);
    assert_at_least(b.got, got + 80);
    sim_free(s);
}

/* Who sends to the dead hears of it, when the network says such things, as long
 * after as the way there and back takes. */
static void test_sim_refuses(void **state)
{
    struct sim_config c;
    struct echo a, b;
    uint64_t killed;
    struct sim *s;

    (void)state;
    config(&c);
    for (int i = 0; i < 2; i++) {
        c.refuses = i > 0;
        c.latency = (struct sim_latency){.base = 30 * TIME_MS};
        s = make(&c);
        add(s, &a);
        add(s, &b);
        aim(&a, &b, 10 * TIME_MS);
        sim_run_for(s, TIME_S);
        assert_int_equal(a.refusals, 0);
        sim_kill(s, b.node);
        killed = sim_now(s);
        sim_run_for(s, 200 * TIME_MS);
        assert_int_equal(a.refusals > 0, c.refuses);
        if (c.refuses) /* what was under way is refused, too */
            assert_in_range(a.refusals, 15, 20);
        assert_true(a.refused_at == 0 || a.refused_at > killed);
        sim_free(s);
    }
}

static void test_sim_deadline_that_moves(void **state)
{
    struct sim_config c;
    struct sim_stats st;
    struct echo a, b;
    struct sim *s;

    (void)state;
    config(&c);
    s = make(&c);
    add(s, &a);
    add(s, &b);
    aim(&a, &b, 10 * TIME_MS);
    a.next = sim_now(s) + TIME_S;
    sim_wake(s, a.node);
    a.next = sim_now(s) + TIME_MIN; /* later: no second entry */
    for (int i = 0; i < 1000; i++)
        sim_wake(s, a.node);
    sim_run_for(s, 50 * TIME_S);
    assert_int_equal(a.ticks, 0);
    sim_stats(s, &st);
    assert_at_most(st.idle_ends, 2);
    a.next = sim_now(s) + TIME_MS; /* sooner */
    sim_wake(s, a.node);
    sim_run_for(s, 2 * TIME_MS);
    assert_int_equal(a.ticks, 1);
    sim_free(s);
}

static void test_sim_impatient_engine_lets_time_pass(void **state)
{
    struct sim_config c;
    struct echo a, b;
    struct sim *s;

    (void)state;
    config(&c);
    c.loss = 1;
    s = make(&c);
    add(s, &a);
    add(s, &b);
    aim(&a, &b, 1); /* its next deadline has always come */
    sim_run_for(s, TIME_MS);
    assert_in_range(a.ticks, 999, 1001);
    sim_free(s);
}

static void test_sim_caps(void **state)
{
    struct sim_config c;
    struct sim_stats st;
    struct echo a, b;
    struct sim *s;
    uint32_t none;

    (void)state;
    config(&c);
    c.max_nodes = 2;
    c.max_datagrams = 5;
    s = make(&c);
    add(s, &a);
    add(s, &b);
    assert_int_equal(sim_node_add(s, &v4, &none), ERR_FULL);
    aim(&a, &b, TIME_US);
    sim_run_for(s, 5 * TIME_MS);
    sim_stats(s, &st);
    assert_int_equal(st.in_flight, 5);
    assert_int_equal(st.fate[SIM_OVERFLOW], st.offered - 5);
    sim_free(s);
}

static void test_sim_uplink(void **state)
{
    struct sim_config c;
    struct echo a, b;
    struct sim *s;

    (void)state;
    config(&c);
    c.uplink = 400; /* a hundred of our datagrams a second */
    s = make(&c);
    add(s, &a);
    add(s, &b);
    aim(&a, &b, TIME_MS);
    sim_run_for(s, 100 * TIME_S);
    assert_in_range(b.got, 9900, 10050);
    sim_free(s);
}

static void count_call(void *ctx, uint64_t now)
{
    uint64_t *at = ctx;

    *at = now;
}

static void test_sim_calls(void **state)
{
    struct sim_config c;
    uint64_t first = 0, second = 0, start;
    struct sim *s;

    (void)state;
    config(&c);
    s = make(&c);
    start = sim_now(s);
    assert_int_equal(sim_at(s, start + TIME_S, count_call, &first), OK);
    assert_int_equal(sim_at(s, start + TIME_HOUR, count_call, &second), OK);
    sim_run_for(s, TIME_MIN);
    assert_int_equal(first, start + TIME_S);
    assert_int_equal(second, 0);
    assert_int_equal(sim_now(s), start + TIME_MIN);
    sim_free(s); /* the second is dropped */
}

static void test_sim_planes(void **state)
{
    const uint8_t map[] = {0x80}, array[] = {0x90}, foreign[] = {'d'};
    struct echo dht, tunnel, a;
    struct sim_config c;
    struct endpoint to;
    struct sim *s;

    (void)state;
    config(&c);
    s = make(&c);
    add(s, &a);
    add(s, &dht);
    tunnel = (struct echo){.sim = s, .node = dht.node};
    sim_attach(s, dht.node, SIM_PLANE_TUNNEL, &echo_vtable, &tunnel);
    sim_endpoint(s, dht.node, FAMILY_IPV4, &to);
    sim_send(s, a.node, &to, bytes_of(map, 1));
    sim_send(s, a.node, &to, bytes_of(array, 1));
    sim_send(s, a.node, &to, bytes_of(array, 1));
    /* of neither plane: the daemon would not let them see it */
    sim_send(s, a.node, &to, bytes_of(foreign, 1));
    sim_send(s, a.node, &to, bytes_of(foreign, 0));
    sim_run_for(s, TIME_S);
    assert_int_equal(dht.got, 1);
    assert_int_equal(tunnel.got, 2);
    sim_free(s);
}

/* The plan of addresses keeps its word, and finds everybody again. */
static void test_sim_addresses(void **state)
{
    struct sim_place both = {.family = {true, true}};
    struct endpoint ep, taken;
    struct sim_config c;
    uint32_t node;

    (void)state;
    config(&c);
    for (int global = 0; global < 2; global++) {
        struct sim *s;

        c.addressing = global ? SIM_ADDRESS_GLOBAL : SIM_ADDRESS_PRIVATE;
        s = make(&c);
        for (uint32_t i = 0; i < 3000; i++)
            assert_int_equal(sim_node_add(s, &both, &node), OK);
        for (uint32_t i = 0; i < 3000; i++)
            for (int f = 0; f < FAMILIES; f++) {
                assert_true(sim_endpoint(s, i, (enum family)f, &ep));
                assert_int_equal(sim_node_at(s, &ep), i);
                assert_int_equal(endpoint_is_global(&ep), global);
                assert_true(endpoint_is_usable(&ep));
            }
        assert_true(sim_endpoint(s, 7, FAMILY_IPV4, &taken));
        both.at[FAMILY_IPV4] = &taken;
        assert_int_equal(sim_node_add(s, &both, &node), ERR_IN_USE);
        both.at[FAMILY_IPV4] = NULL;
        sim_free(s);
    }
}

static void test_sim_one_subnet_each(void **state)
{
    static uint8_t seen[SIM_NODES_MAX / 8];

    (void)state;
    for (uint32_t i = 0; i < SIM_NODES_MAX; i += 7) {
        struct endpoint ep;
        uint32_t net;

        sim_address_make(SIM_ADDRESS_GLOBAL, FAMILY_IPV4, i, &ep);
        assert_in_range(ep.addr[0], 24, 87);
        net = (uint32_t)(ep.addr[0] - 24) << 16 | (uint32_t)ep.addr[1] << 8 |
              ep.addr[2];
        assert_false(seen[net / 8] >> (net % 8) & 1);
        seen[net / 8] = (uint8_t)(seen[net / 8] | 1 << (net % 8));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sim_same_seed_same_run),
        cmocka_unit_test(test_sim_rates),
        cmocka_unit_test(test_sim_clean_link_keeps_order),
        cmocka_unit_test(test_sim_latency_bounds),
        cmocka_unit_test(test_sim_partition_and_death),
        cmocka_unit_test(test_sim_refuses),
        cmocka_unit_test(test_sim_deadline_that_moves),
        cmocka_unit_test(test_sim_impatient_engine_lets_time_pass),
        cmocka_unit_test(test_sim_caps),
        cmocka_unit_test(test_sim_uplink),
        cmocka_unit_test(test_sim_calls),
        cmocka_unit_test(test_sim_planes),
        cmocka_unit_test(test_sim_addresses),
        cmocka_unit_test(test_sim_one_subnet_each),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
