/* SPDX-License-Identifier: MIT
 *
 * Relays of one party that let circuits go on to each other only, so that
 * their clients take what is left ("route capture"), in the simulated network.
 */
#include "../sim_tunnel_test.h"

#include "tunnel/link/link_message.h"

#include <sodium.h>

#define LIARS  4      /* relays, all no guards */
#define FRIEND RELAYS /* their exit */
#define ROUNDS 60

/* ---- The party ---------------------------------------------------------- */

static struct endpoint party[LIARS + 1];
static uint32_t liars[LIARS];
static unsigned liar_count;
static bool is_liar[CLIENT];
static const bool is_friend[CLIENT] = {[FRIEND] = true};

static bool is_ours(const struct endpoint *ep)
{
    for (unsigned i = 0; i <= LIARS; i++)
        if (endpoint_equal(&party[i], ep))
            return true;
    return false;
}

/* Says that it extends, and does not. */
static bool keeps_inits(const struct sim_tunnel *n, const struct endpoint *to,
                        struct bytes datagram)
{
    (void)n;
    return datagram.len > 1 && datagram.p[1] == LINK_INIT && !is_ours(to);
}

/* Extends, and ends the circuit then. */
static void end_circuits(struct world *w, uint32_t liar)
{
    struct sim_tunnel *n = resident_of(w, liar);
    struct transits *relays = member_router(n->member)->transits;

    for (unsigned i = transits_count(relays); i-- > 0;) {
        struct transit *relay = transits_at(relays, i);

        if (relay->extended && !is_ours(&relay->next.link->peer.ep))
            transit_close(relays, relay, REASON_LINK_LOST, sim_now(w->sim));
    }
    sim_wake(w->sim, n->node);
}

static void look_at_first_hop(void *ctx, const struct circuit *c)
{
    if (c->state == CIRCUIT_READY)
        *(struct endpoint *)ctx = c->hop[0].target.ep;
}

/* The guard that one of the circuits begins at. */
static bool is_guard_in_use(const struct world *w, uint32_t member)
{
    struct endpoint ep, first = {0};

    member_circuits(client_of(w)->member, look_at_first_hop, &first);
    return sim_endpoint(w->sim, w->net.members[member], FAMILY_IPV4, &ep) &&
           endpoint_equal(&ep, &first);
}

/* The first LIARS relays that are no guards; or one guard in use, whose
 * friends they are. */
static void conspire(struct world *w, bool guard)
{
    unsigned n = 0;

    memset(is_liar, 0, sizeof(is_liar));
    liar_count = 0;
    for (uint32_t i = 0; i < CLIENT; i++) {
        bool fits = i < RELAYS && n < LIARS && !is_guard(w, i);

        if (fits)
            sim_endpoint(w->sim, w->net.members[i], FAMILY_IPV4, &party[n++]);
        if (guard ? is_guard_in_use(w, i) : fits) {
            is_liar[i] = true;
            liars[liar_count++] = i;
        }
    }
    assert_int_equal(n, LIARS);
    assert_int_equal(liar_count, guard ? 1 : LIARS);
    sim_endpoint(w->sim, w->net.members[FRIEND], FAMILY_IPV4, &party[LIARS]);
}

/* ---- The client --------------------------------------------------------- */

struct shares {
    struct tally liars, friends;
    unsigned first_hops, at_liars;
};

static void count_first(void *ctx, const struct circuit *c)
{
    struct shares *s = ctx;

    s->first_hops += c->state == CIRCUIT_READY;
    s->at_liars += c->state == CIRCUIT_READY &&
                   is_marked(&s->liars, &c->hop[0].target);
}

/* Who is in its circuits, which it renews all the time. */
static struct shares watch(struct world *w, bool ending)
{
    struct member *t = client_of(w)->member;
    struct shares s = {.liars = {.w = w, .marked = is_liar},
                       .friends = {.w = w, .marked = is_friend}};

    for (unsigned i = 0; i < ROUNDS; i++) {
        renew(w, TIME_S);
        for (unsigned k = 0; k < 20; k++) {
            for (unsigned n = 0; n < liar_count && ending; n++)
                end_circuits(w, liars[n]);
            sim_run_for(w->sim, TIME_S);
        }
        member_circuits(t, count_hops, &s.liars);
        member_circuits(t, count_hops, &s.friends);
        member_circuits(t, count_first, &s);
    }
    print_message("  %u circuits, %u begin at a liar, %u go on through one, %u "
                  "end at the friend\n",
                  s.liars.circuits, s.at_liars, s.liars.marked_middles,
                  s.friends.marked_exits);
    return s;
}

static void start(struct world *w)
{
    world_global(w);
    world_start(w);
    community(w, 0);
    sim_tunnel_build(w->sim, client_of(w)->node, HOPS);
    sim_run_for(w->sim, 5 * TIME_MIN); /* it keeps its guards from now on */
}

/* There are circuits all the time, and most do not end at the friend. */
static void check_others(const struct shares *s)
{
    assert_true(s->liars.circuits >= 2 * ROUNDS - 5);
    assert_true(s->friends.marked_exits * 2 <= s->friends.circuits);
}

static void check_middles(bool ending)
{
    struct world *w = &world;
    struct shares before, first, then;

    start(w);
    conspire(w, false);
    before = watch(w, false);
    for (unsigned i = 0; i < LIARS && !ending; i++)
        resident_of(w, liars[i])->keeps = keeps_inits;
    first = watch(w, ending);
    then = watch(w, ending);
    check_others(&first);
    check_others(&then);
    assert_true(then.liars.marked_middles * 2 <= before.liars.marked_middles);
    world_end(w);
}

static void test_sim_tunnel_capture_by_refusing_to_extend(void **state)
{
    (void)state;
    check_middles(false);
}

static void test_sim_tunnel_capture_by_ending_circuits(void **state)
{
    (void)state;
    check_middles(true);
}

/* A guard of the client that lets it reach its friends only. */
static void test_sim_tunnel_capture_by_a_guard(void **state)
{
    struct world *w = &world;
    struct shares before, first, then;

    (void)state;
    start(w);
    conspire(w, true);
    before = watch(w, false);
    resident_of(w, liars[0])->keeps = keeps_inits;
    first = watch(w, false);
    then = watch(w, false);
    check_others(&first);
    check_others(&then);
    assert_true(before.at_liars > ROUNDS / 2);
    assert_true(then.at_liars * 4 <= before.at_liars);
    world_end(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sim_tunnel_capture_by_refusing_to_extend),
        cmocka_unit_test(test_sim_tunnel_capture_by_ending_circuits),
        cmocka_unit_test(test_sim_tunnel_capture_by_a_guard),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, world_cleanup);
}
