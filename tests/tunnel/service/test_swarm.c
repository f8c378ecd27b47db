/* SPDX-License-Identifier: MIT
 *
 * One string, with all around it scripted: points, inquiries, attempts and
 * channels are what this test says.
 */
#include "tunnel/service/swarm.h"

#include "fail_alloc.h"
#include "testing.h"
#include "tunnel/service/gate.h"
#include "tunnel/swarm/inquiry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <sodium.h>
#include <stdlib.h>

#define NETWORK "test"
#define DAY     21990u
#define NOON    ((uint64_t)DAY * PERIOD_SECONDS + 43200)
#define MAX     8

/* ---- What is around it --------------------------------------------------- */

struct point_set {
    struct point_ops ops;
    void *holder;
    struct point point;
    unsigned up, wanted;
    unsigned restored;
    bool freed, forgotten;
};

struct inquiry {
    struct inquiry_env env;
    uint32_t period;
    unsigned hurried;
    bool freed, rest;
};

struct connect {
    struct connect_goal goal;
    connect_done_fn *done;
    void *arg;
    bool freed;
};

static struct point_set *sets[MAX];
static struct inquiry *inquiries[MAX];
static struct connect *connects[64];
static unsigned set_count, inquiry_count, connect_count, connects_open;
static unsigned forgotten, closed;
static uint64_t last_closed;
static enum service_problem problem;
static struct directory_config directory_settings;
static struct test_random seed;
static struct services services;
static struct service service;
static struct service_peer *peer_list[64];

enum error points_new(struct service *s, const uint8_t secret[32],
                      unsigned wanted, bool stored, const struct point_ops *ops,
                      void *holder, struct point_set **out)
{
    struct point_set *set = calloc(1, sizeof(*set));

    (void)s, (void)secret;
    if (set == NULL)
        return ERR_NO_MEMORY;
    assert_true(stored);
    set->ops = *ops;
    set->holder = holder;
    set->wanted = wanted;
    memset(set->point.keys.auth_id, 5, AUTH_ID_BYTES);
    memset(set->point.row.relay.identity, 6 + (int)set_count, 32);
    sets[set_count++ % MAX] = set;
    *out = set;
    return OK;
}

void points_free(struct point_set *set, bool forget, uint64_t now)
{
    (void)now;
    if (set == NULL)
        return;
    set->freed = true;
    set->forgotten = forget;
}

void points_restore(struct point_set *set, const struct service_point_row *row,
                    uint64_t now)
{
    (void)now;
    assert_int_equal(row->period, set->ops.period);
    set->restored++;
}

void points_want(struct point_set *set, unsigned wanted, uint64_t now)
{
    (void)now;
    set->wanted = wanted;
}

unsigned points_up(const struct point_set *set)
{
    return set->up;
}

const struct point *points_at(const struct point_set *set, unsigned i)
{
    return i == 0 ? &set->point : NULL;
}

void points_stems(struct point_set *set, enum path_result why, uint64_t now)
{
    (void)set, (void)why, (void)now;
}

void points_suspect(struct point_set *set, uint64_t now)
{
    (void)set, (void)now;
}

void points_check(struct point_set *set, uint64_t now)
{
    (void)set, (void)now;
}

void points_lost_hop(struct point_set *set)
{
    (void)set;
}

void points_tick(struct point_set *set, uint64_t now)
{
    (void)now;
    assert_false(set->freed);
}

uint64_t points_deadline(const struct point_set *set)
{
    assert_false(set->freed);
    return TIME_NEVER;
}

enum error inquiry_new(const struct inquiry_env *env, const uint8_t root[32],
                       uint32_t period, uint64_t wall, uint64_t now,
                       struct inquiry **out)
{
    struct inquiry *q = calloc(1, sizeof(*q));

    (void)root, (void)wall, (void)now;
    if (q == NULL)
        return ERR_NO_MEMORY;
    q->env = *env;
    q->period = period;
    inquiries[inquiry_count++ % MAX] = q;
    *out = q;
    return OK;
}

