/* SPDX-License-Identifier: MIT
 *
 * Whole members of the community: they find each other, keep pools, send data
 * out through an exit, and measure a circuit.
 */
#include "tunnel/tunnel.h"

#include "testing.h"
#include "wire/timestamp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <sodium.h>
#include <stdlib.h>

#define MEMBERS   7 /* 0 is the client, the last is the exit */
#define EXIT      (MEMBERS - 1)
#define QUEUE_MAX 16384
#define DELAY     (2 * TIME_MS)
#define WALL      UINT64_C(1900000000)

struct world;

struct member {
    struct world *world;
    struct endpoint ep;
    struct tunnel *tunnel;
    struct policy policy;
    unsigned ready, closed, data, refused, pongs, reports;
    enum reason why;
    uint8_t payload[8192];
    size_t payload_len;
    struct endpoint source;
    struct speedtest_report report;
    bool done;
    /* As an exit: what it sent, echoed by the world. */
    unsigned sockets;
    uint32_t cookie;
    struct endpoint sent_to;
    bool echo;
    /* Behind a NAT: gets only what comes from where it has sent to. */
    bool nat, sent[MEMBERS];
    unsigned pokes; /* sent */
    /* Handshake keys that were told of. */
    unsigned rotated, retired;
    uint8_t replaced[NOISE_KEY_BYTES];
};

struct packet {
    uint64_t at;
    struct endpoint from, to;
    size_t len;
    uint8_t bytes[CELL_MAX];
};

struct world {
    struct test_random random;
    uint64_t now;
    struct member member[MEMBERS];
    struct packet *queue[QUEUE_MAX];
    size_t first, count;
    bool sink; /* what is sent is gone, and counted */
    unsigned sunk;
};

static void member_send(void *ctx, const struct endpoint *to, struct bytes d)
{
    struct member *m = ctx;
    struct world *w = m->world;
    struct packet *p;

    if (w->sink) {
        w->sunk++;
        return;
    }
    p = malloc(sizeof(*p));
    assert_non_null(p);
    assert_true(w->count < QUEUE_MAX && d.len <= CELL_MAX);
    assert_true(to->family == FAMILY_IPV4 && to->addr[0] == 11);
    *p = (struct packet){
        .at = w->now + DELAY, .from = m->ep, .to = *to, .len = d.len};
    memcpy(p->bytes, d.p, d.len);
    m->pokes += d.len == 2;
    for (unsigned i = 0; i < MEMBERS; i++)
        m->sent[i] |= endpoint_equal(&w->member[i].ep, to);
    w->queue[(w->first + w->count++) % QUEUE_MAX] = p;
}

static void member_random(void *ctx, void *buf, size_t len)
{
    struct member *m = ctx;

    test_random_fill(&m->world->random, buf, len);
}

static void member_event(void *ctx, const struct tunnel_event *e)
{
    struct member *m = ctx;

    switch (e->kind) {
    case TUNNEL_CIRCUIT_READY:
        m->ready++;
        break;
    case TUNNEL_CIRCUIT_CLOSED:
        m->closed++;
        m->why = e->why;
        break;
    case TUNNEL_DATA:
        m->data++;
        m->source = e->source;
        m->payload_len = e->payload.len;
        assert_true(e->payload.len <= sizeof(m->payload));
        memcpy(m->payload, e->payload.p, e->payload.len);
        break;
    case TUNNEL_REFUSED:
        m->refused++;
        m->why = e->why;
        break;
    case TUNNEL_PONG:
        m->pongs++;
        break;
    case TUNNEL_SPEEDTEST:
        m->reports++;
        m->report = e->report;
        m->done = e->done;
        break;
    }
}

static enum error exit_open_fake(void *ctx, enum family family, uint32_t cookie,
                                 void **handle)
{
    struct member *m = ctx;

    (void)family;
    m->sockets++;
    m->cookie = cookie;
    *handle = m;
    return OK;
}

