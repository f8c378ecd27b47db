/* SPDX-License-Identifier: MIT
 *
 * How long it takes until the members of a string have found each other when a
 * third of the introduction points is of one party, which knows the string: in
 * the simulator, at the latencies of the internet. ./dev bench runs it, too.
 *
 * A relay of the party takes whoever comes as a member, and brings him nobody.
 * Of a thousand members whom it makes up it names eight, and its friends as
 * the other points; whoever wants to be introduced to one is told that he
 * comes. As the last hop of a lookup it finds its friends alone.
 */
#include "../sim_service_test.h"

#include "tunnel/meeting/meeting_internal.h"
#include "tunnel/meeting/meeting_message.h"
#include "tunnel/record/entry.h"
#include "tunnel/record/period.h"

#include <sodium.h>

#define RELAYING 24
#define MEMBERS  20
#define FRIENDS  (RELAYING / 3)
#define FAKES    1000
#define STRING   "a string that is known"
#define MOST     80 /* percent of the others */

static struct hearer *members[MEMBERS];
static struct relay_target friends[FRIENDS];
static unsigned friend_count;
static uint64_t lies[MEETING_RELAY_TOLD + 1]; /* by what was said */

/* ---- The party ---------------------------------------------------------- */

void __real_meeting_say(struct meeting *m, struct meeting_circuit *c,
                        const struct meeting_message *answer, uint64_t now);
void __wrap_meeting_say(struct meeting *m, struct meeting_circuit *c,
                        const struct meeting_message *answer, uint64_t now);

static bool is_friend(const struct meeting *m)
{
    for (unsigned i = 0; i < friend_count; i++)
        if (memcmp(friends[i].identity, m->config.identity, 32) == 0)
            return true;
    return false;
}

static unsigned some(const struct meeting *m, unsigned count)
{
    return random_below(&m->env.random, count);
}

static void make_up(const struct meeting *m, uint8_t auth_id[AUTH_ID_BYTES],
                    uint8_t sealed[ENTRY_BYTES])
{
    uint32_t period = period_of(m->wall), number = some(m, FAKES);
    struct entry e = {.issued = (uint32_t)m->wall};
    struct entry_place place;
    uint8_t root[32], key[32], nonce[ENTRY_NONCE_BYTES];

    m->env.random.fill(m->env.random.ctx, nonce, sizeof(nonce));
    m->env.random.fill(m->env.random.ctx, auth_id, AUTH_ID_BYTES);
    crypto_generichash(e.member, sizeof(e.member), (const uint8_t *)&number,
                       sizeof(number), NULL, 0);
    assert_int_equal(topic_root(m->config.network, bytes_of_text(STRING), root),
                     OK);
    topic_entry_key(root, period, key);
    topic_of(root, period, place.topic);
    memcpy(place.auth_id, auth_id, sizeof(place.auth_id));
    memcpy(place.relay, m->config.identity, sizeof(place.relay));
    entry_seal(key, &place, &e, nonce, sealed);
}

static void name_fakes(struct meeting *m, struct meeting_circuit *c,
                       uint64_t now)
{
    uint8_t ids[MEETING_MEMBERS_MAX][AUTH_ID_BYTES];
    uint8_t entries[MEETING_MEMBERS_MAX][ENTRY_BYTES];
    struct meeting_message lie = {.type = MEETING_MEMBERS,
                                  .total = FAKES,
                                  .member_count = MEETING_MEMBERS_MAX,
                                  .target_count = MEETING_TARGETS_MAX};
    unsigned first = some(m, FRIENDS);

    for (unsigned i = 0; i < MEETING_MEMBERS_MAX; i++) {
        make_up(m, ids[i], entries[i]);
        lie.members[i] = (struct meeting_member){ids[i], entries[i]};
    }
    for (unsigned i = 0; i < MEETING_TARGETS_MAX; i++)
        lie.targets[i] = friends[(first + i) % FRIENDS];
    __real_meeting_say(m, c, &lie, now);
}

void __wrap_meeting_say(struct meeting *m, struct meeting_circuit *c,
                        const struct meeting_message *answer, uint64_t now)
{
    struct meeting_message said = *answer;

    if (!is_friend(m)) {
        __real_meeting_say(m, c, answer, now);
        return;
    }
    lies[answer->type]++;
    if (answer->type == MEETING_MEMBERS) {
        name_fakes(m, c, now);
        return;
    }
    if (answer->type == MEETING_INTRODUCED)
        return;
    if (answer->type == MEETING_INTRODUCE_ACK)
        said.status = MEETING_TAKEN;
    if (answer->type == MEETING_DHT_PEERS) {
        said.peer_count = FRIENDS;
        for (unsigned i = 0; i < FRIENDS; i++)
            said.peers[i] = friends[i].endpoints[0];
    }
    __real_meeting_say(m, c, &said, now);
}

