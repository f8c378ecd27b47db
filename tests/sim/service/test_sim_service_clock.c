/* SPDX-License-Identifier: MIT
 *
 * Clocks that are wrong around midnight, when the keys change; and a DHT that
 * tells what was true before.
 */
#include "puppet.h"

#define RELAYING 20
#define SERVER   RELAYING
#define HOUR     3600

static const struct service_options options = {.hops = 2};

/* What the wall clocks of all are ahead of the simulator's. */
static int64_t shift;
static int64_t errors[6]; /* of the others, beyond that */

static int64_t wrong_clocks(uint32_t i, struct member_config *c)
{
    (void)c;
    return shift + (i < RELAYING ? 0 : errors[i - RELAYING]);
}

/* The clocks of relays show this so many seconds before the day ends, when the
 * service begins. */
static void at_midnight(int64_t before)
{
    const int64_t set_up = 300; /* until there is a network */
    int64_t wall = (int64_t)SIM_WALL + set_up;

    shift = PERIOD_SECONDS - wall % PERIOD_SECONDS - before;
}

static void begin(struct world *w)
{
    world_global(w);
    exitless_shape = wrong_clocks;
    world_of(w, RELAYING, 6);
}

static void end(struct world *w)
{
    exitless_shape = NULL;
    shift = 0;
    memset(errors, 0, sizeof(errors));
    world_end(w);
}

/* Three services and a client of each, whose clocks are apart by two hours, or
 * right, before and after midnight. */
static void test_sim_service_clocks_around_midnight(void **state)
{
    static const int64_t apart[6] = {-HOUR, HOUR, 0, HOUR, -HOUR, 0};
    struct world *w = &world;
    struct hearer *hosts[3], *clients[3];
    uint64_t t, longest = 0;

    (void)state;
    for (int64_t minutes = -200; minutes <= 200; minutes += 25) {
        at_midnight(minutes * 60);
        memcpy(errors, apart, sizeof(errors));
        begin(w);
        for (unsigned i = 0; i < 3; i++) {
            uint8_t seed[32] = {18, (uint8_t)i};

            hosts[i] = listen_to(w, w->net.members[SERVER + i]);
            hosts[i]->answers = true;
            serve(hosts[i], seed, &options, NULL);
        }
        for (unsigned i = 0; i < 3; i++)
            wait_until_verified(w, hosts[i]);
        for (unsigned i = 0; i < 3; i++) {
            clients[i] = listen_to(w, w->net.members[SERVER + 3 + i]);
            reach(clients[i], status_of(hosts[i]).key, 2);
            t = time_to_answer(w, clients[i], "hello", TIME_MIN);
            if (t == TIME_NEVER) {
                print_hearer(clients[i]);
                fail_msg("%d minutes before midnight, clocks %d and %d",
                         (int)minutes, (int)errors[i], (int)errors[3 + i]);
            }
            longest = t > longest ? t : longest;
        }
        end(w);
    }
    print_message("  connected after %.1f s at most\n", (double)longest / 1e9);
}

/* A service through midnight: newcomers each quarter of an hour, with clocks
 * that are wrong; and a channel that goes on. */
static void test_sim_service_through_midnight(void **state)
{
    static const uint8_t seed[32] = {18, 9};
    struct world *w = &world;
    struct hearer *host, *stays, *comes[2];

    (void)state;
    at_midnight(70 * 60);
    errors[2] = HOUR;
    errors[3] = -HOUR;
    begin(w);
    host = listen_to(w, w->net.members[SERVER]);
    stays = listen_to(w, w->net.members[SERVER + 1]);
    comes[0] = listen_to(w, w->net.members[SERVER + 2]);
    comes[1] = listen_to(w, w->net.members[SERVER + 3]);
    host->answers = true;
    serve(host, seed, &options, NULL);
    wait_until_verified(w, host);
    reach(stays, status_of(host).key, 2);
    assert_answered(w, stays, "stays", TIME_MIN);
    for (unsigned i = 0; i < 9; i++) {
        for (unsigned k = 0; k < 2; k++) {
            reach(comes[k], status_of(host).key, 2);
            if (time_to_answer(w, comes[k], "comes", TIME_MIN) == TIME_NEVER) {
                print_hearer(comes[k]);
                fail_msg("in quarter %u, with clock %u", i, k);
            }
            assert_int_equal(service_leave(services_of(comes[k]),
                                           comes[k]->service, false,
                                           sim_now(w->sim)),
                             OK);
            sim_wake(w->sim, comes[k]->n->node);
        }
        sim_run_for(w->sim, 15 * TIME_MIN);
        assert_answered(w, stays, "stays", 5 * TIME_S);
    }
    assert_int_equal(stays->peers, 1);
    assert_int_equal(stays->gone, 0);
    end(w);
}