static enum error exit_send_fake(void *ctx, void *handle,
                                 const struct endpoint *to,
                                 struct bytes payload)
{
    struct member *m = ctx;

    assert_ptr_equal(handle, m);
    m->sent_to = *to;
    m->payload_len = payload.len;
    memcpy(m->payload, payload.p, payload.len);
    m->echo = true;
    return OK;
}

static void exit_close_fake(void *ctx, void *handle)
{
    struct member *m = ctx;

    (void)handle;
    m->sockets--;
}

static enum error resolve_fake(void *ctx, const char *name, uint32_t cookie)
{
    struct member *m = ctx;
    struct endpoint addr;

    endpoint_parse("9.9.9.9:0", &addr);
    if (strcmp(name, "echo.example") != 0)
        return ERR_NOT_FOUND;
    tunnel_exit_resolved(m->tunnel, cookie, &addr, 1, TIME_MIN, m->world->now);
    return OK;
}

static void resolve_cancel_fake(void *ctx, uint32_t cookie)
{
    (void)ctx, (void)cookie;
}

static void remember_fake(void *ctx, const struct stored_relay *relay)
{
    (void)ctx, (void)relay;
}

static void forget_fake(void *ctx, const uint8_t identity[32])
{
    (void)ctx, (void)identity;
}

static void rotated_fake(void *ctx, const uint8_t secret[NOISE_KEY_BYTES],
                         const uint8_t previous[NOISE_KEY_BYTES], uint64_t wall)
{
    struct member *m = ctx;

    assert_memory_not_equal(secret, previous, NOISE_KEY_BYTES);
    assert_true(wall >= WALL);
    memcpy(m->replaced, previous, NOISE_KEY_BYTES);
    m->rotated++;
}

static void retired_fake(void *ctx)
{
    struct member *m = ctx;

    m->retired++;
}

static struct tunnel_config config_of(unsigned number)
{
    struct tunnel_config c;

    tunnel_config_init(&c);
    memcpy(c.network, "test", 5);
    randombytes_buf_deterministic(c.handshake_secret,
                                  sizeof(c.handshake_secret),
                                  (uint8_t[32]){1, (uint8_t)number});
    crypto_sign_seed_keypair(c.identity, c.identity_secret,
                             (uint8_t[32]){2, (uint8_t)number});
    c.handshake_made = WALL;
    c.become_exitnode = number == EXIT;
    if (number == 0)
        c.max_relays_or_exits = 0;
    return c;
}

static void member_start(struct member *m, const struct tunnel_config *c)
{
    struct tunnel_env env = {
        .ctx = m,
        .random = {.ctx = m, .fill = member_random},
        .send = member_send,
        .event = member_event,
        .exit = {.ctx = m,
                 .open = exit_open_fake,
                 .send = exit_send_fake,
                 .close = exit_close_fake,
                 .resolve = resolve_fake,
                 .resolve_cancel = resolve_cancel_fake},
        .remember = remember_fake,
        .forget = forget_fake,
        .rotated = rotated_fake,
        .retired = retired_fake,
    };

    policy_init(&m->policy, true, false);
    assert_int_equal(
        tunnel_new(c, &env, &m->policy, m->world->now, WALL, &m->tunnel), OK);
    tunnel_set_addresses(m->tunnel, &m->ep, 1, m->world->now);
}

static struct world *world_new(unsigned hops)
{
    struct world *w = calloc(1, sizeof(*w));

    assert_non_null(w);
    w->random = test_seed(hops + 100);
    w->now = TIME_S;
    for (unsigned i = 0; i < MEMBERS; i++) {
        struct member *m = &w->member[i];
        struct tunnel_config c = config_of(i);

        m->world = w;
        m->ep = (struct endpoint){.addr = {11, (uint8_t)(i + 1), 0, 1},
                                  .port = 7881};
        member_start(m, &c);
    }
    for (unsigned i = 1; i < MEMBERS; i++)
        tunnel_ask(w->member[0].tunnel, &w->member[i].ep, w->now);
    return w;
}

