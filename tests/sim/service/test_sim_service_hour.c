/* SPDX-License-Identifier: MIT
 *
 * An hour of peers that come and go, of points that are asked for nothing, of
 * gaps that fill, of relays that die: a client that is there all the time is
 * served, and afterwards there is as much memory as before.
 */
#include "puppet.h"

#include "memory_in_use.h"

#define RELAYING  24
#define SERVER    RELAYING
#define COMING    6
#define STRANGERS 2

static const uint8_t seed[32] = {36, 1};
static const struct service_options options = {.hops = 2};

static struct hearer *host, *stays, *comes[COMING];
static struct sim_rows rows;

static void leave(struct world *w, struct hearer *h)
{
    assert_int_equal(
        service_leave(services_of(h), h->service, false, sim_now(w->sim)), OK);
    sim_wake(w->sim, h->n->node);
}

/* Somebody comes, says much at once, some of it in pieces, and goes. */
static void come_and_go(struct world *w, struct hearer *h)
{
    static uint8_t much[9000];
    struct services *s = services_of(h);

    h->peers = 0;
    reach(h, status_of(host).key, 2);
    for (unsigned i = 0; i < 40; i++)
        service_send(s, h->service, 1, bytes_of(much, i % 2 ? 9000 : 100),
                     sim_now(w->sim));
    sim_wake(w->sim, h->n->node);
    sim_run_for(w->sim, 15 * TIME_S);
    leave(w, h);
}

/* A circuit to a point, and an invitation to where nobody is. */
static void ask_in_vain(struct world *w, unsigned i)
{
    struct sim_tunnel *n = sim_tunnel_of(
        w->sim, w->net.members[SERVER + 2 + COMING + i % STRANGERS]);
    struct address_of point;
    struct relay_target rendezvous;
    uint8_t noise1[MEETING_NOISE1_BYTES];
    struct puppet p;

    if (rows.point_count == 0)
        return;
    learn_point(host, seed, &rows.points[i % rows.point_count], &point);
    rendezvous_at(n, i % RELAYING, &rendezvous);
    puppet_at(w, &p, n, point.member);
    invite(&point, n, &rendezvous, noise1);
    if (i % 3 == 0)
        randombytes_buf(noise1, sizeof(noise1));
    introduce(&p, &point, noise1, NULL);
    sim_run_for(w->sim, TIME_S);
    puppet_end_it(&p);
}

/* Nobody talks, and what relays and nodes keep of services is over. */
static size_t at_rest(struct world *w)
{
    sim_run_for(w->sim, 3 * TIME_HOUR);
    return memory_in_use();
}

static void test_sim_service_hour_of_attacks(void **state)
{
    struct world *w = &world;
    size_t before, after;
    unsigned answered = 0;

    (void)state;
    world_global(w);
    world_of(w, RELAYING, 2 + COMING + STRANGERS);
    host = listen_to(w, w->net.members[SERVER]);
    stays = listen_to(w, w->net.members[SERVER + 1]);
    for (unsigned i = 0; i < COMING; i++)
        comes[i] = listen_to(w, w->net.members[SERVER + 2 + i]);
    host->n->rows = &rows;
    for (unsigned round = 0; round < 2; round++) {
        before = at_rest(w); /* the first round fills tables that stay */
        rows = (struct sim_rows){0};
        host->peers = stays->peers = stays->gone = 0;
        serve(host, seed, &options, NULL);
        wait_until_verified(w, host);
        reach(stays, status_of(host).key, 2);
        host->answers = true;
        assert_answered(w, stays, "who stays", TIME_MIN);
        for (unsigned i = 0; i < 100; i++) {
            host->peers = 0;
            host->answers = false;
            come_and_go(w, comes[i % COMING]);
            for (unsigned k = 0; k < 10; k++)
                ask_in_vain(w, 10 * i + k);
            host->answers = true;
            stays->data = 0;
            try_to_say(stays, "still here");
            sim_run_for(w->sim, 3 * TIME_S);
            answered += stays->data > 0;
        }
        assert_int_equal(stays->gone, 0);
        leave(w, stays);
        leave(w, host);
    }
    after = at_rest(w);
    print_message("  %u of 200 answered; %zu bytes, before %zu\n", answered,
                  after, before);
    assert_at_least(answered, 198);
    assert_true(after < before + before / 50);
    world_end(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sim_service_hour_of_attacks),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, world_cleanup);
}
