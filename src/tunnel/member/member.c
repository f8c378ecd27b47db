/* SPDX-License-Identifier: MIT
 *
 * A member put together: the router's hooks end here and are passed on to the
 * pool, the directory, the puncture and the exit, each of which knows nothing
 * of the others. What the world is to hear goes through member_tell.c.
 */
#include "tunnel/member/member.h"

#include "tunnel/member/member_internal.h"

#include "base/timestamp.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

/* How many a client looks for before it rests; a node without circuits of its
 * own looks for none. */
#define WANTED_RELAYS 48
#define WANTED_EXITS  4
/* With fewer the circuits of services lack some: three hops, the last of which
 * is not the same for all, and none twice. */
#define SERVICE_RELAYS 8

/* ---- Circuits of our own, as the router tells of them ------------------- */

static void circuit_ready(void *ctx, struct circuit *c, uint64_t now)
{
    struct member *t = ctx;
    struct member_event event = {
        .kind = MEMBER_CIRCUIT_READY, .circuit = c->id, .length = c->length};

    member_path_worked(t, c);
    if (c->use == CIRCUIT_FOR_SERVICE) {
        member_service_ready(t, c, now);
        return;
    }
    pool_circuit_ready(&t->pool, c, now);
    member_tell(t, &event);
}

static void circuit_closed(void *ctx, struct circuit *c, enum reason why,
                           unsigned hop, uint64_t now)
{
    struct member *t = ctx;
    struct member_event event = {.kind = MEMBER_CIRCUIT_CLOSED,
                                 .circuit = c->id,
                                 .length = c->length,
                                 .hop = hop,
                                 .why = why};

    if (hop > 0)
        member_path_ended(t, c, hop, why, now);
    if (c->use == CIRCUIT_FOR_SERVICE) {
        member_service_closed(t, c, why, hop, now);
        return;
    }
    pool_circuit_closed(&t->pool, c, why, now);
    member_client_free(t, c);
    member_tell(t, &event);
}

static void circuit_refused(void *ctx, struct circuit *c, enum reason why,
                            uint64_t now)
{
    struct member *t = ctx;
    struct member_event event = {.kind = MEMBER_REFUSED,
                                 .circuit = c->id,
                                 .length = c->length,
                                 .hop = c->length,
                                 .why = why};

    if (c->use == CIRCUIT_FOR_SERVICE)
        member_service_refused(t, c, why, now);
    else
        member_tell(t, &event);
}

static void circuit_answered(void *ctx, struct circuit *c, unsigned hop,
                             const struct circuit_message *m, uint64_t now)
{
    if (c->use == CIRCUIT_FOR_SERVICE)
        member_service_answered(ctx, c, hop, m, now);
    else
        member_client_answered(ctx, c, hop, m, now);
}

/* ---- Life --------------------------------------------------------------- */

static enum error receive_message(void *ctx, const struct endpoint *from,
                                  const struct link_message *m, uint64_t now)
{
    struct member *t = ctx;

    if (m->kind == LINK_ASK)
        return directory_receive_ask(t->directory, from, m, t->wall, now);
    if (m->kind == LINK_TELL)
        return directory_receive_tell(t->directory, from, m, t->wall, now);
    if (m->kind == LINK_COOKIE)
        return directory_receive_cookie(t->directory, from, m, now);
    return m->kind == LINK_POKE ? OK : ERR_UNKNOWN_KIND;
}

static enum error router_start(struct member *t, uint64_t now)
{
    struct router_config c = member_router_config(&t->config);
    struct router_env env = {
        .ctx = t->env.ctx,
        .hooks = t,
        .random = t->env.random,
        .send = t->env.send,
        .send_alone = t->env.send_alone,
        .link_up = member_link_up,
        .link_down = member_link_down,
        .unanswered = member_link_unanswered,
        .message = receive_message,
        .neighbour = member_neighbour,
        .transit = {.ctx = t,
                    .may_extend = member_may_extend,
                    .data = member_tail_message,
                    .service = member_service_asked,
                    .closed = member_tail_closed},
        .circuit = {.ctx = t,
                    .replace = member_replace_hops,
                    .ready = circuit_ready,
                    .closed = circuit_closed,
                    .data = member_client_data,
                    .refused = circuit_refused,
                    .answered = circuit_answered,
                    .service = member_service_message,
                    .end = member_service_end},
    };
    enum error e = router_init(&t->router, &c, &env, now);