void inquiry_free(struct inquiry *q, uint64_t now)
{
    (void)now;
    if (q != NULL)
        q->freed = true;
}

void inquiry_hurry(struct inquiry *q, uint64_t now)
{
    (void)now;
    q->hurried++;
}

void inquiry_rest(struct inquiry *q, bool rest)
{
    q->rest = rest;
}

void inquiry_stems(struct inquiry *q, uint64_t now)
{
    (void)q, (void)now;
}

void inquiry_tick(struct inquiry *q, uint64_t wall, uint64_t now)
{
    (void)wall, (void)now;
    assert_false(q->freed);
}

uint64_t inquiry_deadline(const struct inquiry *q)
{
    assert_false(q->freed);
    return TIME_NEVER;
}

void inquiry_status(const struct inquiry *q, struct inquiry_status *out)
{
    (void)q;
    *out = (struct inquiry_status){
        .points = 4, .answered = 4, .entries = 20, .lookups = 3, .forged = 2};
}

enum error connect_new(struct service *s, struct stem_kit *kit,
                       const struct connect_goal *goal, struct channel *over,
                       connect_done_fn *done, void *arg, uint64_t now,
                       struct connect **out)
{
    struct connect *c;

    (void)s, (void)kit, (void)now;
    assert_null(over);
    if (connects_open >= services.config.max_connects)
        return ERR_FULL;
    c = calloc(1, sizeof(struct connect));
    assert_non_null(c);
    *c = (struct connect){.goal = *goal, .done = done, .arg = arg};
    connects[connect_count++ % 64] = c;
    connects_open++;
    *out = c;
    return OK;
}

void connect_free(struct connect *c, uint64_t now)
{
    (void)now;
    assert_false(c->freed);
    c->freed = true;
    connects_open--;
}

bool peer_may_come(const struct service *s)
{
    (void)s;
    return true;
}

unsigned peer_count_of(const struct service *s)
{
    (void)s;
    return services.peer_count;
}

struct service_peer *peer_find(const struct services *s, uint64_t id)
{
    for (unsigned i = 0; i < s->peer_count; i++)
        if (s->peers[i]->id == id)
            return s->peers[i];
    return NULL;
}

struct service_peer *peer_of_key(const struct service *s, const uint8_t key[32])
{
    (void)s;
    for (unsigned i = 0; i < services.peer_count; i++)
        if (memcmp(peer_list[i]->key, key, 32) == 0)
            return peer_list[i];
    return NULL;
}

static struct service_peer *add_peer(const uint8_t key[32], bool opened)
{
    struct service_peer *p = calloc(1, sizeof(*p));

    assert_non_null(p);
    p->id = services.next_peer++;
    p->service = &service;
    p->opened = opened;
    p->has_key = true;
    memcpy(p->key, key, 32);
    peer_list[services.peer_count++] = p;
    return p;
}

enum error peer_new(struct service *s, const struct connect_goal *goal,
                    const uint8_t key[32], struct circuit *circuit,
                    const struct channel_keys *keys, uint64_t now,
                    struct service_peer **out)
{
    (void)s, (void)circuit, (void)keys, (void)now;
    *out = add_peer(key, goal != NULL);
    return OK;
}

static void remove_peer(struct service_peer *peer, uint64_t now)
{
    swarm_peer_gone(service.swarm, peer, now);
    for (unsigned i = 0; i < services.peer_count; i++)
        if (peer_list[i] == peer)
            peer_list[i] = peer_list[--services.peer_count];
    free(peer);
}

void peer_close(struct service_peer *peer, enum reason why, uint64_t now)
{
    assert_int_equal(why, REASON_REQUESTED);
    closed++;
    last_closed = peer->id;
    remove_peer(peer, now);
}

uint32_t gate_issued(const struct gate *g)
{
    (void)g;
    return (uint32_t)services.wall;
}

const struct known_relay *directory_find(const struct directory *d,
                                         const uint8_t identity[32])
{
    (void)d, (void)identity;
    return NULL;
}

