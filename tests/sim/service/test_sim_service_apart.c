/* SPDX-License-Identifier: MIT
 *
 * What is kept apart: no hop sees two keys of a service, and two services of
 * one node share no circuit, no third hops and no keys.
 */
#include "service_world.h"

#include "tunnel/record/period.h"

#define RELAYING 40
#define SERVER   RELAYING

static const struct service_options options = {.hops = 3};

/* ---- Keys and hops ------------------------------------------------------ */

#define KEYS 8

static uint8_t keys[KEYS][32];
static unsigned key_count;
static bool saw[RELAYING][KEYS];
static const void *providers[RELAYING];
static struct dht_provider honest; /* functions of the built-in one */

static void note_key(const void *ctx, const uint8_t key[32])
{
    unsigned k = 0, relay = 0;

    while (relay < RELAYING && providers[relay] != ctx)
        relay++;
    while (k < key_count && memcmp(keys[k], key, 32) != 0)
        k++;
    assert_in_range(relay, 0, RELAYING - 1);
    assert_in_range(k, 0, KEYS - 1);
    if (k == key_count)
        memcpy(keys[key_count++], key, 32);
    saw[relay][k] = true;
}

static enum error noted_get(void *ctx, const uint8_t key[32], struct bytes salt,
                            const struct dht_provider_handler *handler,
                            uint64_t *request)
{
    note_key(ctx, key);
    return honest.get_item(ctx, key, salt, handler, request);
}

static enum error noted_put(void *ctx, const struct dht_provider_item *item,
                            const struct dht_provider_handler *handler,
                            uint64_t *request)
{
    note_key(ctx, item->key);
    return honest.put_once(ctx, item, handler, request);
}

static void watch_relays(const struct world *w)
{
    key_count = 0;
    memset(saw, 0, sizeof(saw));
    for (unsigned i = 0; i < RELAYING; i++) {
        struct dht_provider *p =
            &sim_tunnel_of(w->sim, w->net.members[i])->builtin.provider;

        honest = *p;
        providers[i] = p->ctx;
        p->get_item = noted_get;
        p->put_once = noted_put;
    }
}

static int64_t shift;

static int64_t other_time(uint32_t i, struct member_config *c)
{
    (void)i, (void)c;
    return shift;
}

/* From 100 minutes before midnight on, two keys are in use. */
static void test_sim_service_hops_see_one_key(void **state)
{
    static const uint8_t seed[32] = {24, 1};
    struct world *w = &world;
    struct hearer *host;
    unsigned hops = 0;

    (void)state;
    world_global(w);
    shift = (int64_t)(PERIOD_SECONDS - (SIM_WALL + 300) % PERIOD_SECONDS) -
            100 * 60;
    exitless_shape = other_time;
    world_of(w, RELAYING, 1);
    watch_relays(w);
    host = listen_to(w, w->net.members[SERVER]);
    serve(host, seed, &options, NULL);
    wait_until_verified(w, host);
    sim_run_for(w->sim, 4 * TIME_HOUR);
    assert_int_equal(key_count, 2);
    for (unsigned i = 0; i < RELAYING; i++) {
        hops += saw[i][0] || saw[i][1];
        assert_false(saw[i][0] && saw[i][1]);
    }
    print_message("  %u keys, seen by %u hops\n", key_count, hops);
    assert_at_least(hops, 4);
    exitless_shape = NULL;
    world_end(w);
}

/* ---- Two services of one node ------------------------------------------- */

static bool is_of(const struct vanguard_set *set, const struct link_target *hop)
{
    for (unsigned i = 0; i < set->count; i++)
        if (memcmp(set->list[i].identity, hop->identity, 32) == 0)
            return true;
    return false;
}

static bool has_peer(const struct service *s, const struct circuit *c)
{
    for (unsigned i = 0; i < s->all->peer_count; i++)
        if (s->all->peers[i]->service == s &&
            channel_circuit(s->all->peers[i]->channel) == c)
            return true;
    return false;
}