static void world_free(struct world *w)
{
    for (unsigned i = 0; i < MEMBERS; i++)
        tunnel_free(w->member[i].tunnel, w->now);
    for (; w->count > 0; w->count--)
        free(w->queue[w->first++ % QUEUE_MAX]);
    for (unsigned i = 0; i < MEMBERS; i++)
        assert_int_equal(w->member[i].sockets, 0);
    free(w);
}

static bool passes_nat(const struct world *w, const struct member *to,
                       const struct endpoint *from)
{
    for (unsigned i = 0; i < MEMBERS; i++) {
        if (endpoint_equal(&w->member[i].ep, from) && to->sent[i])
            return true;
    }
    return !to->nat;
}

static void deliver(struct world *w)
{
    struct packet *p = w->queue[w->first];

    w->first = (w->first + 1) % QUEUE_MAX;
    w->count--;
    for (unsigned i = 0; i < MEMBERS; i++) {
        struct member *m = &w->member[i];

        if (m->tunnel != NULL && endpoint_equal(&m->ep, &p->to) &&
            passes_nat(w, m, &p->from))
            tunnel_receive(m->tunnel, &p->from, p->bytes, p->len, w->now,
                           WALL + w->now / TIME_S);
    }
    free(p);
}

/* The destination sends back what it got. */
static void echo(struct world *w)
{
    struct member *m = &w->member[EXIT];

    if (!m->echo)
        return;
    m->echo = false;
    tunnel_exit_receive(m->tunnel, m->cookie, &m->sent_to,
                        bytes_of(m->payload, m->payload_len), w->now);
}

static void run(struct world *w, uint64_t duration)
{
    uint64_t end = w->now + duration, at;

    for (;;) {
        at = w->count > 0 ? w->queue[w->first]->at : TIME_NEVER;
        for (unsigned i = 0; i < MEMBERS; i++)
            at = time_min(at, tunnel_next_deadline(w->member[i].tunnel));
        if (at > end)
            break;
        w->now = at > w->now ? at : w->now;
        for (unsigned i = 0; i < MEMBERS; i++)
            tunnel_tick(w->member[i].tunnel, w->now, WALL + w->now / TIME_S);
        while (w->count > 0 && w->queue[w->first]->at <= w->now)
            deliver(w);
        echo(w);
    }
    w->now = end;
}

static uint32_t first_circuit(struct world *w, unsigned hops)
{
    uint32_t id = 0;

    assert_true(tunnel_active(w->member[0].tunnel, hops, &id, 1) > 0);
    return id;
}

static void test_tunnel_pool_of_each_length_and_data(void **state)
{
    (void)state;
    for (unsigned hops = 1; hops <= ONION_HOPS_MAX; hops++) {
        struct world *w = world_new(hops);
        struct member *client = &w->member[0];
        struct endpoint to;
        uint32_t id;

        assert_int_equal(tunnel_build(client->tunnel, hops, w->now), OK);
        run(w, 10 * TIME_S);
        assert_true(tunnel_ready(client->tunnel) >= 1.0);
        assert_int_equal(tunnel_active(client->tunnel, hops, NULL, 0), 2);
        id = first_circuit(w, hops);
        endpoint_parse("8.8.8.8:53", &to);
        assert_int_equal(tunnel_data(client->tunnel, id, &to,
                                     bytes_of_text("question"), w->now),
                         OK);
        run(w, TIME_S);
        assert_int_equal(client->data, 1);
        assert_int_equal(client->payload_len, 8);
        assert_memory_equal(client->payload, "question", 8);
        assert_true(endpoint_equal(&client->source, &to));
        assert_int_equal(tunnel_ping(client->tunnel, id, w->now), OK);
        run(w, TIME_S);
        assert_int_equal(client->pongs, hops);
        world_free(w);
    }
}