const struct directory_config *directory_config_of(const struct directory *d)
{
    (void)d;
    return &directory_settings;
}

void service_target_of(const struct descriptor *d, struct relay_target *out)
{
    (void)d, (void)out;
}

bool service_link_target(const struct services *s, const uint8_t last[32],
                         const struct relay_target *t, struct link_target *out)
{
    (void)s, (void)last, (void)t, (void)out;
    return true;
}

void service_set_problem(struct service *s, enum service_problem p)
{
    (void)s;
    problem = p;
}

/* ---- The scene ----------------------------------------------------------- */

static void fill(void *ctx, void *out, size_t len)
{
    test_random_fill(ctx, out, len);
}

static void forget_point(void *ctx, uint32_t id, const uint8_t relay[32])
{
    (void)ctx, (void)id, (void)relay;
    forgotten++;
}

static const uint8_t secret[32] = {1, 2, 3};

static void prepare(uint64_t wall, bool observer)
{
    seed = test_seed(1);
    set_count = inquiry_count = connect_count = connects_open = 0;
    forgotten = closed = 0;
    services =
        (struct services){.wall = wall,
                          .next_peer = 1,
                          .peers = peer_list,
                          .config = {.network = NETWORK, .max_connects = 32},
                          .env = {.random = {.ctx = &seed, .fill = fill},
                                  .world.forget_point = forget_point}};
    service = (struct service){
        .all = &services,
        .options = {.hops = 3, .points = 3, .observer = observer}};
}

static void begin(uint64_t wall, bool observer,
                  const struct service_memory *memory)
{
    prepare(wall, observer);
    assert_int_equal(swarm_new(&service, bytes_of_text("a string"), secret,
                               memory, 0, &service.swarm),
                     OK);
}

static void sweep(void)
{
    for (unsigned i = 0; i < set_count && i < MAX; i++) {
        assert_true(sets[i]->freed);
        free(sets[i]);
    }
    for (unsigned i = 0; i < inquiry_count && i < MAX; i++) {
        assert_true(inquiries[i]->freed);
        free(inquiries[i]);
    }
    for (unsigned i = 0; i < connect_count && i < 64; i++)
        free(connects[i]);
}

static void end(void)
{
    swarm_free(service.swarm, false, 0);
    sweep();
    while (services.peer_count > 0)
        free(peer_list[--services.peer_count]);
}

static void at(uint64_t wall, uint64_t now)
{
    services.wall = wall;
    swarm_tick(service.swarm, now);
}

/* Of two members the smaller key: ours, or the other. */
static void key_of(bool greater, uint8_t n, uint8_t key[32])
{
    memset(key, greater ? 0xff : 0, 32);
    key[31] = n;
}

static struct crowd_place place_of(uint8_t point)
{
    struct crowd_place place = {.period = DAY,
                                .issued = 1000 + point,
                                .origin = point,
                                .auth_id = {point}};

    memset(place.point.identity, point, 32);
    return place;
}

static void see(bool greater, uint8_t n, uint8_t point, uint64_t now)
{
    struct crowd_place place = place_of(point);
    uint8_t key[32];

    key_of(greater, n, key);
    inquiries[0]->env.entry(inquiries[0]->env.ctx, key, &place, now);
}

static void finish(struct connect *c, enum connect_end how, uint64_t now)
{
    struct connect_result r = {.end = how, .greeting = 5000};

    connect_free(c, now);
    c->done(c->arg, &r, now);
}

/* ---- Periods ------------------------------------------------------------- */

