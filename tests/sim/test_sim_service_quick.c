/* SPDX-License-Identifier: MIT
 *
 * What connecting to a service takes where datagrams take next to nothing: all
 * that is left are waits that somebody has put there. And that what was found
 * first is left for what is newer.
 */
#include "sim_service_test.h"

#include "tunnel/record/blind.h"
#include "tunnel/record/period.h"
#include "tunnel/record/service_descriptor.h"
#include "tunnel/service/service_internal.h"
#include "tunnel/stem/finder_internal.h"

#include <sodium.h>

#define NETWORK "main"

static const uint8_t seed[32] = {1, 2, 3};

static struct hearer *host, *client;

static bool is_verified(void)
{
    struct service_status s = status_of(host);

    return s.published && s.verified && s.reachable && s.points == 3;
}

static bool has_answer(void)
{
    return client->data > 0;
}

static void begin(struct world *w)
{
    struct service_options options = {.hops = 3};

    world_global(w);
    w->config.latency = (struct sim_latency){.base = 100 * TIME_US};
    world_start(w);
    exitless(w, 24, 2);
    host = listen_to(w, w->net.members[24]);
    client = listen_to(w, w->net.members[25]);
    host->answers = true;
    serve(host, seed, &options, NULL);
    assert_true(run_until(w, is_verified, 3 * TIME_MIN));
    reach(client, status_of(host).key, 3);
}

/* Virtual ms from a datagram to its answer. */
static double ask(struct world *w)
{
    uint64_t at = sim_now(w->sim);

    client->data = 0;
    say(client, "hello");
    assert_true(run_until(w, has_answer, TIME_MIN));
    return (double)(client->data_at - at) / TIME_MS;
}

static void test_sim_service_waits_for_nothing(void **state)
{
    struct world *w = &world;
    double cold, warm;

    (void)state;
    begin(w);
    cold = ask(w);
    service_peer_close(services_of(client), client->peer[0], sim_now(w->sim));
    sim_wake(w->sim, client->n->node);
    sim_run_for(w->sim, TIME_S);
    assert_int_equal(client->gone, 1);
    warm = ask(w);
    print_message("  cold %.1f ms, warm %.1f ms\n", cold, warm);
    assert_true(cold < 25);
    assert_true(warm < 10);
    world_end(w);
}

/* ---- Something newer ---------------------------------------------------- */

/* The client's DHT: what it says of replica 0 comes from us, and the other
 * replica waits until it is asked for. */
static struct {
    struct dht_provider inner;
    struct dht_provider_handler told, held;
    uint8_t key[32];
    bool has_told, has_held;
} lies;

static enum error get_item(void *ctx, const uint8_t key[32], struct bytes salt,
                           const struct dht_provider_handler *handler,
                           uint64_t *request)
{
    bool first = salt.len == 0;

    (void)ctx;
    memcpy(lies.key, key, sizeof(lies.key));
    *(first ? &lies.told : &lies.held) = *handler;
    *(first ? &lies.has_told : &lies.has_held) = true;
    *request = first ? 1U << 30 : 1U << 31;
    return OK;
}

static void forget(void *ctx, uint64_t request)
{
    if (request < 1U << 30)
        lies.inner.cancel(ctx, request);
}

static void lie(void)
{
    struct dht_provider *p = &client->n->builtin.provider;

    memset(&lies, 0, sizeof(lies));
    lies.inner = *p;
    p->anonymous = true;
    p->get_item = get_item;
    p->cancel = forget;
    services_of(client)->finder->env.dht = p;
}