static void test_tunnel_names_and_refusals(void **state)
{
    struct world *w = world_new(2);
    struct member *client = &w->member[0];
    struct endpoint to;
    uint32_t id;

    (void)state;
    tunnel_build(client->tunnel, 2, w->now);
    run(w, 10 * TIME_S);
    id = first_circuit(w, 2);
    assert_int_equal(tunnel_data_name(client->tunnel, id,
                                      bytes_of_text("echo.example"), 7,
                                      bytes_of_text("hi"), w->now),
                     OK);
    run(w, TIME_S);
    assert_int_equal(client->data, 1);
    assert_int_equal(client->source.port, 7);
    tunnel_data_name(client->tunnel, id, bytes_of_text("no.example"), 7,
                     bytes_of_text("hi"), w->now);
    run(w, TIME_S);
    assert_int_equal(client->refused, 1);
    assert_int_equal(client->why, REASON_RESOLVE);
    endpoint_parse("10.0.0.1:53", &to);
    tunnel_data(client->tunnel, id, &to, bytes_of_text("x"), w->now);
    run(w, TIME_S);
    assert_int_equal(client->refused, 2);
    assert_int_equal(client->why, REASON_POLICY);
    world_free(w);
}

static void test_tunnel_long_datagrams_go_and_come_in_pieces(void **state)
{
    static const size_t sizes[] = {0,    1,    143,  1199, 1200,
                                   1215, 1216, 1217, 1300, 8000};
    struct world *w = world_new(3);
    struct member *client = &w->member[0];
    static uint8_t text[10000];
    struct endpoint to;
    uint32_t id;

    (void)state;
    test_random_fill(&w->random, text, sizeof(text));
    endpoint_parse("[2001:4860:4860::8888]:443", &to);
    tunnel_build(client->tunnel, 3, w->now);
    run(w, 10 * TIME_S);
    id = first_circuit(w, 3);
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        client->data = 0;
        assert_int_equal(tunnel_data(client->tunnel, id, &to,
                                     bytes_of(text, sizes[i]), w->now),
                         OK);
        run(w, 3 * TIME_S);
        if (client->data != 1)
            fail_msg("%zu bytes did not come back", sizes[i]);
        assert_int_equal(client->payload_len, sizes[i]);
        assert_memory_equal(client->payload, text, sizes[i]);
    }
    assert_int_equal(tunnel_data(client->tunnel, id, &to,
                                 bytes_of(text, sizeof(text)), w->now),
                     ERR_TOO_LARGE);
    assert_int_equal(
        tunnel_data(client->tunnel, id + 99, &to, bytes_of(text, 1), w->now),
        ERR_NOT_FOUND);
    world_free(w);
}