static void test_swarm_lives_through_midnight(void **state)
{
    uint64_t midnight = (uint64_t)(DAY + 1) * PERIOD_SECONDS;
    const uint8_t *topics[2];

    (void)state;
    begin(NOON, false, NULL);
    assert_int_equal(set_count, 1);
    assert_int_equal(inquiry_count, 1);
    assert_int_equal(sets[0]->ops.period, DAY);
    at(midnight - PERIOD_AROUND - 1, TIME_HOUR);
    assert_int_equal(set_count + inquiry_count, 2);
    at(midnight - PERIOD_LEAD_MIN, 2 * TIME_HOUR);
    assert_int_equal(set_count, 2);
    assert_int_equal(inquiry_count, 2);
    assert_int_equal(sets[1]->ops.period, DAY + 1);
    assert_int_equal(inquiries[1]->period, DAY + 1);
    topics[0] = sets[0]->ops.topic;
    topics[1] = sets[1]->ops.topic;
    assert_memory_not_equal(topics[0], topics[1], TOPIC_BYTES);
    /* A relay of one is avoided by the other. */
    assert_true(sets[1]->ops.avoids(sets[1]->holder,
                                    sets[0]->point.row.relay.identity));
    assert_false(sets[1]->ops.avoids(sets[1]->holder,
                                     sets[1]->point.row.relay.identity));
    at(midnight, 3 * TIME_HOUR);
    assert_int_equal(set_count + inquiry_count, 4);
    assert_ptr_equal(swarm_points(service.swarm, 0), sets[1]);
    assert_ptr_equal(swarm_points(service.swarm, 1), sets[0]);
    assert_null(swarm_points(service.swarm, 2));
    at(midnight + PERIOD_AROUND - 1, 4 * TIME_HOUR);
    assert_false(sets[0]->freed);
    at(midnight + PERIOD_AROUND, 5 * TIME_HOUR);
    assert_true(sets[0]->freed && sets[0]->forgotten && inquiries[0]->freed);
    assert_false(sets[1]->freed || inquiries[1]->freed);
    assert_int_equal(set_count + inquiry_count, 4);
    end();
}

/* When the next period is published: in seconds before it. */
static uint64_t lead_into(uint32_t period, uint64_t now)
{
    uint64_t midnight = (uint64_t)period * PERIOD_SECONDS;
    uint64_t lead = PERIOD_AROUND;

    at(midnight - PERIOD_SECONDS / 2, now);
    assert_null(swarm_points(service.swarm, 1));
    while (lead > PERIOD_LEAD_MIN) {
        now += TIME_HOUR;
        at(midnight - lead, now);
        if (swarm_points(service.swarm, 1) != NULL)
            break;
        lead -= 10;
    }
    return lead;
}

/* It is another one in each: or what is published at the same moment day after
 * day is seen to be of one string. */
static void test_swarm_draws_when_it_publishes(void **state)
{
    uint64_t lead[4];
    bool differ = false;

    (void)state;
    begin(NOON, false, NULL);
    for (uint32_t i = 0; i < 4; i++)
        lead[i] = lead_into(DAY + 1 + i, (1 + i) * 1000 * TIME_HOUR);
    for (unsigned i = 1; i < 4; i++)
        differ |= lead[i] != lead[0];
    assert_true(differ);
    end();
}

static void test_swarm_restores_points(void **state)
{
    const struct service_point_row rows[] = {
        {.period = DAY}, {.period = DAY - 1}, {.period = DAY}, {.period = 0}};
    const struct service_memory memory = {.points = rows, .point_count = 4};

    (void)state;
    begin(NOON, false, &memory);
    assert_int_equal(sets[0]->restored, 2);
    assert_int_equal(forgotten, 2);
    end();
}

static void test_swarm_seals_entries(void **state)
{
    uint8_t sealed[ENTRY_BYTES], again[ENTRY_BYTES], root[32], key[32];
    const uint8_t *member, *member_secret;
    struct entry_place place;
    struct entry e;

    (void)state;
    begin(NOON, false, NULL);
    topic_root(NETWORK, bytes_of_text("a string"), root);
    topic_entry_key(root, DAY, key);
    topic_of(root, DAY, place.topic);
    memcpy(place.auth_id, sets[0]->point.keys.auth_id, AUTH_ID_BYTES);
    memcpy(place.relay, sets[0]->point.row.relay.identity, 32);
    sets[0]->ops.entry(sets[0]->holder, &sets[0]->point, sealed);
    sets[0]->ops.entry(sets[0]->holder, &sets[0]->point, again);
    assert_memory_not_equal(sealed, again, ENTRY_BYTES);
    assert_int_equal(entry_open(key, &place, bytes_of(sealed, ENTRY_BYTES), &e),
                     OK);
    swarm_member_key(service.swarm, &member_secret, &member);
    assert_memory_equal(e.member, member, 32);
    assert_int_equal(e.issued, NOON);
    place.relay[0] ^= 1; /* not at another relay */
    assert_int_equal(entry_open(key, &place, bytes_of(sealed, ENTRY_BYTES), &e),
                     ERR_SIGNATURE);
    assert_true(swarm_is(service.swarm, bytes_of_text("a string")));
    assert_false(swarm_is(service.swarm, bytes_of_text("a strinh")));
    end();
}