/* Signed by the service some time ago. */
static void tell_old(struct world *w, unsigned intros)
{
    struct service_descriptor d = {.period = period_of(SIM_WALL),
                                   .issued = SIM_WALL - 600,
                                   .lifetime = SERVICE_LIFETIME,
                                   .intro_count = (uint8_t)intros};
    struct service_name name = {.has_access = false};
    struct service_item item[SERVICE_REPLICAS];
    struct dht_provider_item told;
    uint8_t nonce[SERVICE_NONCE_BYTES] = {1}, factor[32];
    struct service_secret secret;
    struct blinded_key key;
    struct service_view view;

    for (unsigned i = 0; i < intros; i++) {
        struct relay_target *t = &d.intros[i].relay;

        memset(t->identity, (int)i + 1, sizeof(t->identity));
        memset(t->handshake_key, (int)i + 9, sizeof(t->handshake_key));
        t->endpoint_count = 1;
        t->endpoints[0] = (struct endpoint){
            .family = FAMILY_IPV4, .addr = {8, 8, 8, (uint8_t)i}, .port = 9};
    }
    blind_expand(seed, &secret);
    memcpy(name.key, secret.key, sizeof(name.key));
    blind_factor(NETWORK, &name, d.period, factor);
    blind_secret(&secret, factor, &key);
    assert_int_equal(service_view_init(NETWORK, &name, d.period, false, &view),
                     OK);
    assert_int_equal(service_descriptor_seal(&view, &key, &d, 1, nonce, item),
                     OK);
    told = (struct dht_provider_item){
        .salt = bytes_of("", 0), .seq = 1, .value = &item[0].value};
    memcpy(told.key, key.key, sizeof(told.key));
    memcpy(told.signature, item[0].signature, sizeof(told.signature));
    lies.told.item(lies.told.ctx, lies.told.cookie, &told);
    lies.told.done(lies.told.ctx, lies.told.cookie, OK);
    sim_wake(w->sim, client->n->node);
}

static void tell_new(struct world *w)
{
    uint64_t request;

    assert_int_equal(lies.inner.get_item(lies.inner.ctx, lies.key,
                                         bytes_of("\x01", 1), &lies.held,
                                         &request),
                     OK);
    sim_wake(w->sim, client->n->node);
}

/* One point more, and so a descriptor with a higher seq. */
static void publish_again(struct world *w)
{
    struct service_options options = {.hops = 3, .points = 4};

    assert_int_equal(service_reconfigure(services_of(host), host->service,
                                         &options, sim_now(w->sim)),
                     OK);
    sim_wake(w->sim, host->n->node);
    sim_run_for(w->sim, TIME_MIN);
}

/* Points that nobody is at, and half of the grace later the service's. */
static void test_sim_service_newer_replaces(void **state)
{
    struct world *w = &world;
    uint64_t at;

    (void)state;
    for (unsigned intros = 0; intros < 2; intros++) {
        begin(w);
        publish_again(w);
        lie();
        at = sim_now(w->sim);
        say(client, "hello");
        sim_run_for(w->sim, TIME_MS);
        assert_true(lies.has_told && lies.has_held);
        tell_old(w, intros);
        sim_run_for(w->sim, FINDER_GRACE / 2);
        assert_int_equal(client->problem, SERVICE_STARTING);
        tell_new(w);
        assert_true(run_until(w, has_answer, TIME_MIN));
        print_message("  %u old points: answered after %.1f ms\n", intros,
                      (double)(client->data_at - at) / TIME_MS);
        assert_true(client->data_at - at < FINDER_GRACE);
        assert_int_equal(client->problem, SERVICE_FINE);
        world_end(w);
    }
}

/* Nothing newer comes: it is believed, or its points are tried in vain. */
static void test_sim_service_old_alone(void **state)
{
    struct world *w = &world;

    (void)state;
    begin(w);
    lie();
    say(client, "hello");
    sim_run_for(w->sim, TIME_MS);
    tell_old(w, 0);
    sim_run_for(w->sim, FINDER_GRACE / 2);
    assert_int_equal(client->problem, SERVICE_STARTING);
    sim_run_for(w->sim, FINDER_GRACE);
    assert_int_equal(client->problem, SERVICE_WITHDRAWN);
    world_end(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sim_service_waits_for_nothing),
        cmocka_unit_test(test_sim_service_newer_replaces),
        cmocka_unit_test(test_sim_service_old_alone),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, world_cleanup);
}
