/* SPDX-License-Identifier: MIT
 *
 * What others see and do on the way: sizes, which tell nothing of a service;
 * strangers at a rendezvous point, and at an introduction point, who want the
 * places of others; and that all of it leaves no memory behind.
 */
#include "puppet.h"

#include "tunnel/link/cell.h"
#include "wire/msgpack/plane.h"

#define RELAYING  24
#define SERVER    RELAYING
#define STRANGERS 2

static const uint8_t seed[32] = {35, 2};
static const uint8_t secrets[2][32] = {{1}, {2}};

static struct hearer *host, *client;

/* ---- Cookies that are stolen -------------------------------------------- */

enum reason
__real_meeting_message(struct meeting *m, struct meeting_circuit **state,
                       struct transit *relay, bool busy, struct bytes text,
                       const uint8_t transcript[MEETING_TRANSCRIPT_BYTES],
                       uint64_t wall, uint64_t now);
enum reason
__wrap_meeting_message(struct meeting *m, struct meeting_circuit **state,
                       struct transit *relay, bool busy, struct bytes text,
                       const uint8_t transcript[MEETING_TRANSCRIPT_BYTES],
                       uint64_t wall, uint64_t now);

static struct {
    const struct meeting *at;
    uint8_t cookie[MEETING_COOKIE_BYTES];
    unsigned count;
} stolen;

/* As a relay that looks at what it is told. */
enum reason
__wrap_meeting_message(struct meeting *m, struct meeting_circuit **state,
                       struct transit *relay, bool busy, struct bytes text,
                       const uint8_t transcript[MEETING_TRANSCRIPT_BYTES],
                       uint64_t wall, uint64_t now)
{
    struct meeting_message msg;

    if (meeting_message_read(text, &msg) == OK &&
        msg.type == MEETING_RENDEZVOUS) {
        stolen.at = m;
        stolen.count++;
        memcpy(stolen.cookie, msg.cookie, sizeof(stolen.cookie));
    }
    return __real_meeting_message(m, state, relay, busy, text, transcript, wall,
                                  now);
}

static unsigned thief_at(const struct world *w)
{
    for (unsigned i = 0; i < RELAYING; i++)
        if (member_meeting(sim_tunnel_of(w->sim, w->net.members[i])->member) ==
            stolen.at)
            return i;
    fail_msg("no such relay");
    return 0;
}

static struct sim_tunnel *stranger(const struct world *w, unsigned i)
{
    return sim_tunnel_of(w->sim, w->net.members[SERVER + 2 + i]);
}

static struct sim_rows rows;

static void begin(struct world *w, const struct service_options *options)
{
    world_global(w);
    rows = (struct sim_rows){0};
    world_of(w, RELAYING, 2 + STRANGERS);
    host = listen_to(w, w->net.members[SERVER]);
    client = listen_to(w, w->net.members[SERVER + 1]);
    host->answers = true;
    host->n->rows = &rows;
    serve(host, seed, options, NULL);
    wait_until_verified(w, host);
}

static const struct service_options usual = {.hops = 2};

/* ---- Sizes -------------------------------------------------------------- */

static struct {
    uint32_t node; /* whose */
    bool sizes[SIM_DATAGRAM_MAX + 1];
    unsigned cells;
} wire;

static void see(void *ctx, enum sim_fate fate, uint32_t from_node,
                uint32_t to_node, const struct endpoint *from,
                const struct endpoint *to, struct bytes datagram, uint64_t now)
{
    (void)ctx, (void)to_node, (void)from, (void)to, (void)now;
    if (fate != SIM_SENT || from_node != wire.node || datagram.len == 0 ||
        plane_of(datagram) != PLANE_TUNNEL)
        return;
    wire.sizes[datagram.len] = true;
    wire.cells++;
}

static size_t values[2]; /* least and most, of items that were put */
static enum error (*honest_put)(void *ctx, const struct dht_provider_item *item,
                                const struct dht_provider_handler *handler,
                                uint64_t *request);

static enum error sized_put(void *ctx, const struct dht_provider_item *item,
                            const struct dht_provider_handler *handler,
                            uint64_t *request)
{
    size_t len = item->value->len;

    values[0] = values[0] == 0 || len < values[0] ? len : values[0];
    values[1] = len > values[1] ? len : values[1];
    return honest_put(ctx, item, handler, request);
}