/* ---- Meeting ------------------------------------------------------------- */

static void test_swarm_meets_members(void **state)
{
    const struct connect_goal *goal;
    const uint8_t *member, *member_secret;

    (void)state;
    begin(NOON, false, NULL);
    swarm_member_key(service.swarm, &member_secret, &member);
    see(true, 1, 3, TIME_S);
    at(NOON, TIME_S);
    assert_int_equal(connect_count, 1);
    goal = &connects[0]->goal;
    assert_int_equal(goal->key[31], 1);
    assert_int_equal(goal->auth_id[0], 3);
    assert_int_equal(goal->point.identity[0], 3);
    assert_int_equal(goal->greeting, 1003);
    assert_ptr_equal(goal->member, member);
    assert_ptr_equal(goal->member_secret, member_secret);
    /* It has restarted: once more, with what it wants to hear. */
    finish(connects[0], CONNECT_AGAIN, 2 * TIME_S);
    assert_int_equal(connect_count, 2);
    assert_int_equal(connects[1]->goal.greeting, 5000);
    finish(connects[1], CONNECT_AGAIN, 2 * TIME_S);
    finish(connects[2], CONNECT_AGAIN, 2 * TIME_S);
    assert_int_equal(connect_count, 3); /* not for ever */
    assert_int_equal(service.connect_failures, 1);
    at(NOON, 10 * TIME_S);
    assert_int_equal(connect_count, 3);
    /* Later, and at another point if there is one. */
    see(true, 1, 4, 11 * TIME_S);
    at(NOON, TIME_MIN);
    assert_int_equal(connect_count, 4);
    assert_int_equal(connects[3]->goal.auth_id[0], 4);
    finish(connects[3], CONNECT_JOINED, TIME_MIN);
    assert_int_equal(services.peer_count, 1);
    assert_int_equal(service.connects, 1);
    end();
}

static void test_swarm_waits_for_the_smaller(void **state)
{
    (void)state;
    begin(NOON, false, NULL);
    see(false, 1, 3, TIME_S);
    at(NOON, 5 * TIME_S);
    assert_int_equal(connect_count, 0);
    at(NOON, 12 * TIME_S);
    assert_int_equal(connect_count, 1);
    end();
}

static void test_swarm_keeps_to_its_bounds(void **state)
{
    (void)state;
    begin(NOON, false, NULL);
    service.options.max_peers = 8;
    for (uint8_t n = 0; n < 100; n++)
        see(true, n, (uint8_t)(1 + n % 10), 0);
    for (unsigned i = 0; i < 50; i++)
        at(NOON, i * TIME_S);
    assert_int_equal(connect_count, 8);
    for (unsigned i = 0; i < 8; i++)
        finish(connects[i], CONNECT_JOINED, TIME_MIN);
    at(NOON, 2 * TIME_MIN);
    assert_int_equal(connect_count, 8);
    assert_true(inquiries[0]->rest);
    /* None are left to be had: nobody has failed by that. */
    service.options.max_peers = 20;
    services.config.max_connects = 0;
    at(NOON, 3 * TIME_MIN);
    at(NOON, 4 * TIME_MIN);
    assert_int_equal(service.connect_failures, 0);
    end();
}

