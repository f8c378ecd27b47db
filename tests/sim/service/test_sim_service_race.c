/* SPDX-License-Identifier: MIT
 *
 * How long it takes until relays of one party, a tenth of all, stand at each
 * place of a service's circuits, when its clients ask for circuits all the
 * time: with the sets of a service, and with a last hop that is drawn freely,
 * as clients have it. WARREN_SIM_HOURS says for how long (docs/threat-model.md
 * has figures of days).
 */
#include "service_world.h"

#define RELAYING 40
#define SERVER   RELAYING
#define PARTY    (RELAYING / 10)
#define PARTIES  1000

static const uint8_t seed[32] = {29, 2};
static const struct service_options options = {.hops = 3};

static struct hearer *host, *client;

/* When each relay was first at a place (0: first hop). */
struct places {
    uint64_t first[3][RELAYING];
    unsigned circuits;
};

static struct places of_service, of_client;

static void look_at(struct places *p, const struct sim_tunnel *n,
                    uint64_t since)
{
    struct circuits *cs = circuits_of_node(n);
    uint64_t now = sim_now(n->sim) - since;

    for (unsigned i = 0; i < circuits_count(cs); i++) {
        const struct circuit *c = circuits_at(cs, i);

        if (c->use != CIRCUIT_FOR_SERVICE || c->length < 3)
            continue;
        p->circuits++;
        for (unsigned k = 0; k < 3; k++) {
            unsigned relay = member_of(c->hop[k].target.identity);

            if (p->first[k][relay] > now)
                p->first[k][relay] = now;
        }
    }
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static double hours(uint64_t t)
{
    return t == TIME_NEVER ? -1 : (double)t / (double)TIME_HOUR;
}

/* Of many parties drawn by chance: the time until one of it is there. Returns
 * how many of them got there. */
static unsigned race(struct world *w, const struct places *p, unsigned place,
                     const char *what)
{
    static uint64_t times[PARTIES];
    unsigned there = 0, at_once = 0;

    for (unsigned i = 0; i < PARTIES; i++) {
        times[i] = TIME_NEVER;
        for (unsigned k = 0; k < PARTY; k++) {
            uint64_t t =
                p->first[place][sim_rng_below(sim_rng(w->sim), RELAYING)];

            times[i] = t < times[i] ? t : times[i];
        }
        there += times[i] != TIME_NEVER;
        at_once += times[i] < 10 * TIME_MIN;
    }
    qsort(times, PARTIES, sizeof(times[0]), compare);
    print_message("  %s, hop %u: of 100 parties %u within ten minutes, %u in "
                  "all; median after %.1f h\n",
                  what, place + 1, at_once / (PARTIES / 100),
                  there / (PARTIES / 100), hours(times[PARTIES / 2]));
    return at_once;
}

static bool is_for_good(const struct vanguard_set *set)
{
    for (unsigned i = 0; i < set->count; i++)
        if (set->list[i].provisional)
            return false;
    return set->count > 0;
}

static bool has_drawn(void)
{
    return is_for_good(services_layer2(services_of(host))) &&
           is_for_good(&service_of(host)->third);
}

/* Has itself met anew, as somebody would who wants to see hops. */
static void meet_again(struct world *w)
{
    if (client->peers > client->gone)
        service_peer_close(services_of(client), client->peer[client->peers - 1],
                           sim_now(w->sim));
    client->peers = client->gone = 0;
    host->peers = host->gone = 0;
    sim_wake(w->sim, client->n->node);
    sim_run_for(w->sim, 5 * TIME_S);
    try_to_say(client, "again");
}

static void test_sim_service_race(void **state)
{
    const char *text = getenv("WARREN_SIM_HOURS");
    uint64_t time = (text != NULL ? strtoull(text, NULL, 10) : 1) * TIME_HOUR;
    struct world *w = &world;
    uint64_t since;

    (void)state;
    world_global(w);
    world_of(w, RELAYING, 2);
    host = listen_to(w, w->net.members[SERVER]);
    client = listen_to(w, w->net.members[SERVER + 1]);
    host->answers = true;
    serve(host, seed, &options, NULL);
    reach(client, status_of(host).key, 3);
    say(client, "hello");
    assert_true(run_until(w, has_drawn, 30 * TIME_MIN));
    sim_run_for(w->sim, 12 * TIME_MIN); /* circuits over the first ones end */
    memset(&of_service, 0xff, sizeof(of_service));
    memset(&of_client, 0xff, sizeof(of_client));
    since = sim_now(w->sim);
    while (sim_now(w->sim) - since < time) {
        meet_again(w);
        for (unsigned i = 0; i < 15; i++) {
            sim_run_for(w->sim, TIME_S);
            look_at(&of_service, host->n, since);
            look_at(&of_client, client->n, since);
        }
    }
    race(w, &of_service, 0, "a service");
    race(w, &of_service, 1, "a service");
    /* Few of the parties are at the third place: 1 - 0.9^8 = 57 %. */
    assert_at_most(race(w, &of_service, 2, "a service"), PARTIES * 70 / 100);
    /* A hop that is drawn freely is theirs at once. */
    assert_at_least(race(w, &of_client, 2, "drawn freely"), PARTIES * 80 / 100);
    world_end(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sim_service_race),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, world_cleanup);
}