    sodium_memzero(&c, sizeof(c));
    return e;
}

static void pool_start(struct member *t)
{
    struct pool_config c = member_pool_config(&t->config);
    struct pool_env env = {
        .ctx = t, .random = t->env.random, .path = member_choose_path};

    pool_init(&t->pool, &c, &env, t->router.circuits);
}

enum error member_new(const struct member_config *config,
                      const struct member_env *env, struct policy *policy,
                      uint64_t now, uint64_t wall, struct member **out)
{
    uint8_t key[SOURCE_KEY_BYTES];
    struct member *t;
    enum error e = member_config_check(config);

    if (e != OK)
        return e;
    t = calloc(1, sizeof(struct member));
    if (t == NULL)
        return ERR_NO_MEMORY;
    t->config = *config;
    t->env = *env;
    t->policy = policy;
    t->wall = wall;
    t->ticked_at = now;
    t->own_deadline = TIME_NEVER;
    piece_budget_init(&t->budget, config->max_piece_memory, &env->random);
    env->random.fill(env->random.ctx, key, sizeof(key));
    speedtest_gate_init(&t->gate, config->speedtest_rate,
                        config->speedtest_rate, key);
    e = router_start(t, now);
    if (e != OK) {
        free(t);
        return e;
    }
    member_restore_previous(t, now);
    member_puncture_init(t);
    pool_start(t);
    e = member_directory_new(t, now);
    if (e == OK)
        directory_set_wanted(t->directory, 0, 0, now);
    if (e == OK && config->become_exitnode && policy != NULL)
        e = member_exit_new(t);
    if (e == OK)
        e = member_meeting_new(t);
    if (e == OK)
        e = member_services_new(t, now);
    if (e != OK) {
        member_free(t, now);
        return e;
    }
    *out = t;
    return OK;
}

static void close_all(struct member *t, uint64_t now)
{
    while (circuits_count(t->router.circuits) > 0)
        circuit_close(t->router.circuits, circuits_at(t->router.circuits, 0),
                      REASON_SHUTDOWN, now);
    while (transits_count(t->router.transits) > 0)
        transit_close(t->router.transits, transits_at(t->router.transits, 0),
                      REASON_SHUTDOWN, now);
    links_say_closed(t->router.shared.links, now);
}

void member_free(struct member *t, uint64_t now)
{
    if (t == NULL)
        return;
    assert(!t->telling);
    t->ending = true;
    services_free(t->services, now);
    t->services = NULL;
    if (t->directory != NULL)
        close_all(t, now);
    while (t->news.count > 0)
        member_tell_news(t);
    meeting_free(t->meeting);
    outlet_free(t->outlet);
    exit_free(t->exit);
    directory_free(t->directory);
    puncture_deinit(&t->puncture);
    piece_budget_deinit(&t->budget);
    router_deinit(&t->router);
    member_news_deinit(&t->news);
    sodium_memzero(t, sizeof(*t));
    free(t);
}

enum error member_add_stored(struct member *t,
                             const struct stored_relay *stored, uint64_t wall,
                             uint64_t now)
{
    enum error e = directory_add_stored(t->directory, stored, wall, now);

    guards_init(&t->guards, t->directory);
    return e;
}

enum error member_ask(struct member *t, const struct endpoint *ep, uint64_t now)
{
    return directory_ask(t->directory, ep, now);
}

void member_meet(struct member *t, const struct endpoint *node, uint64_t now)
{
    directory_meet(t->directory, node, now);
}

static void tell_all(struct member *t)
{
    if (t->news.count > 0)
        member_tell_news(t);
    t->telling = true;
    services_tell(t->services);
    t->telling = false;
}

enum error member_receive(struct member *t, const struct endpoint *from,
                          uint8_t *datagram, size_t len, uint64_t now,
                          uint64_t wall)
{
    enum error e;

    assert(!t->telling);
    t->wall = wall;
    t->ticked_at = now;
    tell_all(t); /* what commands have caused comes before DATA */
    e = router_receive(&t->router, from, datagram, len, now);
    tell_all(t);
    return e;
}