static void test_swarm_next_point(void **state)
{
    struct connect_goal goal = {.greeting = 7000};
    uint8_t key[32];

    (void)state;
    begin(NOON, false, NULL);
    key_of(true, 1, key);
    swarm_next_point(service.swarm, key, 0, &goal); /* it is not known */
    assert_int_equal(goal.auth_id[0], 0);
    see(true, 1, 3, 0);
    see(true, 1, 4, 0);
    for (unsigned i = 0; i < 4; i++) {
        swarm_next_point(service.swarm, key, i, &goal);
        assert_int_equal(goal.auth_id[0], 3 + i % 2);
        assert_int_equal(goal.greeting, 7000);
    }
    end();
}

/* ---- Pairs --------------------------------------------------------------- */

static bool live(struct service_peer *p, uint64_t now)
{
    bool stays = swarm_peer_live(service.swarm, p, now);

    p->told = stays;
    return stays;
}

static void test_swarm_keeps_one_channel_of_a_pair(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        bool greater = (i & 1) != 0, ours_first = (i & 2) != 0;
        struct service_peer *first, *second;
        uint64_t stays;
        uint8_t key[32];

        begin(NOON, false, NULL);
        key_of(greater, 1, key);
        first = add_peer(key, ours_first);
        assert_true(live(first, 0));
        second = add_peer(key, !ours_first);
        /* That which the smaller key opened. */
        stays = first->opened == greater ? first->id : second->id;
        assert_int_equal(live(second, 0), stays == second->id);
        assert_int_equal(swarm_deadline(service.swarm), 0);
        at(NOON, 1);
        assert_int_equal(closed, 1);
        assert_int_equal(services.peer_count, 1);
        assert_int_equal(peer_list[0]->id, stays);
        assert_true(peer_list[0]->told);
        assert_true(swarm_deadline(service.swarm) > 1);
        assert_int_equal(inquiries[0]->hurried, 0);
        /* The same side again: the newer one. */
        second = add_peer(key, peer_list[0]->opened);
        assert_true(live(second, 2));
        at(NOON, 2);
        assert_int_equal(last_closed, stays);
        end();
    }
}

static void test_swarm_stops_what_is_not_needed(void **state)
{
    struct service_peer *p;
    uint8_t key[32];

    (void)state;
    begin(NOON, false, NULL);
    see(true, 1, 3, 0);
    at(NOON, 0);
    assert_int_equal(connects_open, 1);
    key_of(true, 1, key);
    p = add_peer(key, false);
    assert_true(live(p, 1));
    assert_int_equal(connects_open, 0);
    at(NOON, TIME_HOUR);
    assert_int_equal(connect_count, 1);
    /* It is lost: looked for at once, and met again. */
    remove_peer(p, TIME_HOUR);
    assert_int_equal(inquiries[0]->hurried, 1);
    at(NOON, TIME_HOUR + 2 * TIME_S);
    assert_int_equal(connect_count, 2);
    end();
}

/* We are on the way to somebody whose channel would stay: our own attempt is
 * not needed now, but later if nothing comes of that. */
static void test_swarm_waits_for_a_visit(void **state)
{
    uint8_t key[32];

    (void)state;
    begin(NOON, false, NULL);
    for (unsigned greater = 0; greater < 2; greater++) {
        see(greater == 1, 1, 3, 0);
        key_of(greater == 1, 1, key);
        at(NOON, 11 * TIME_S);
        assert_int_equal(connects_open, 1);
        swarm_visits(service.swarm, key, 12 * TIME_S);
        assert_int_equal(connects_open, greater);
    }
    at(NOON, 16 * TIME_S);
    assert_int_equal(connect_count, 2);
    at(NOON, 22 * TIME_S);
    assert_int_equal(connect_count, 3);
    assert_int_equal(service.connect_failures, 0);
    swarm_visits(service.swarm, secret, 0); /* nobody that we know */
    end();
}

/* ---- All in all ---------------------------------------------------------- */