static bool has_point(const struct service *s, const struct circuit *c)
{
    const struct point *p;

    for (unsigned i = 0; (p = points_at(host_points(s->host), i)) != NULL; i++)
        if (p->c == c || p->next == c)
            return true;
    return false;
}

/* Each circuit that is in use is of one of them, and goes over its hops. */
static unsigned check_circuits(const struct hearer *of, const struct service *a,
                               const struct service *b)
{
    struct circuits *cs = circuits_of_node(of->n);
    unsigned checked = 0;

    for (unsigned i = 0; i < circuits_count(cs); i++) {
        const struct circuit *c = circuits_at(cs, i);
        bool of_a = has_peer(a, c) || has_point(a, c);
        bool of_b = has_peer(b, c) || has_point(b, c);

        assert_false(of_a && of_b);
        if (!of_a && !of_b)
            continue;
        assert_true(is_of(of_a ? &a->third : &b->third, &c->hop[2].target));
        checked++;
    }
    return checked;
}

static void check_keys(const struct service *a, const struct service *b)
{
    const struct point *p, *q;

    for (unsigned i = 0; (p = points_at(host_points(a->host), i)) != NULL; i++)
        for (unsigned k = 0; (q = points_at(host_points(b->host), k)) != NULL;
             k++) {
            assert_memory_not_equal(p->keys.auth_id, q->keys.auth_id, 16);
            assert_memory_not_equal(p->keys.service_key, q->keys.service_key,
                                    32);
        }
}

static bool is_settled(const struct vanguard_set *set)
{
    for (unsigned i = 0; i < set->count; i++)
        if (set->list[i].provisional)
            return false;
    return set->count == VANGUARD_THIRD;
}

static struct hearer *one, *other;

static bool are_settled(void)
{
    return is_settled(&service_of(one)->third) &&
           is_settled(&service_of(other)->third);
}

static void test_sim_service_two_of_one_node(void **state)
{
    static const uint8_t seeds[2][32] = {{24, 2}, {24, 3}};
    struct world *w = &world;
    struct hearer *clients[2], both;
    unsigned checked = 0, same = 0;
    const struct service *a, *b;

    (void)state;
    world_global(w);
    world_of(w, RELAYING, 3);
    one = listen_to(w, w->net.members[SERVER]);
    one->answers = true;
    serve(one, seeds[0], &options, NULL);
    both = *one;
    other = &both;
    serve(other, seeds[1], &options, NULL);
    wait_until_verified(w, one);
    wait_until_verified(w, other);
    assert_true(run_until(w, are_settled, 20 * TIME_MIN));
    sim_run_for(w->sim, 12 * TIME_MIN); /* those over the first hops end */
    for (unsigned i = 0; i < 2; i++) {
        clients[i] = listen_to(w, w->net.members[SERVER + 1 + i]);
        reach(clients[i], status_of(i == 0 ? one : other).key, 3);
        assert_answered(w, clients[i], "a client", TIME_MIN);
    }
    a = service_of(one);
    b = service_of(other);
    for (unsigned i = 0; i < 60; i++) {
        checked += check_circuits(one, a, b);
        sim_run_for(w->sim, 15 * TIME_S);
    }
    check_keys(a, b);
    for (unsigned i = 0; i < a->third.count; i++)
        for (unsigned k = 0; k < b->third.count; k++)
            same += memcmp(a->third.list[i].identity, b->third.list[k].identity,
                           32) == 0;
    print_message("  %u circuits looked at; %u of 8 third hops in both\n",
                  checked, same);
    assert_at_least(checked, 60 * 6);
    assert_at_most(same, VANGUARD_THIRD - 3); /* drawn apart */
    world_end(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sim_service_hops_see_one_key),
        cmocka_unit_test(test_sim_service_two_of_one_node),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, world_cleanup);
}