static void test_sim_service_sizes(void **state)
{
    const struct {
        const char *what;
        struct service_options options;
        bool string;
    } kinds[] = {
        {"1 point", {.hops = 2, .points = 1}, false},
        {"6 points", {.hops = 2, .points = 6}, false},
        {"for some", {.hops = 2, .access = secrets, .access_count = 2}, false},
        {"a string", {.hops = 2}, true},
    };
    const struct sim_tap tap = {.see = see};
    static bool first[SIM_DATAGRAM_MAX + 1];
    struct world *w = &world;

    (void)state;
    memset(values, 0, sizeof(values));
    for (unsigned i = 0; i < 4; i++) {
        memset(&wire, 0, sizeof(wire));
        world_global(w);
        world_of(w, RELAYING, 2);
        host = listen_to(w, w->net.members[SERVER]);
        client = listen_to(w, w->net.members[SERVER + 1]);
        for (unsigned k = 0; k < RELAYING; k++) {
            struct dht_provider *p =
                &sim_tunnel_of(w->sim, w->net.members[k])->builtin.provider;

            honest_put = p->put_once;
            p->put_once = sized_put;
        }
        wire.node = host->n->node;
        sim_set_tap(w->sim, &tap);
        if (kinds[i].string) {
            const uint8_t member[2][32] = {{1}, {2}};
            struct hearer *both[2] = {host, client};

            for (unsigned k = 0; k < 2; k++) {
                assert_int_equal(service_join(services_of(both[k]),
                                              bytes_of_text("a string"),
                                              member[k], &kinds[i].options,
                                              NULL, sim_now(w->sim),
                                              &both[k]->service),
                                 OK);
                sim_wake(w->sim, both[k]->n->node);
            }
            sim_run_for(w->sim, 3 * TIME_MIN);
            assert_int_equal(host->peers, 1);
        } else {
            serve(host, seed, &kinds[i].options, NULL);
            wait_until_verified(w, host);
            assert_int_equal(
                service_reach(services_of(client), status_of(host).key,
                              kinds[i].options.access_count > 0 ? secrets[0]
                                                                : NULL,
                              2, sim_now(w->sim), &client->service),
                OK);
            host->answers = true;
            assert_answered(w, client, kinds[i].what, TIME_MIN);
        }
        print_message("  %s: %u datagrams of", kinds[i].what, wire.cells);
        for (unsigned k = 0; k <= SIM_DATAGRAM_MAX; k++)
            if (wire.sizes[k])
                print_message(" %u", k);
        print_message("\n");
        if (i == 0)
            memcpy(first, wire.sizes, sizeof(first));
        assert_memory_equal(first, wire.sizes, sizeof(first));
        sim_set_tap(w->sim, NULL);
        world_end(w);
    }
    print_message("  values of %u bytes\n", (unsigned)values[0]);
    assert_int_equal(values[0], values[1]);
}

/* ---- Rendezvous --------------------------------------------------------- */

static void say_join(struct puppet *p, const uint8_t *cookie)
{
    uint8_t noise2[MEETING_NOISE2_BYTES];
    struct meeting_message m = {.type = MEETING_JOIN,
                                .cookie = cookie,
                                .noise = bytes_of(noise2, sizeof(noise2))};

    randombytes_buf(noise2, sizeof(noise2));
    puppet_say(p, &m);
}

/* The relay comes to the client itself, with keys that are not the service's:
 * the client sees that, and goes elsewhere. */
static void test_sim_service_somebody_else_comes(void **state)
{
    struct world *w = &world;
    struct puppet thief;
    unsigned thefts = 0;
    uint64_t at;

    (void)state;
    begin(w, &usual);
    reach(client, status_of(host).key, 2);
    at = sim_now(w->sim);
    memset(&stolen, 0, sizeof(stolen));
    try_to_say(client, "hello");
    while (client->data == 0 && sim_now(w->sim) - at < 2 * TIME_MIN) {
        sim_run_for(w->sim, 10 * TIME_MS);
        if (sim_now(w->sim) - at > (thefts + 1) * 5 * TIME_S)
            try_to_say(client, "hello");
        if (stolen.count == 0 || thefts == 2)
            continue;
        puppet_at(w, &thief, stranger(w, 0), thief_at(w));
        say_join(&thief, stolen.cookie);
        sim_run_for(w->sim, 300 * TIME_MS);
        print_message("  stolen: joined %u, refused %u\n", thief.joined,
                      thief.refusals);
        thefts += thief.joined;
        stolen.count = 0;
    }
    assert_int_equal(thefts, 2);
    print_message("  answered after %.1f s\n",
                  (double)(client->data_at - at) / 1e9);
    assert_int_equal(client->peers, 1);
    assert_int_equal(host->peers, 1);
    assert_at_least(client->data, 1);
    assert_at_most((client->data_at - at) / TIME_MS, 20000);
    world_end(w);
}