static void test_swarm_observer(void **state)
{
    struct service_status s = {0};

    (void)state;
    begin(NOON, true, NULL);
    at(NOON, 0);
    assert_int_equal(problem, SERVICE_STARTING);
    for (uint8_t n = 0; n < 10; n++)
        see(true, n, (uint8_t)(1 + n % 2), 0);
    at(NOON, TIME_MIN);
    assert_int_equal(set_count + connect_count, 0);
    assert_int_equal(problem, SERVICE_FINE);
    swarm_status(service.swarm, &s);
    assert_int_equal(s.members, 10);
    assert_true(s.size >= 10 && s.size <= 10);
    assert_int_equal(s.entries_refused, 2);
    assert_int_equal(services.stats.lookups, 3);
    end();
}

static void test_swarm_problems(void **state)
{
    uint8_t key[32];

    (void)state;
    begin(NOON, false, NULL);
    at(NOON, 0);
    assert_int_equal(problem, SERVICE_STARTING);
    swarm_stems(service.swarm, PATH_NO_RELAYS, 0);
    at(NOON, 0);
    assert_int_equal(problem, SERVICE_NO_PATH);
    swarm_stems(service.swarm, PATH_FOUND, 0);
    at(NOON, 40 * TIME_S);
    assert_int_equal(problem, SERVICE_NO_POINT);
    sets[0]->up = 3;
    at(NOON, 50 * TIME_S);
    assert_int_equal(problem, SERVICE_STARTING);
    swarm_stems(service.swarm, PATH_NO_RELAYS, 50 * TIME_S); /* one more */
    at(NOON, 51 * TIME_S);
    assert_int_equal(problem, SERVICE_STARTING);
    swarm_stems(service.swarm, PATH_FOUND, 51 * TIME_S);
    at(NOON, TIME_MIN);
    assert_int_equal(problem, SERVICE_ALONE);
    key_of(true, 1, key);
    live(add_peer(key, false), TIME_MIN);
    at(NOON, 2 * TIME_MIN);
    assert_int_equal(problem, SERVICE_FINE);
    remove_peer(peer_list[0], 3 * TIME_MIN);
    at(NOON, 3 * TIME_MIN);
    assert_int_equal(problem, SERVICE_ALONE);
    sets[0]->up = 0;
    at(NOON, 3 * TIME_MIN);
    assert_int_equal(problem, SERVICE_NO_POINT);
    end();
}

static void test_swarm_without_memory(void **state)
{
    (void)state;
    prepare(NOON, false);
    assert_int_equal(
        swarm_new(&service, bytes_of_text(""), secret, NULL, 0, &service.swarm),
        ERR_WRONG_LENGTH);
    for (unsigned n = 1;; n++) {
        enum error e;

        prepare((uint64_t)(DAY + 1) * PERIOD_SECONDS, false);
        fail_alloc_at(n);
        e = swarm_new(&service, bytes_of_text("a string"), secret, NULL, 0,
                      &service.swarm);
        if (!fail_alloc_end())
            break;
        assert_int_equal(e, ERR_NO_MEMORY);
        sweep();
    }
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_swarm_lives_through_midnight),
        cmocka_unit_test(test_swarm_draws_when_it_publishes),
        cmocka_unit_test(test_swarm_restores_points),
        cmocka_unit_test(test_swarm_seals_entries),
        cmocka_unit_test(test_swarm_meets_members),
        cmocka_unit_test(test_swarm_waits_for_the_smaller),
        cmocka_unit_test(test_swarm_keeps_to_its_bounds),
        cmocka_unit_test(test_swarm_next_point),
        cmocka_unit_test(test_swarm_keeps_one_channel_of_a_pair),
        cmocka_unit_test(test_swarm_stops_what_is_not_needed),
        cmocka_unit_test(test_swarm_waits_for_a_visit),
        cmocka_unit_test(test_swarm_observer),
        cmocka_unit_test(test_swarm_problems),
        cmocka_unit_test(test_swarm_without_memory),
    };

    return cmocka_run_group_tests_name("swarm", tests, NULL, NULL);
}
