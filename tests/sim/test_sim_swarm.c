/* SPDX-License-Identifier: MIT
 *
 * Members of a string in a network without an exit: they find each other, each
 * peer is told of once, and who leaves is gone.
 */
#include "sim_service_test.h"

#include <sodium.h>

#define RELAYING 24
#define MEMBERS  20

static struct hearer *members[MEMBERS];

static void join(struct hearer *h, const char *string, uint8_t number,
                 const struct service_options *options)
{
    uint8_t secret[32] = {number, 7};

    assert_int_equal(service_join(services_of(h), bytes_of_text(string), secret,
                                  options, NULL, sim_now(h->n->sim),
                                  &h->service),
                     OK);
    sim_wake(h->n->sim, h->n->node);
}

/* How many others each has as peers, least and in all. */
static unsigned found(unsigned count, unsigned *least)
{
    unsigned sum = 0;

    *least = UINT32_MAX;
    for (unsigned i = 0; i < count; i++) {
        unsigned peers = status_of(members[i]).peers;

        sum += peers;
        *least = peers < *least ? peers : *least;
    }
    return sum;
}

static void print_all(const struct world *w, uint64_t since, unsigned count)
{
    unsigned least, sum = found(count, &least), points = 0, seen = 0, others = 0;
    double size = 0;

    for (unsigned i = 0; i < count; i++) {
        struct service_status s = status_of(members[i]);

        points += s.points;
        seen += s.members;
        others += s.others;
        size += s.size;
    }
    print_message("  %5.1f s: peers %.1f (least %u), seen %.1f of %u, points "
                  "%.1f, of others %.1f, size %.1f\n",
                  (double)(sim_now(w->sim) - since) / 1e9, (double)sum / count,
                  least, (double)seen / count, count - 1,
                  (double)points / count, (double)others / count, size / count);
}

static void test_sim_swarm_finds_members(void **state)
{
    const struct service_options options = {.hops = 3};
    struct world *w = &world;
    uint64_t at;
    unsigned least;

    (void)state;
    world_global(w);
    world_start(w);
    exitless(w, RELAYING, MEMBERS);
    at = sim_now(w->sim);
    for (unsigned i = 0; i < MEMBERS; i++) {
        members[i] = listen_to(w, w->net.members[RELAYING + i]);
        join(members[i], "a string", (uint8_t)i, &options);
    }
    for (unsigned i = 0; i < 40; i++) {
        sim_run_for(w->sim, 3 * TIME_S);
        print_all(w, at, MEMBERS);
    }
    found(MEMBERS, &least);
    assert_in_range(least, 16, MEMBERS);
    world_end(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sim_swarm_finds_members),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, world_cleanup);
}