/* Unfinished long datagrams and speed tests, of both sides. */
static void tick_ends(struct member *t, uint64_t now)
{
    struct circuits *cs = t->router.circuits;
    struct transits *rs = t->router.transits;

    if (now < t->own_deadline)
        return;
    t->own_deadline = TIME_NEVER;
    piece_budget_rest(&t->budget);
    for (unsigned i = circuits_count(cs); i-- > 0;) {
        if (i < circuits_count(cs))
            member_client_tick(t, circuits_at(cs, i), now);
    }
    for (unsigned i = 0; i < transits_count(rs); i++)
        member_tail_tick(t, transits_at(rs, i), now);
    for (unsigned i = 0; i < circuits_count(cs); i++)
        t->own_deadline = time_min(t->own_deadline,
                                   member_client_deadline(circuits_at(cs, i)));
    for (unsigned i = 0; i < transits_count(rs); i++)
        t->own_deadline =
            time_min(t->own_deadline, member_tail_deadline(transits_at(rs, i)));
}

/* Who builds no circuits looks for no relays; services need no exits. Whoever
 * asks for circuits has them looked for anew, however slowly that went on. */
static void want_relays(struct member *t, bool anew, uint64_t now)
{
    bool exits = false, relays;

    for (unsigned i = 1; i <= ONION_HOPS_MAX; i++)
        exits = exits || pool_keeps(&t->pool, i);
    relays = exits || services_list(t->services, NULL, 0) > 0;
    if (relays && !exits) /* else who chooses paths says so (member_paths.c) */
        directory_set_needed(
            t->directory, directory_count(t->directory) < SERVICE_RELAYS, now);
    if (!anew && relays == t->wanted_relays && exits == t->wanted_exits)
        return;
    t->wanted_relays = relays;
    t->wanted_exits = exits;
    directory_set_wanted(t->directory, relays ? WANTED_RELAYS : 0,
                         exits ? WANTED_EXITS : 0, now);
}

void member_tick(struct member *t, uint64_t now, uint64_t wall)
{
    assert(!t->telling);
    t->wall = wall;
    t->ticked_at = now;
    member_retire_previous(t, now);
    directory_tick(t->directory, wall, now);
    member_guards_settle(t, now);
    router_tick(&t->router, now);
    member_path_again(t, now);
    pool_tick(&t->pool, now);
    if (t->exit != NULL)
        exit_tick(t->exit, now);
    if (t->outlet != NULL)
        outlet_tick(t->outlet, now);
    tick_ends(t, now);
    meeting_tick(t->meeting, wall, now);
    services_tick(t->services, wall, now);
    want_relays(t, false, now);
    tell_all(t);
}

uint64_t member_next_deadline(const struct member *t)
{
    uint64_t at = router_next_deadline(&t->router);

    if (t->news.count > 0)
        return t->ticked_at;
    at = time_min(at, t->router.responder.previous_until);
    at = time_min(at, directory_next_deadline(t->directory));
    at = time_min(at, pool_next_deadline(&t->pool));
    if (t->exit != NULL)
        at = time_min(at, exit_next_deadline(t->exit));
    if (t->outlet != NULL)
        at = time_min(at, outlet_next_deadline(t->outlet));
    at = time_min(at, meeting_next_deadline(t->meeting));
    at = time_min(at, services_next_deadline(t->services));
    return time_min(at, t->own_deadline);
}

/* ---- Circuits of our own ------------------------------------------------ */

enum error member_build(struct member *t, unsigned hops, uint64_t now)
{
    enum error e = pool_build(&t->pool, hops, now);

    want_relays(t, true, now);
    return e;
}

enum error member_stop(struct member *t, unsigned hops)
{
    enum error e = pool_stop(&t->pool, hops);

    want_relays(t, false, t->ticked_at);
    return e;
}

enum error member_hold(struct member *t, unsigned hops, uint64_t now)
{
    enum error e = pool_hold(&t->pool, hops, now);

    want_relays(t, true, now);
    return e;
}

void member_release(struct member *t, unsigned hops)
{
    pool_release(&t->pool, hops);
    want_relays(t, false, t->ticked_at);
}

