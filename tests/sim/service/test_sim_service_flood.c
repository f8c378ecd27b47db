/* SPDX-License-Identifier: MIT
 *
 * More want to be met than a service can meet: strangers who do no work, who
 * claim work that they have not done, and who do all that is asked for. Who
 * works is served, and the effort follows counts of those refused, not claims.
 *
 * Proofs that begin with `cheap` count as right ones here: work takes no time.
 */
#include "puppet.h"

#include "tunnel/record/effort.h"
#include "tunnel/service/gate.h"

#define RELAYING  20
#define SERVER    RELAYING
#define ATTACKERS 3
#define DRONES    96
#define LIFE      (4 * TIME_S) /* of a drone's circuit */

static const uint8_t seed[32] = {9, 1};
static const uint8_t cheap[4] = {'w', 'o', 'r', 'k'};

/* ---- Work --------------------------------------------------------------- */

bool __real_work_is_plausible(const struct work_task *task,
                              const struct work_proof *proof);
bool __wrap_work_is_plausible(const struct work_task *task,
                              const struct work_proof *proof);
enum error __real_work_verify(const struct work_task *task,
                              const struct work_proof *proof);
enum error __wrap_work_verify(const struct work_task *task,
                              const struct work_proof *proof);
enum error __real_work_solve(const struct work_task *task, uint64_t *nonce,
                             unsigned tries, struct work_proof *out);
enum error __wrap_work_solve(const struct work_task *task, uint64_t *nonce,
                             unsigned tries, struct work_proof *out);

static unsigned verified; /* digests: what costs half a millisecond each */

static bool is_cheap(const struct work_proof *proof)
{
    return memcmp(proof->digest, cheap, sizeof(cheap)) == 0;
}

bool __wrap_work_is_plausible(const struct work_task *task,
                              const struct work_proof *proof)
{
    return is_cheap(proof) || __real_work_is_plausible(task, proof);
}

enum error __wrap_work_verify(const struct work_task *task,
                              const struct work_proof *proof)
{
    if (is_cheap(proof))
        return OK;
    verified += __real_work_is_plausible(task, proof);
    return __real_work_verify(task, proof);
}

enum error __wrap_work_solve(const struct work_task *task, uint64_t *nonce,
                             unsigned tries, struct work_proof *out)
{
    (void)task, (void)tries;
    *out = (struct work_proof){.nonce = *nonce};
    memcpy(out->digest, cheap, sizeof(cheap));
    return OK;
}

/* ---- The world ---------------------------------------------------------- */

static struct hearer *host, *client;

/* The service can meet two a second. */
static int64_t small_service(uint32_t i, struct member_config *c)
{
    if (i == SERVER) {
        c->service.join_rate = 2;
        c->service.max_queue = 64;
    }
    return 0;
}

static struct sim_rows rows;
static struct address_of points[3];

static void begin(struct world *w)
{
    const struct service_options options = {.hops = 2};

    world_global(w);
    exitless_shape = small_service;
    rows = (struct sim_rows){0};
    world_of(w, RELAYING, 2 + ATTACKERS);
    host = listen_to(w, w->net.members[SERVER]);
    client = listen_to(w, w->net.members[SERVER + 1]);
    host->answers = true;
    host->n->rows = &rows;
    serve(host, seed, &options, NULL);
    wait_until_verified(w, host);
    assert_int_equal(rows.point_count, 3);
    for (unsigned i = 0; i < 3; i++)
        learn_point(host, seed, &rows.points[i], &points[i]);
}

static uint64_t met(enum introduction_result r)
{
    return status_of(host).introductions[r];
}

/* ---- The flood ---------------------------------------------------------- */

enum claim { NO_WORK, FALSE_WORK, RIGHT_WORK };

/* Each has a circuit to a point, asks once to be met where nobody is, and comes
 * again. */
struct drone {
    struct puppet p;
    unsigned point;
    bool said;
    uint64_t until;
};

static struct {
    bool on;
    uint64_t each;
    enum claim claim;
    uint32_t effort; /* FALSE_WORK: claimed */
    unsigned next, said;
    unsigned acks[MEETING_STATUS_END_];
    struct drone drones[DRONES];
} flood;

static void make_work(const struct address_of *a, struct meeting_work *out)
{
    const struct effort *e = gate_effort(service_of(host)->gate);

    *out = (struct meeting_work){
        .effort = flood.claim == FALSE_WORK ? flood.effort : e->asked};
    work_hint(e->seed[0], a->keys.auth_id, out->hint);
    randombytes_buf(out->digest, sizeof(out->digest));
    if (flood.claim == RIGHT_WORK)
        memcpy(out->digest, cheap, sizeof(cheap));
}