/* As whoever knows it does. */
static const struct known_relay *known_at(const struct world *w,
                                          const struct endpoint *ep)
{
    for (uint32_t i = 0; i < RELAYING + MEMBERS; i++) {
        const struct directory *d =
            member_directory(sim_tunnel_of(w->sim, w->net.members[i])->member);

        for (unsigned k = 0; k < directory_count(d); k++)
            if (endpoint_equal(&directory_at(d, k)->d.addresses[0], ep))
                return directory_at(d, k);
    }
    fail_msg("a relay that nobody knows");
    return NULL;
}

/* Every third relay. */
static void gather(const struct world *w)
{
    for (uint32_t i = 0; i < RELAYING; i += 3) {
        struct relay_target f = {.endpoint_count = 1};
        const struct known_relay *relay;

        assert_true(sim_endpoint(w->sim, w->net.members[i], FAMILY_IPV4,
                                 &f.endpoints[0]));
        relay = known_at(w, &f.endpoints[0]);
        memcpy(f.identity, relay->d.identity, 32);
        memcpy(f.handshake_key, relay->d.handshake_key, 32);
        friends[friend_count++] = f;
    }
}

/* ---- The others --------------------------------------------------------- */

static void join_all(struct world *w)
{
    const struct service_options options = {.hops = 3};

    for (uint8_t i = 0; i < MEMBERS; i++) {
        uint8_t secret[32] = {i, 26};
        struct hearer *h = listen_to(w, w->net.members[(uint32_t)RELAYING + i]);

        assert_int_equal(service_join(services_of(h), bytes_of_text(STRING),
                                      secret, &options, NULL, sim_now(w->sim),
                                      &h->service),
                         OK);
        sim_wake(w->sim, h->n->node);
        members[i] = h;
    }
}

/* Percent of the others that each has found: the one who has least, and all. */
static unsigned found(unsigned *least)
{
    unsigned sum = 0;

    *least = 100;
    for (unsigned i = 0; i < MEMBERS; i++) {
        unsigned peers = status_of(members[i]).peers;
        unsigned percent = 100 * peers / (MEMBERS - 1);

        assert_at_most(peers, MEMBERS); /* one may be there twice, for long */
        sum += percent;
        *least = percent < *least ? percent : *least;
    }
    return sum / MEMBERS;
}

static bool most_of_all(void)
{
    unsigned least;

    return found(&least) >= MOST;
}

static bool most_of_each(void)
{
    unsigned least;

    found(&least);
    return least >= MOST;
}

static double seconds(const struct world *w, uint64_t since)
{
    return (double)(sim_now(w->sim) - since) / (double)TIME_S;
}

/* Points that members have, and how many of them are the party's. */
static unsigned points(unsigned *theirs)
{
    struct service_point_status list[SERVICE_POINTS_MAX];
    unsigned all = 0;

    *theirs = 0;
    for (unsigned i = 0; i < MEMBERS; i++) {
        unsigned n = service_points(services_of(members[i]),
                                    members[i]->service, list,
                                    SERVICE_POINTS_MAX);

        for (unsigned k = 0; k < n; k++)
            for (unsigned f = 0; f < FRIENDS; f++)
                *theirs += memcmp(list[k].relay.identity, friends[f].identity,
                                  32) == 0;
        all += n;
    }
    return all;
}

static void test_sim_service_members_among_hostile_points(void **state)
{
    struct world *w = &world;
    unsigned least, theirs, all;
    uint64_t at;

    (void)state;
    world_global(w);
    world_start(w);
    exitless(w, RELAYING, MEMBERS);
    gather(w);
    at = sim_now(w->sim);
    join_all(w);
    print_message("%u members of a string, %u of %u relays hostile:\n", MEMBERS,
                  FRIENDS, RELAYING);
    assert_true(run_until(w, most_of_all, TIME_MIN));
    print_message("  %u %% of all pairs after      %6.1f s  (aim: 60 s)\n",
                  MOST, seconds(w, at));
    assert_true(run_until(w, most_of_each, 3 * TIME_MIN));
    print_message("  each has %u %% of them after  %6.1f s\n", MOST,
                  seconds(w, at));
    all = points(&theirs);
    print_message("  points of the party          %6u of %u\n", theirs, all);
    /* It was in the way. */
    assert_in_range(theirs * 100 / all, 20, 50);
    assert_at_least(lies[MEETING_MEMBERS], MEMBERS);
    assert_at_least(lies[MEETING_DHT_PEERS], 1);
    assert_at_least(lies[MEETING_INTRODUCE_ACK], MEMBERS);
    /* Whoever was made up is nobody's peer. */
    for (unsigned i = 0; i < MEMBERS; i++)
        for (unsigned k = 0; k < members[i]->peers; k++) {
            bool is_one = false;

            for (unsigned j = 0; j < MEMBERS; j++)
                is_one |= memcmp(members[i]->key[k], status_of(members[j]).key,
                                 32) == 0;
            assert_true(is_one);
        }
    found(&least);
    world_end(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sim_service_members_among_hostile_points),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, world_cleanup);
}