/* Cookies that are guessed, used already, or somebody's: the channel that is
 * there goes on, and nobody is joined with it. */
static void test_sim_service_strangers_at_the_rendezvous(void **state)
{
    struct world *w = &world;
    uint8_t used[MEETING_COOKIE_BYTES], guess[MEETING_COOKIE_BYTES];
    struct puppet p;
    unsigned at, refused = 0;

    (void)state;
    begin(w, &usual);
    reach(client, status_of(host).key, 2);
    memset(&stolen, 0, sizeof(stolen));
    assert_answered(w, client, "the client", TIME_MIN);
    at = last_hop_of(circuit_to_peer(client));
    memcpy(used, stolen.cookie, sizeof(used));
    traffic_begin(client, host, 50 * TIME_MS);
    for (unsigned i = 0; i < 60; i++) {
        struct meeting_message m = {.type = MEETING_RENDEZVOUS, .cookie = used};

        randombytes_buf(guess, sizeof(guess));
        puppet_at(w, &p, stranger(w, i % STRANGERS), at);
        if (i % 3 == 0)
            puppet_say(&p, &m);
        else
            say_join(&p, i % 3 == 1 ? used : guess);
        if (i % 3 == 0)
            say_join(&p, used);
        sim_run_for(w->sim, TIME_S);
        refused += p.refusals > 0 || p.c == NULL;
        assert_int_equal(p.ends, 0);
        assert_int_equal(p.joined, 0);
        puppet_end_it(&p);
    }
    assert_int_equal(refused, 60);
    assert_int_equal(traffic_end(w), 0);
    assert_int_equal(client->gone + host->gone, 0);
    world_end(w);
}

/* ---- Introduction points ------------------------------------------------ */

#define PLACES 16

static int64_t few_places(uint32_t i, struct member_config *c)
{
    (void)i;
    c->meeting.max_introductions = PLACES;
    return 0;
}

static void establish(struct puppet *p)
{
    uint8_t key[crypto_sign_PUBLICKEYBYTES], secret[crypto_sign_SECRETKEYBYTES];
    uint8_t signature[crypto_sign_BYTES], text[MEETING_SIGNED_MAX];
    struct meeting_message m = {.type = MEETING_INTRO_ESTABLISH,
                                .auth_key = key,
                                .signature = signature};
    size_t len;

    crypto_sign_keypair(key, secret);
    len =
        meeting_signed_bytes(&m, p->c->hop[p->c->length - 1].transcript, text);
    crypto_sign_detached(signature, NULL, text, len, secret);
    puppet_say(p, &m);
}

/* One stranger wants all places of the relays where a service has its points:
 * the service keeps them. */
static void test_sim_service_places_of_points(void **state)
{
    struct world *w = &world;
    static struct puppet many[3][2 * PLACES];
    unsigned points[3] = {0}, stay[3];

    (void)state;
    exitless_shape = few_places;
    begin(w, &usual);
    assert_int_equal(points_of(host, points, 3), 3);
    for (unsigned i = 0; i < 2 * PLACES; i++)
        for (unsigned k = 0; k < 3; k++) {
            puppet_at(w, &many[k][i], stranger(w, 0), points[k]);
            establish(&many[k][i]);
        }
    sim_run_for(w->sim, 5 * TIME_S);
    for (unsigned k = 0; k < 3; k++) {
        struct meeting_stats m;

        meeting_stats(
            member_meeting(
                sim_tunnel_of(w->sim, w->net.members[points[k]])->member),
            &m);
        print_message("  point %u: %u places, %u established, %u made way\n", k,
                      m.introductions, (unsigned)m.established,
                      (unsigned)m.made_way);
        assert_at_most(m.introductions, PLACES);
    }
    assert_int_equal(points_of(host, stay, 3), 3);
    assert_memory_equal(points, stay, sizeof(points));
    reach(client, status_of(host).key, 2);
    assert_answered(w, client, "the client", TIME_MIN);
    exitless_shape = NULL;
    world_end(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sim_service_sizes),
        cmocka_unit_test(test_sim_service_somebody_else_comes),
        cmocka_unit_test(test_sim_service_strangers_at_the_rendezvous),
        cmocka_unit_test(test_sim_service_places_of_points),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, world_cleanup);
}