static void ask(struct drone *d)
{
    const struct address_of *a = &points[d->point];
    struct relay_target rendezvous;
    struct meeting_work work;
    uint8_t noise1[MEETING_NOISE1_BYTES];
    unsigned r = flood.said % RELAYING;

    rendezvous_at(d->p.n, r, &rendezvous);
    invite(a, d->p.n, &rendezvous, noise1);
    make_work(a, &work);
    introduce(&d->p, a, noise1,
              flood.claim == NO_WORK || work.effort == 0 ? NULL : &work);
    d->said = true;
    flood.said++;
}

static void flood_fire(void *ctx, uint64_t now)
{
    struct world *w = ctx;

    for (unsigned i = 0; i < DRONES; i++) {
        struct drone *d = &flood.drones[i];

        if (d->p.c != NULL && d->p.ready && !d->said)
            ask(d);
        if (d->until != 0 && now >= d->until) {
            if (d->p.acks > 0)
                flood.acks[d->p.status]++;
            puppet_end_it(&d->p);
            d->until = 0;
        }
    }
    if (!flood.on)
        return;
    for (unsigned i = 0; i < DRONES; i++) {
        struct drone *d = &flood.drones[i];

        if (d->until != 0)
            continue;
        *d = (struct drone){.point = flood.next % 3, .until = now + LIFE};
        puppet_begin(
            &d->p,
            sim_tunnel_of(w->sim,
                          w->net.members[SERVER + 2 + flood.next % ATTACKERS]),
            &points[d->point].member, 1);
        flood.next++;
        break;
    }
    assert_int_equal(sim_at(w->sim, now + flood.each, flood_fire, w), OK);
}

static void flood_begin(struct world *w, unsigned a_second, enum claim claim)
{
    memset(&flood, 0, sizeof(flood));
    flood.on = true;
    flood.each = TIME_S / a_second;
    flood.claim = claim;
    flood_fire(w, sim_now(w->sim));
}

static void flood_end(struct world *w)
{
    flood.on = false;
    sim_run_for(w->sim, TIME_S);
    for (unsigned i = 0; i < DRONES; i++)
        if (flood.drones[i].until != 0)
            puppet_end_it(&flood.drones[i].p);
    print_message("  %u asked: taken %u, refused %u, busy %u\n", flood.said,
                  flood.acks[MEETING_TAKEN], flood.acks[MEETING_REFUSED],
                  flood.acks[MEETING_BUSY]);
}

static void end(struct world *w)
{
    exitless_shape = NULL;
    world_end(w);
}

/* ---- Tests -------------------------------------------------------------- */

/* Nobody works: the effort rises once and no further, and whoever does it is
 * met before all others. */
static void test_sim_service_flood_without_work(void **state)
{
    struct world *w = &world;
    uint64_t t;

    (void)state;
    begin(w);
    flood_begin(w, 15, NO_WORK);
    sim_run_for(w->sim, 130 * TIME_S);
    print_message("  effort %u, queue %u, full %u\n", status_of(host).effort,
                  status_of(host).queued, (unsigned)met(INTRODUCTION_FULL));
    assert_int_equal(status_of(host).effort, EFFORT_FIRST);
    assert_at_least(met(INTRODUCTION_FULL), 200);
    reach(client, status_of(host).key, 2);
    t = time_to_answer(w, client, "works", TIME_MIN);
    print_message("  who works is answered after %.1f s\n", (double)t / 1e9);
    assert_at_most(t / TIME_MS, 8000); /* it does not wait in line */
    sim_run_for(w->sim, TIME_MIN);
    assert_int_equal(status_of(host).effort, EFFORT_FIRST);
    flood_end(w);
    end(w);
}

/* False digests are told before they cost anything; what is claimed counts
 * nothing. */
static void test_sim_service_flood_of_claims(void **state)
{
    struct world *w = &world;
    unsigned said;
    uint64_t full;

    (void)state;
    begin(w);
    flood_begin(w, 15, NO_WORK); /* until it asks for work */
    sim_run_for(w->sim, 70 * TIME_S);
    assert_int_equal(status_of(host).effort, EFFORT_FIRST);
    flood_end(w);
    sim_run_for(w->sim, 15 * TIME_S);
    verified = 0;
    flood_begin(w, 15, FALSE_WORK);
    flood.effort = UINT32_MAX;
    said = (unsigned)met(INTRODUCTION_BAD_WORK);
    sim_run_for(w->sim, 20 * TIME_S);
    assert_int_equal(status_of(host).queued, 0);
    full = met(INTRODUCTION_FULL);
    reach(client, status_of(host).key, 2);
    assert_answered(w, client, "who works", 25 * TIME_S);
    sim_run_for(w->sim, 3 * TIME_MIN);
    print_message("  %u bad, %u verified, effort %u\n",
                  (unsigned)met(INTRODUCTION_BAD_WORK) - said, verified,
                  status_of(host).effort);
    assert_at_least(met(INTRODUCTION_BAD_WORK) - said, 1000);
    assert_at_most(verified, 2);
    /* It neither rises nor is given up. */
    assert_int_equal(status_of(host).effort, EFFORT_FIRST);
    assert_at_most(met(INTRODUCTION_FULL) - full, 1);
    flood_end(w);
    sim_run_for(w->sim, 150 * TIME_S);
    assert_int_equal(status_of(host).effort, 0);
    end(w);
}