/* So wrong that nothing can be done: then it says why. */
static void test_sim_service_clocks_far_off(void **state)
{
    static const uint8_t seed[32] = {18, 10};
    static const int64_t far[4] = {-30 * HOUR, -6 * HOUR, 6 * HOUR, 30 * HOUR};
    struct world *w = &world;
    struct hearer *host, *honest;

    (void)state;
    at_midnight(12 * HOUR);
    memcpy(errors + 2, far, sizeof(far));
    begin(w);
    host = listen_to(w, w->net.members[SERVER]);
    host->answers = true;
    serve(host, seed, &options, NULL);
    wait_until_verified(w, host);
    for (unsigned i = 0; i < 4; i++) {
        struct hearer *h = listen_to(w, w->net.members[SERVER + 2 + i]);

        reach(h, status_of(host).key, 2);
        assert_true(time_to_answer(w, h, "hello", TIME_MIN) == TIME_NEVER);
        print_message("  %d hours off: %s\n", (int)(far[i] / HOUR),
                      service_problem_name(status_of(h).problem));
        assert_int_not_equal(status_of(h).problem, SERVICE_FINE);
    }
    honest = listen_to(w, w->net.members[SERVER + 1]);
    reach(honest, status_of(host).key, 2);
    assert_answered(w, honest, "an honest client", TIME_MIN);
    end(w);
}

/* ---- Old items ---------------------------------------------------------- */

/* What liars once got, and answer ever since. */

static struct {
    uint8_t key[32], signature[64];
    int64_t seq;
    struct value value;
} kept[2]; /* by replica */
static bool lies[RELAYING + 6];
static uint64_t lies_told;
static enum error (*honest_get)(void *ctx, const uint8_t key[32],
                                struct bytes salt,
                                const struct dht_provider_handler *handler,
                                uint64_t *request);

/* The kept one, if it is that, and nothing else. */
static enum error lying_get(void *ctx, const uint8_t key[32], struct bytes salt,
                            const struct dht_provider_handler *handler,
                            uint64_t *request)
{
    unsigned r = salt.len > 0;
    struct dht_provider_item item = {
        .salt = salt, .seq = kept[r].seq, .value = &kept[r].value};

    if (memcmp(kept[r].key, key, 32) != 0)
        return honest_get(ctx, key, salt, handler, request);
    lies_told++;
    memcpy(item.key, kept[r].key, 32);
    memcpy(item.signature, kept[r].signature, 64);
    handler->item(handler->ctx, handler->cookie, &item);
    handler->done(handler->ctx, handler->cookie, OK);
    *request = UINT64_MAX;
    return OK;
}

static void keep(void *ctx, uint64_t cookie,
                 const struct dht_provider_item *item)
{
    unsigned r = item->salt.len > 0;

    (void)ctx, (void)cookie;
    memcpy(kept[r].key, item->key, 32);
    memcpy(kept[r].signature, item->signature, 64);
    kept[r].seq = item->seq;
    kept[r].value = *item->value;
}

static void kept_done(void *ctx, uint64_t cookie, enum error e)
{
    (void)ctx, (void)cookie, (void)e;
}

/* The service has other points since; two of three relays tell of the old
 * ones. */
static void test_sim_service_old_descriptors(void **state)
{
    static const uint8_t seed[32] = {17, 1};
    const struct dht_provider_handler handler = {.item = keep,
                                                 .done = kept_done};
    struct world *w = &world;
    struct hearer *host, *client;
    struct service_view view;
    struct service_name name = {0};
    struct sim_tunnel *n;
    unsigned points[8], count, old[8], old_count;
    uint64_t request;

    (void)state;
    shift = 0;
    begin(w);
    host = listen_to(w, w->net.members[SERVER]);
    host->answers = true;
    serve(host, seed, &options, NULL);
    wait_until_verified(w, host);
    memcpy(name.key, status_of(host).key, 32);
    assert_int_equal(
        service_view_init(services_of(host)->config.network, &name,
                          period_of(SIM_WALL + sim_now(w->sim) / TIME_S), false,
                          &view),
        OK);
    n = sim_tunnel_of(w->sim, w->net.members[0]);
    for (unsigned r = 0; r < 2; r++)
        assert_int_equal(n->builtin.provider.get_item(
                             n->builtin.provider.ctx, view.key,
                             service_replica_salt(r), &handler, &request),
                         OK);
    sim_wake(w->sim, n->node);
    sim_run_for(w->sim, 10 * TIME_S);
    assert_true(kept[0].seq > 0 && kept[1].seq == kept[0].seq);

    old_count = points_of(host, old, 8);
    service_leave(services_of(host), host->service, false, sim_now(w->sim));
    sim_wake(w->sim, host->n->node);
    serve(host, seed, &options, NULL); /* without its points, and its seqs */
    sim_run_for(w->sim, TIME_MIN);
    wait_until_verified(w, host);
    count = points_of(host, points, 8);
    print_message("  %u points, before %u; seq %d is kept\n", count, old_count,
                  (int)kept[0].seq);
    for (unsigned i = 0; i < RELAYING; i++) {
        lies[i] = i % 2 == 0;
        n = sim_tunnel_of(w->sim, w->net.members[i]);
        honest_get = n->builtin.provider.get_item;
        if (lies[i])
            n->builtin.provider.get_item = lying_get;
    }
    for (unsigned i = 0; i < 4; i++) {
        client = listen_to(w, w->net.members[SERVER + 1 + i]);
        reach(client, name.key, 2);
        assert_answered(w, client, "a client", TIME_MIN);
    }
    print_message("  %u lies\n", (unsigned)lies_told);
    assert_at_least(lies_told, 1);
    end(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sim_service_clocks_around_midnight),
        cmocka_unit_test(test_sim_service_through_midnight),
        cmocka_unit_test(test_sim_service_clocks_far_off),
        cmocka_unit_test(test_sim_service_old_descriptors),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, world_cleanup);
}