static void test_tunnel_speedtest_reports(void **state)
{
    struct world *w = world_new(4);
    struct member *client = &w->member[0];
    uint32_t id;

    (void)state;
    tunnel_build(client->tunnel, 3, w->now);
    run(w, 10 * TIME_S);
    id = first_circuit(w, 3);
    assert_int_equal(tunnel_speedtest(client->tunnel, id, 2 * TIME_S, w->now),
                     OK);
    assert_int_equal(tunnel_speedtest(client->tunnel, id, 2 * TIME_S, w->now),
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

static unsigned measured(const struct member *client, uint64_t most)
{
    const struct directory *d = tunnel_directory(client->tunnel);
    unsigned n = 0;

    for (unsigned i = 0; i < directory_count(d); i++) {
        n += directory_at(d, i)->capacity != 0;
        assert_true(directory_at(d, i)->capacity <= most);
    }
    return n;
}

/* All hops of the circuit, by what came back; not those of tests that are too
 * short or came to no end. */
static void test_tunnel_speedtest_measures_the_hops(void **state)
{
    struct world *w = world_new(9);
    struct member *client = &w->member[0];
    uint32_t id;

    (void)state;
    tunnel_build(client->tunnel, 3, w->now);
    run(w, 10 * TIME_S);
    id = first_circuit(w, 3);
    tunnel_speedtest(client->tunnel, id, TIME_S, w->now);
    run(w, 5 * TIME_S);
    assert_true(client->done);
    assert_int_equal(measured(client, 0), 0);
    tunnel_speedtest(client->tunnel, id, 4 * TIME_S, w->now);
    run(w, 2 * TIME_S);
    tunnel_close(client->tunnel, id, w->now);
    run(w, 5 * TIME_S);
    assert_int_equal(measured(client, 0), 0);
    id = first_circuit(w, 3);
    tunnel_speedtest(client->tunnel, id, 4 * TIME_S, w->now);
    run(w, 8 * TIME_S);
    assert_int_equal(measured(client, client->report.down / 1000), 3);
    world_free(w);
}

static void test_tunnel_says_what_is_missing(void **state)
{
    struct world *w = world_new(5);
    struct member *client = &w->member[0];
    struct tunnel_config c = config_of(EXIT);
    struct tunnel_status status;

    (void)state;
    c.become_exitnode = false;
    tunnel_free(w->member[EXIT].tunnel, w->now);
    member_start(&w->member[EXIT], &c);
    tunnel_build(client->tunnel, 2, w->now);
    run(w, 10 * TIME_S);
    tunnel_status(client->tunnel, w->now, WALL, &status);
    assert_int_equal(status.path, PATH_NO_EXITS);
    assert_int_equal(status.ready, 0);
    assert_true(status.known >= MEMBERS - 2);
    world_free(w);
}

/* Each of the settings acts: the pool's circuits are replaced in time. */
static void test_tunnel_old_circuits_hand_over(void **state)
{
    struct world *w = world_new(6);
    struct member *client = &w->member[0];
    struct tunnel_config c = config_of(0);

    (void)state;
    tunnel_free(client->tunnel, w->now);
    c.max_time = 30 * TIME_S;
    member_start(client, &c);
    for (unsigned i = 1; i < MEMBERS; i++)
        tunnel_ask(client->tunnel, &w->member[i].ep, w->now);
    tunnel_build(client->tunnel, 2, w->now);
    run(w, 10 * TIME_S);
    for (int i = 0; i < 100; i++) {
        run(w, TIME_S);
        assert_true(tunnel_active(client->tunnel, 2, NULL, 0) > 0);
    }
    assert_true(client->closed >= 4);
    assert_int_equal(client->why, REASON_AGE);
    world_free(w);
}

/* Failures of all relays that the client knows. */
static unsigned blamed(const struct world *w)
{
    const struct directory *d = tunnel_directory(w->member[0].tunnel);
    unsigned sum = 0;

    for (unsigned i = 0; i < directory_count(d); i++)
        sum += directory_at(d, i)->failures;
    return sum;
}

/* Circuits that nobody uses end here before they end at their hops. */
static void test_tunnel_idle_circuits_are_nobodys_failure(void **state)
{
    struct world *w = world_new(12);
    struct member *client = &w->member[0];

    (void)state;
    tunnel_build(client->tunnel, 3, w->now);
    for (unsigned i = 0; i < 30; i++) {
        run(w, TIME_MIN);
        assert_int_equal(blamed(w), 0);
    }
    assert_true(client->closed >= 10);
    assert_int_equal(client->why, REASON_IDLE);
    assert_int_equal(
        circuits_stats(tunnel_engine(client->tunnel)->circuits)->hops_replaced,
        0);
    world_free(w);
}

/* Relays that give up earlier keep to limits of their own. */
static void test_tunnel_limits_of_relays_are_no_failures(void **state)
{
    struct world *w = world_new(13);
    struct member *client = &w->member[0];

    (void)state;
    for (unsigned i = 1; i < MEMBERS; i++) {
        struct tunnel_config c = config_of(i);

        c.max_time_inactive = TIME_MIN;
        assert_int_equal(tunnel_reconfigure(w->member[i].tunnel, &c, w->now),
                         OK);
    }
    tunnel_build(client->tunnel, 3, w->now);
    for (unsigned i = 0; i < 60; i++) {
        run(w, 10 * TIME_S);
        assert_int_equal(blamed(w), 0);
    }
    assert_true(client->closed >= 8);
    world_free(w);
}

/* A client that starts with one address learns of the rest from whoever is
 * there, over the link that its circuits use. */
static void test_tunnel_neighbours_tell_of_others(void **state)
{
    struct world *w = world_new(9);
    struct member *client = &w->member[0];
    struct tunnel_config c = config_of(0);
    struct tunnel_status status;

    (void)state;
    tunnel_free(client->tunnel, w->now);
    member_start(client, &c);
    tunnel_ask(client->tunnel, &w->member[EXIT].ep, w->now);
    for (unsigned i = 1; i < EXIT; i++)
        tunnel_ask(w->member[EXIT].tunnel, &w->member[i].ep, w->now);
    run(w, 10 * TIME_S);
    tunnel_status(client->tunnel, w->now, WALL, &status);
    assert_int_equal(status.known, 1);
    tunnel_build(client->tunnel, 1, w->now);
    run(w, 5 * TIME_MIN);
    tunnel_status(client->tunnel, w->now, WALL, &status);
    assert_int_equal(status.known, MEMBERS - 1);
    assert_int_equal(tunnel_engine(client->tunnel)->dropped[ERR_UNEXPECTED], 0);
    world_free(w);
}

/* Only the circuit of the client's own making, through `hop`. */
static struct link_target target_of(const struct world *w, unsigned number)
{
    struct tunnel_config c = config_of(number);
    struct link_target t = {.ep = w->member[number].ep};

    memcpy(t.identity, c.identity, sizeof(t.identity));
    noise_public_key(c.handshake_secret, t.handshake_key);
    return t;
}

static bool reaches(struct world *w, unsigned hop)
{
    const struct engine *e = tunnel_engine(w->member[0].tunnel);
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
    const struct engine *first = tunnel_engine(w->member[1].tunnel);

    return relays_stats(first->relays)->failed[REASON_ADDRESS];
}

/* Nobody on the public network is made to send into a private one. */
static void test_tunnel_does_not_extend_to_private_addresses(void **state)
{
    static const char *bad[] = {"10.0.0.1:7881",      "127.0.0.1:7881",
                                "169.254.169.254:80", "192.168.1.1:7881",
                                "172.16.0.1:7881",    "100.64.0.1:7881",
                                "[::1]:7881",         "[fc00::1]:7881",
                                "[fe80::1]:7881",     "[64:ff9b::a00:1]:7881"};
    struct world *w = world_new(8);
    const struct engine *e = tunnel_engine(w->member[0].tunnel);
    struct link_target hops[2];
    struct circuit *c;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        for (unsigned hop = 0; hop < 2; hop++)
            hops[hop] = target_of(w, hop + 1);
        assert_int_equal(endpoint_parse(bad[i], &hops[1].ep), OK);
        assert_int_equal(circuit_new(e->circuits, hops, 2, w->now, &c), OK);
        run(w, 2 * TIME_S); /* member_send sees where to */
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
    const struct engine *e = tunnel_engine(w->member[0].tunnel);
    struct link_target t = target_of(w, 1);
    struct link *link;

    (void)state;
    run(w, TIME_S);
    assert_int_equal(link_open(e->core.links, &t, w->now, &link), OK);
    run(w, TIME_S);
    assert_int_equal(w->count, 0);
    for (size_t i = 0; i <= COUNT_OF(bad); i++) {
        struct endpoint from;
        struct packet *p;

        assert_int_equal(
            endpoint_parse(i < COUNT_OF(bad) ? bad[i] : "12.0.0.1:7881", &from),
            OK);
        link_send(e->core.links, link, CELL_PONG, 0, bytes_of("", 0), w->now);
        p = w->queue[(w->first + --w->count) % QUEUE_MAX];
        w->sink = true;
        w->sunk = 0;
        assert_int_equal(tunnel_receive(w->member[1].tunnel, &from, p->bytes,
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
    tunnel_build(w->member[3].tunnel, 2, w->now);
    for (unsigned i = 1; i < MEMBERS; i++)
        tunnel_ask(w->member[3].tunnel, &w->member[i].ep, w->now);
    run(w, 10 * TIME_S);
    w->member[3].sent[0] = false;
    for (unsigned i = 1; i < MEMBERS; i++)
        assert_true(i == 3 || reaches(w, i));
    assert_true(reaches(w, 3));
    world_free(w);
}

/* Or whoever has the address of a client could ask all relays in turn, and
 * would hear from the client itself which of them are its guards. */
static void test_tunnel_client_is_introduced_to_nobody(void **state)
{
    uint8_t text[3 + ENDPOINT_COMPACT_MAX] = {0x91, 0xc4, 6};
    struct world *w = world_new(9);
    const struct engine *e = tunnel_engine(w->member[2].tunnel);
    struct link *link;

    (void)state;
    endpoint_write_compact(&w->member[0].ep, text + 3);
    for (unsigned relay = 1; relay < MEMBERS; relay++) {
        struct link_target t = target_of(w, relay);

        if (relay == 2)
            continue;
        assert_true(reaches(w, relay)); /* so the client has a link with it */
        assert_int_equal(link_open(e->core.links, &t, w->now, &link), OK);
        run(w, TIME_S);
        assert_int_equal(link->state, LINK_UP);
        link_send(e->core.links, link, CELL_PUNCTURE, 0, bytes_of(text, 9),
                  w->now);
        run(w, TIME_S);
    }
    assert_int_equal(w->member[0].pokes, 0);
    world_free(w);
}

/* Whether the member takes links to the key that belongs to `secret`. */
static bool takes_key(struct world *w, const uint8_t secret[NOISE_KEY_BYTES])
{
    const struct engine *e = tunnel_engine(w->member[0].tunnel);
    struct link_target t = target_of(w, 1);
    struct link *link;
    bool up;

    noise_public_key(secret, t.handshake_key);
    assert_int_equal(link_open(e->core.links, &t, w->now, &link), OK);
    link_hold(link);
    run(w, 400 * TIME_MS);
    up = link->state == LINK_UP;
    link_release(link, w->now);
    run(w, 2 * TIME_MIN); /* closed or given up */
    return up;
}

static struct member *restart(struct world *w, const struct tunnel_config *c)
{
    struct member *m = &w->member[1];

    tunnel_free(m->tunnel, w->now);
    m->rotated = m->retired = 0;
    member_start(m, c);
    return m;
}

#define DAY (24 * 3600)

static void test_tunnel_key_before_is_taken_for_25_hours(void **state)
{
    struct world *w = world_new(9);
    struct tunnel_config c = config_of(1);
    uint64_t life = DESCRIPTOR_LIFETIME + DESCRIPTOR_SKEW;
    struct member *m;

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
    struct tunnel_config c = config_of(1);
    uint64_t life = DESCRIPTOR_LIFETIME + DESCRIPTOR_SKEW;

    (void)state;
    memset(c.previous_secret, 77, NOISE_KEY_BYTES);
    for (size_t i = 0; i < COUNT_OF(replaced); i++) {
        uint64_t left = life, now = w->now;
        struct member *m;

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
        cmocka_unit_test(test_tunnel_says_what_is_missing),
        cmocka_unit_test(test_tunnel_old_circuits_hand_over),
        cmocka_unit_test(test_tunnel_idle_circuits_are_nobodys_failure),
        cmocka_unit_test(test_tunnel_limits_of_relays_are_no_failures),
        cmocka_unit_test(test_tunnel_neighbours_tell_of_others),
        cmocka_unit_test(test_tunnel_does_not_extend_to_private_addresses),
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