/* Work that was done for one invitation, at one point, is worth nothing for
 * another one, and that of an hour ago nothing now. */
static void test_sim_service_work_is_stolen(void **state)
{
    struct world *w = &world;
    struct puppet own, other, elsewhere;
    uint8_t noise1[2][MEETING_NOISE1_BYTES];
    struct relay_target rendezvous;
    struct meeting_work work;
    struct work_task task = {.effort = EFFORT_FIRST};
    struct work_proof proof;
    struct sim_tunnel *thief;
    uint64_t nonce = 0;

    (void)state;
    begin(w);
    flood_begin(w, 15, NO_WORK); /* until it asks for work */
    sim_run_for(w->sim, 70 * TIME_S);
    flood_end(w);
    sim_run_for(w->sim, 15 * TIME_S);
    assert_int_equal(status_of(host).effort, EFFORT_FIRST);
    thief = sim_tunnel_of(w->sim, w->net.members[SERVER + 2]);
    rendezvous_at(thief, 0, &rendezvous);
    for (unsigned i = 0; i < 2; i++)
        invite(&points[0], thief, &rendezvous, noise1[i]);
    memcpy(task.seed, gate_effort(service_of(host)->gate)->seed[0],
           sizeof(task.seed));
    memcpy(task.auth_id, points[0].keys.auth_id, sizeof(task.auth_id));
    memcpy(task.e, noise1[0], sizeof(task.e));
    while (__real_work_solve(&task, &nonce, 64, &proof) != OK)
        ;
    work = (struct meeting_work){.effort = task.effort};
    bytes_put_number(work.nonce, sizeof(work.nonce), proof.nonce);
    memcpy(work.digest, proof.digest, sizeof(work.digest));
    work_hint(task.seed, points[0].keys.auth_id, work.hint);

    puppet_at(w, &other, thief, points[0].member);
    introduce(&other, &points[0], noise1[1], &work);
    sim_run_for(w->sim, 2 * TIME_S);
    assert_int_equal(other.status, MEETING_REFUSED);
    assert_int_equal(met(INTRODUCTION_BAD_WORK), 1);
    invite(&points[1], thief, &rendezvous, noise1[1]);
    work_hint(task.seed, points[1].keys.auth_id, work.hint);
    puppet_at(w, &elsewhere, thief, points[1].member);
    introduce(&elsewhere, &points[1], noise1[1], &work);
    sim_run_for(w->sim, 2 * TIME_S);
    assert_int_equal(elsewhere.status, MEETING_REFUSED);
    assert_int_equal(met(INTRODUCTION_BAD_WORK), 2);

    work_hint(task.seed, points[0].keys.auth_id, work.hint);
    puppet_at(w, &own, thief, points[0].member);
    introduce(&own, &points[0], noise1[0], &work);
    sim_run_for(w->sim, 2 * TIME_S);
    assert_int_equal(own.acks, 1);
    assert_int_equal(own.status, MEETING_TAKEN);
    assert_int_equal(met(INTRODUCTION_BAD_WORK), 2);
    end(w);
}

/* Everybody works, and they are too many. */
static void test_sim_service_effort_moves(void **state)
{
    static const uint32_t rises[] = {1024, 2048, 4096, 8192, 8192, 8192};
    struct world *w = &world;
    uint32_t effort = 0;
    unsigned i = 0, minutes = 0;

    (void)state;
    begin(w);
    reach(client, status_of(host).key, 2);
    flood_begin(w, 15, RIGHT_WORK);
    while (minutes++ < 8 && i < 6) {
        sim_run_for(w->sim, TIME_MIN);
        effort = status_of(host).effort;
        if (effort != 0)
            assert_int_equal(effort, rises[i++]);
    }
    assert_int_equal(i, 6);
    /* All have worked as hard as can be asked for: whose turn it is is chance,
     * a minute on average. */
    assert_answered(w, client, "who works", 5 * TIME_MIN);
    flood_end(w);
    for (minutes = 0; status_of(host).effort > 0 && minutes < 12; minutes++) {
        sim_run_for(w->sim, TIME_MIN);
        assert_true(status_of(host).effort <= effort);
        effort = status_of(host).effort;
        print_message("  %u", effort);
    }
    print_message("\n");
    assert_in_range(minutes, 5, 9);
    end(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sim_service_flood_without_work),
        cmocka_unit_test(test_sim_service_flood_of_claims),
        cmocka_unit_test(test_sim_service_work_is_stolen),
        cmocka_unit_test(test_sim_service_effort_moves),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, world_cleanup);
}