bool member_keeps(const struct member *t, unsigned hops)
{
    return hops >= 1 && hops <= ONION_HOPS_MAX && pool_keeps(&t->pool, hops);
}

unsigned member_active(const struct member *t, unsigned hops, uint32_t *ids,
                       unsigned max)
{
    unsigned n = 0;

    for (unsigned i = 0; i < circuits_count(t->router.circuits); i++) {
        const struct circuit *c = circuits_at(t->router.circuits, i);

        if (!pool_is_active(&t->pool, c, hops))
            continue;
        if (n < max)
            ids[n] = c->id;
        n++;
    }
    return n;
}

struct circuit *member_find(const struct member *t, uint32_t id)
{
    struct circuit *c = circuit_find(t->router.circuits, id);

    return c != NULL && c->use == CIRCUIT_FOR_DATA ? c : NULL;
}

double member_ready(const struct member *t)
{
    return pool_ready(&t->pool);
}

enum error member_close(struct member *t, uint32_t circuit, uint64_t now)
{
    struct circuit *c = member_find(t, circuit);

    if (c == NULL)
        return ERR_NOT_FOUND;
    circuit_close(t->router.circuits, c, REASON_REQUESTED, now);
    return OK;
}

/* ---- Looking inside ----------------------------------------------------- */

enum path_result member_path_of(const struct member *t, unsigned hops)
{
    return member_keeps(t, hops) ? t->path[hops] : PATH_FOUND;
}

uint64_t member_empty_since(const struct member *t, unsigned hops)
{
    return pool_empty_since(&t->pool, hops);
}

static unsigned count_circuits(const struct member *t)
{
    unsigned n = 0;

    for (unsigned i = 0; i < circuits_count(t->router.circuits); i++)
        n += circuits_at(t->router.circuits, i)->use == CIRCUIT_FOR_DATA;
    return n;
}

static enum path_result first_missing(const struct member *t)
{
    unsigned hops = 1;

    while (hops < ONION_HOPS_MAX && member_path_of(t, hops) == PATH_FOUND)
        hops++;
    return member_path_of(t, hops);
}

void member_status(const struct member *t, uint64_t now, uint64_t wall,
                   struct member_status *out)
{
    struct directory_status d;

    directory_status(t->directory, wall, now, &d);
    *out = (struct member_status){
        .path = first_missing(t),
        .links = links_count(t->router.shared.links),
        .paths = links_paths(t->router.shared.links),
        .relays = transits_count(t->router.transits),
        .circuits = count_circuits(t),
        .ready = member_active(t, 0, NULL, 0),
        .known = d.known,
        .usable = d.usable,
        .exits = d.exits,
        .guards = d.guards,
        .relaying = t->config.max_relays_or_exits > 0,
        .exiting = t->exit != NULL,
        .published = directory_self_text(t->directory).len > 0,
        .unproven = directory_unproven(t->directory),
        .rate = transits_rate(t->router.transits, now),
        .step_timeout = circuits_step_timeout(t->router.circuits),
    };
    memcpy(out->identity, t->config.identity, sizeof(out->identity));
}

const struct directory_twin *member_twin(const struct member *t)
{
    return directory_twin(t->directory);
}

int64_t member_clock_behind(const struct member *t, uint64_t now, uint64_t wall,
                            unsigned *witnesses)
{
    const struct clock_hint *hint = directory_clock(t->directory);

    *witnesses = hint->count;
    return clock_hint_behind(hint, wall, now);
}

void member_circuits(const struct member *t,
                     void (*visit)(void *ctx, const struct circuit *c),
                     void *ctx)
{
    for (unsigned i = 0; i < circuits_count(t->router.circuits); i++) {
        const struct circuit *c = circuits_at(t->router.circuits, i);

        if (c->use == CIRCUIT_FOR_DATA)
            visit(ctx, c);
    }
}

const struct directory *member_directory(const struct member *t)
{
    return t->directory;
}

const struct router *member_router(const struct member *t)
{
    return &t->router;
}

const struct puncture_stats *member_punctures(const struct member *t)
{
    return &t->puncture.stats;
}

const struct exit *member_exit(const struct member *t)
{
    return t->exit;
}

const struct outlet *member_outlet(const struct member *t)
{
    return t->outlet;
}
