/* SPDX-License-Identifier: MIT
 *
 * Trunks: which circuit or peer carries a connection, and when it moves.
 */
#include "tunnel/traffic/carrier_internal.h"

#include "base/timestamp.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define OPEN_MAX 8 /* circuits built for one call */

/* A circuit on which nothing comes back for what was sent is asked after four
 * round trips, within these; and again each half of that, as a question can be
 * lost like anything else. Without an answer to all it is given up. */
#define SILENCE_MIN (400 * TIME_MS)
#define SILENCE_MAX (3 * TIME_S)
#define QUESTIONS   3
/* One on which nothing was sent is asked, too: who waits for bytes would never
 * know. The longer it is quiet the seldomer. */
#define QUIET_MIN (500 * TIME_MS)
#define QUIET_MAX (15 * TIME_S)

#define CLOGGED_TRIES 3 /* of a call, for another one than a clogged one */

#define RETRY_FIRST (100 * TIME_MS) /* doubled each time */
#define RETRY_MAX   (4 * TIME_S)
#define LOOK_EVERY  TIME_S /* whether circuits get old */

/* ---- Life --------------------------------------------------------------- */

static struct bytes circuit_key(const struct keyed_entry *e)
{
    const struct trunk *t = (const struct trunk *)e;

    return bytes_of((const uint8_t *)&t->circuit, sizeof(t->circuit));
}

void trunks_init(struct carrier *c)
{
    uint8_t secret[KEYED_TABLE_SECRET];

    LIST_INIT(&c->exits);
    c->random.fill(c->random.ctx, secret, sizeof(secret));
    keyed_table_init(&c->by_circuit, SIZE_MAX, circuit_key, secret);
}

static bool grow(struct carrier *c)
{
    unsigned places = c->places == 0 ? 8 : 2 * c->places;
    struct trunk **trunks;

    if (places > PLACES_MAX)
        return false;
    trunks = realloc(c->trunks, places * sizeof(struct trunk *));
    if (trunks == NULL)
        return false;
    for (unsigned i = c->places; i < places; i++)
        trunks[i] = NULL;
    c->trunks = trunks;
    c->places = places;
    return true;
}

static bool find_place(struct carrier *c, unsigned *place)
{
    for (unsigned i = 0; i < c->places; i++) {
        if (c->trunks[i] == NULL) {
            *place = i;
            return true;
        }
    }
    *place = c->places;
    return grow(c);
}

/* It carries nothing any more; freed before this returns, or when the engine
 * is left. */
static void end(struct trunk *t, uint64_t now)
{
    if (!t->ending && t->kind != TRUNK_VISITORS)
        t->carrier->own--;
    t->ending = true;
    stream_conn_close(t->conn, REASON_LINK_LOST, now);
}

/* Of those without streams. */
static void end_unused(struct carrier *c, uint64_t now)
{
    for (unsigned i = 0; i < c->places; i++) {
        struct trunk *t = c->trunks[i];

        if (t != NULL && t->kind != TRUNK_VISITORS && !t->ending &&
            stream_conn_streams(t->conn) == 0) {
            end(t, now);
            return;
        }
    }
}

static struct trunk *trunk_new(struct carrier *c, enum trunk_kind kind)
{
    struct trunk *t;
    unsigned place;

    if (!find_place(c, &place))
        return NULL;
    t = calloc(1, sizeof(*t));
    if (t == NULL)
        return NULL;
    t->carrier = c;
    t->kind = kind;
    t->place = place;
    t->ask_at = t->retry_at = TIME_NEVER;
    c->trunks[place] = t;
    c->stats.trunks++;
    c->own += kind != TRUNK_VISITORS;
    if (kind == TRUNK_EXIT)
        LIST_INSERT_HEAD(&c->exits, t, of_exits);
    return t;
}

/* At the cap one that nobody uses makes way. */
static struct trunk *trunk_of_ours(struct carrier *c, enum trunk_kind kind,
                                   uint64_t now)
{
    if (c->own >= c->config.max_trunks)
        end_unused(c, now);
    return c->own < c->config.max_trunks ? trunk_new(c, kind) : NULL;
}

static void leave_circuit(struct trunk *t)
{
    struct claim *claim = claims_find(t->carrier->claims, t->circuit);

    if (t->circuit == 0)
        return;
    if (claim != NULL && claim->users > 0)
        claim->users--;
    keyed_table_remove(&t->carrier->by_circuit, &t->entry);
    t->circuit = 0;
    t->path = 0;
    t->ask_at = TIME_NEVER;
    t->waiting = false;
    t->asked = 0;
}

void trunk_free(struct trunk *t)
{
    struct carrier *c = t->carrier;

    leave_circuit(t);
    if (t->holds)
        member_release(c->member, t->hops);
    if (t->kind == TRUNK_EXIT)
        LIST_REMOVE(t, of_exits);
    c->trunks[t->place] = NULL;
    c->stats.trunks--;
    c->own -= t->kind != TRUNK_VISITORS && !t->ending;
    free(t);
}

/* ---- Circuits ----------------------------------------------------------- */

/* A number of its own each time: what is on its way belongs to the last. */
static uint64_t next_path(struct trunk *t)
{
    return ++t->carrier->turns << PLACE_BITS | t->place;
}

/* Packets of the connection go over it, by this number. False: no memory, and
 * it is on none. */
static bool enter_circuit(struct trunk *t, uint32_t circuit, uint64_t path,
                          uint64_t now)
{
    struct carrier *c = t->carrier;
    struct claim *claim;

    leave_circuit(t);
    claim = claims_take(c->claims, circuit, t->hops, t->isolation, now);
    if (claim == NULL)
        return false;
    t->circuit = circuit;
    if (keyed_table_add(&c->by_circuit, &t->entry) != OK) {
        t->circuit = 0;
        return false;
    }
    claim->users++;
    member_keep_exit(c->member, circuit);
    t->path = path;
    t->tries = 0;
    t->retry_at = TIME_NEVER;
    t->quiet = QUIET_MIN;
    t->ask_at = time_after(now, t->quiet);
    return true;
}

static uint64_t path_rtt(const struct trunk *t)
{
    return member_rtt_of(t->carrier->member, t->circuit);
}

static bool is_used(const struct carrier *c, uint32_t circuit)
{
    const struct claim *claim = claims_find(c->claims, circuit);

    return claim != NULL && claim->users > 0;
}

static bool has_refused(const struct carrier_call *call, const uint8_t exit[32])
{
    for (unsigned i = 0; i < call->refusals; i++)
        if (memcmp(call->refused_by[i], exit, 32) == 0)
            return true;
    return false;
}

static uint16_t port_of(const struct stream_request *r)
{
    if (r->kind != STREAM_CONNECT)
        return 0;
    return r->name.len > 0 ? r->port : r->ep.port;
}

/* Of `count` circuits those stay that nobody else has. */
static unsigned keep_free(const struct carrier *c, uint64_t isolation,
                          uint32_t *ids, unsigned count)
{
    unsigned fit = 0;

    for (unsigned i = 0; i < count; i++)
        if (claims_allow(c->claims, ids[i], isolation) && !is_used(c, ids[i]) &&
            !member_retires(c->member, ids[i]))
            ids[fit++] = ids[i];
    return fit;
}

static struct circuit_wish wish_of(const struct carrier_call *call)
{
    return (struct circuit_wish){.protocol = MEMBER_TCP,
                                 .hops = call->target.hops,
                                 .isolation = call->target.isolation,
                                 .port = port_of(&call->target.request),
                                 .avoid =
                                     (const uint8_t(*)[32])call->refused_by,
                                 .avoid_count = call->refusals};
}

static struct chooser chooser_of(const struct carrier *c)
{
    return (struct chooser){
        .member = c->member, .claims = c->claims, .random = c->random};
}

static uint32_t draw_circuit(const struct carrier_call *call)
{
    struct carrier *c = call->carrier;
    struct chooser chooser = chooser_of(c);
    struct circuit_wish wish = wish_of(call);
    uint32_t ids[CHOICE_MAX];
    unsigned count = choose_fitting(&chooser, &wish, ids);

    return choose_one(&chooser, ids,
                      keep_free(c, call->target.isolation, ids, count));
}

/* What is built for the one does for the other. */
static bool wants_the_same(const struct carrier_call *a,
                           const struct carrier_call *b)
{
    return a->target.isolation == b->target.isolation &&
           a->target.hops == b->target.hops &&
           port_of(&a->target.request) == port_of(&b->target.request) &&
           a->refusals == 0 && b->refusals == 0;
}

static bool is_opened_for_another(const struct carrier_call *call)
{
    const struct carrier_call *other;

    LIST_FOREACH(other, &call->carrier->opening, of_opening)
    {
        if (wants_the_same(call, other))
            return true;
    }
    return false;
}

/* A circuit that carries no streams, of another key, makes way: its trunk ends,
 * and then it is nobody's (claims_spare). */
static void give_way(const struct carrier_call *call, uint64_t now)
{
    struct carrier *c = call->carrier;
    const struct claim *oldest = NULL;
    struct trunk *found = NULL;

    for (unsigned i = 0; i < c->places; i++) {
        struct trunk *t = c->trunks[i];
        const struct claim *claim;

        if (t == NULL || t->kind != TRUNK_EXIT || t->ending ||
            t->hops != call->target.hops ||
            t->isolation == call->target.isolation ||
            stream_conn_streams(t->conn) > 0)
            continue;
        claim = claims_find(c->claims, t->circuit);
        if (claim != NULL &&
            (oldest == NULL || claim->used_at < oldest->used_at)) {
            oldest = claim;
            found = t;
        }
    }
    if (found != NULL)
        end(found, now);
}

bool trunk_open_for(struct carrier_call *call, uint64_t now)
{
    struct chooser chooser = chooser_of(call->carrier);
    struct circuit_wish wish = wish_of(call);
    uint32_t opening;
    enum error e;

    if (call->opening != 0 || call->opened == OPEN_MAX ||
        is_opened_for_another(call))
        return true;
    e = choose_to_open(&chooser, &wish, NULL, NULL, now, &opening);
    if (e == ERR_FULL)
        give_way(call, now);
    if (e == OK) {
        call->opened++;
        call->opening = opening;
        LIST_INSERT_HEAD(&call->carrier->opening, call, of_opening);
    }
    return e != ERR_NO_NODES;
}

/* ---- To exits ----------------------------------------------------------- */

static bool suits(const struct trunk *t, const struct carrier_call *call)
{
    const struct carrier *c = t->carrier;

    return t->kind == TRUNK_EXIT && !t->ending &&
           t->hops == call->target.hops &&
           t->isolation == call->target.isolation &&
           !has_refused(call, t->exit) &&
           (t->circuit == 0 ||
            member_connects_to(c->member, t->circuit,
                               port_of(&call->target.request)));
}

/* How soon a stream that is opened there now gets anywhere; 0: not now. */
static unsigned promise_of(const struct trunk *t)
{
    if (t->full)
        return 0;
    if (stream_conn_is_clogged(t->conn))
        return 1;
    return t->circuit == 0 ? 2 : 3;
}

/* The best of those that suit. `waits`: there is one that is full, and will say
 * how many streams it takes. */
static struct trunk *find_exit(const struct carrier_call *call, bool *waits)
{
    struct trunk *found = NULL, *t;

    *waits = false;
    LIST_FOREACH(t, &call->carrier->exits, of_exits)
    {
        if (!suits(t, call))
            continue;
        *waits |= t->full && !stream_conn_answered(t->conn);
        if (promise_of(t) > (found == NULL ? 0 : promise_of(found)))
            found = t;
    }
    return found;
}

static struct trunk *connect_over(const struct carrier_call *call,
                                  uint32_t circuit, uint64_t now)
{
    struct carrier *c = call->carrier;
    struct trunk *t = trunk_of_ours(c, TRUNK_EXIT, now);

    if (t == NULL)
        return NULL;
    t->hops = call->target.hops;
    t->isolation = call->target.isolation;
    t->holds = member_hold(c->member, t->hops, now) == OK;
    member_exit_of(c->member, circuit, t->exit);
    if (!enter_circuit(t, circuit, next_path(t), now) ||
        stream_connect(c->streams, t->path, path_rtt(t), &carrier_call_streams,
                       t, now, &t->conn) != OK) {
        trunk_free(t);
        return NULL;
    }
    return t;
}

static struct trunk *exit_for(struct carrier_call *call, uint64_t now,
                              enum reason *why, bool *waits)
{
    struct trunk *found = find_exit(call, waits), *t;
    uint32_t circuit;

    if (*waits || (found != NULL && promise_of(found) > 1))
        return found;
    circuit = draw_circuit(call);
    if (circuit == 0) /* a clogged one is better than none at all */
        return call->retries < CLOGGED_TRIES ? NULL : found;
    t = connect_over(call, circuit, now);
    if (t == NULL && found == NULL)
        *why = REASON_FULL;
    return t != NULL ? t : found;
}

/* ---- To peers ----------------------------------------------------------- */

static struct trunk *find_peer(const struct carrier *c, enum trunk_kind kind,
                               uint64_t peer)
{
    for (unsigned i = 0; i < c->places; i++) {
        struct trunk *t = c->trunks[i];

        if (t != NULL && t->kind == kind && t->peer == peer && !t->ending)
            return t;
    }
    return NULL;
}

/* The peer that the call is for; 0: it is not there yet. */
static uint64_t peer_of(const struct carrier_call *call)
{
    struct services *s = member_services(call->carrier->member);
    struct service_peer_status peer;

    if (call->target.peer != 0)
        return call->target.peer;
    if (service_peers(s, call->target.service, &peer, 1) == 0)
        return 0;
    return peer.id;
}

static struct trunk *peer_for(struct carrier_call *call, uint64_t now,
                              enum reason *why)
{
    struct carrier *c = call->carrier;
    uint64_t peer = peer_of(call);
    struct trunk *t = find_peer(c, TRUNK_PEER, peer);
    enum error e;

    if (peer == 0) {
        e = service_connect(member_services(c->member), call->target.service,
                            now);
        if (e == ERR_NOT_FOUND)
            *why = REASON_REQUESTED;
        return NULL;
    }
    if (t != NULL)
        return t->full ? NULL : t;
    t = trunk_of_ours(c, TRUNK_PEER, now);
    if (t == NULL) {
        *why = REASON_FULL;
        return NULL;
    }
    t->peer = peer;
    t->path = PEER_PATH | peer;
    if (stream_connect(c->streams, t->path, 0, &carrier_call_streams, t, now,
                       &t->conn) == OK)
        return t;
    trunk_free(t);
    *why = REASON_FULL;
    return NULL;
}

struct trunk *trunk_for(struct carrier_call *call, uint64_t now,
                        enum reason *why, bool *waits)
{
    *why = REASON_UNKNOWN;
    *waits = false;
    if (call->target.request.kind == STREAM_PORT)
        return peer_for(call, now, why);
    return exit_for(call, now, why, waits);
}

struct trunk *trunk_of_visitors(struct carrier *c, struct stream_conn *conn,
                                uint64_t peer)
{
    struct trunk *t = trunk_new(c, TRUNK_VISITORS);

    if (t == NULL)
        return NULL;
    t->conn = conn;
    t->peer = peer;
    t->path = PEER_PATH | peer;
    t->service = service_of_peer(member_services(c->member), peer);
    return t;
}

void trunks_peer_gone(struct carrier *c, uint64_t peer, uint64_t now)
{
    for (unsigned i = 0; i < c->places; i++) {
        struct trunk *t = c->trunks[i];

        if (t != NULL && t->kind != TRUNK_EXIT && t->peer == peer)
            end(t, now);
    }
}

/* ---- Moving ------------------------------------------------------------- */

static void look_later(struct trunk *t, uint64_t now)
{
    uint64_t pause = RETRY_FIRST << (t->tries < 6 ? t->tries : 6);

    t->tries++;
    t->retry_at = time_after(now, time_min(pause, RETRY_MAX));
}

/* One that is ready, and leads there. */
static uint32_t find_ready(const struct trunk *t)
{
    const struct carrier *c = t->carrier;
    uint32_t ids[CHOICE_MAX];
    unsigned count = member_active(c->member, t->hops, ids, CHOICE_MAX);
    uint8_t exit[32];

    count = keep_free(c, t->isolation, ids,
                      count < CHOICE_MAX ? count : CHOICE_MAX);
    for (unsigned i = 0; i < count; i++)
        if (member_exit_of(c->member, ids[i], exit) &&
            memcmp(exit, t->exit, sizeof(exit)) == 0)
            return ids[i];
    return 0;
}

/* The connection first: without memory for it to move it stays where it is.
 * Nothing is sent before we are left. */
static bool move_to(struct trunk *t, uint32_t circuit, uint64_t now)
{
    struct carrier *c = t->carrier;
    uint64_t path = next_path(t);

    if (stream_move(t->conn, path, now) != OK) {
        look_later(t, now);
        return false;
    }
    if (!enter_circuit(t, circuit, path, now)) {
        streams_path_gone(c->streams, path, now);
        look_later(t, now);
        return false;
    }
    c->stats.moves++;
    return true;
}

static bool is_opening(const struct trunk *t)
{
    for (unsigned i = 0; i < TRUNK_OPENING; i++)
        if (t->opening[i] != 0)
            return true;
    return false;
}

static void open_some(struct trunk *t, uint64_t now)
{
    struct carrier *c = t->carrier;
    struct member_wish wish = {.protocol = MEMBER_TCP, .exit = t->exit};

    for (unsigned i = 0; i < TRUNK_OPENING; i++) {
        if (t->opening[i] != 0)
            continue;
        if (member_open(c->member, t->hops, &wish, now, &t->opening[i]) != OK) {
            t->opening[i] = 0;
            return;
        }
        claims_take(c->claims, t->opening[i], t->hops, t->isolation, now);
    }
}

/* Another circuit to its exit: one that is there, or two more. */
static void look(struct trunk *t, uint64_t now)
{
    uint32_t ready = find_ready(t);

    if (ready != 0) {
        move_to(t, ready, now);
        return;
    }
    look_later(t, now);
    open_some(t, now);
}

/* It is not being opened any more. False: it never was. */
static bool forget_opening(struct trunk *t, uint32_t circuit)
{
    for (unsigned i = 0; i < TRUNK_OPENING; i++) {
        if (t->opening[i] == circuit) {
            t->opening[i] = 0;
            return true;
        }
    }
    return false;
}

/* The circuit that it is on will not do for long. */
static bool wants_another(const struct trunk *t)
{
    return t->circuit == 0 || member_retires(t->carrier->member, t->circuit);
}

/* Without streams there is nothing to go on with: it ends. */
static void lose_circuit(struct trunk *t, uint64_t now)
{
    uint64_t path = t->path;

    leave_circuit(t);
    if (stream_conn_streams(t->conn) == 0) {
        end(t, now);
        return;
    }
    streams_path_gone(t->carrier->streams, path, now);
    look(t, now);
}

/* Built anew behind a hop that was lost: maybe with another exit. */
static bool leads_there(const struct trunk *t, uint32_t circuit)
{
    uint8_t exit[32];

    return member_exit_of(t->carrier->member, circuit, exit) &&
           memcmp(exit, t->exit, sizeof(exit)) == 0;
}

/* Of two that were opened the later one is spare: look finds it. */
static void circuit_ready(struct trunk *t, uint32_t circuit, uint64_t now)
{
    if (circuit == 0)
        return;
    if (forget_opening(t, circuit)) {
        if (wants_another(t))
            look(t, now);
    } else if (circuit == t->circuit) {
        /* The exit has it as another one. */
        if (!leads_there(t, circuit) || !move_to(t, circuit, now))
            lose_circuit(t, now);
    }
}

static void circuit_closed(struct trunk *t, uint32_t circuit, uint64_t now)
{
    if (circuit == 0)
        return;
    if (forget_opening(t, circuit)) {
        if (wants_another(t) && t->retry_at == TIME_NEVER)
            look_later(t, now);
    } else if (circuit == t->circuit) {
        lose_circuit(t, now);
    }
}

/* Something came: a packet, or the word of the exit that it is there. */
static void heard(struct trunk *t, uint64_t quiet, uint64_t now)
{
    t->waiting = false;
    t->asked = 0;
    t->quiet = quiet;
    t->ask_at = time_after(now, quiet);
}

static struct trunk *trunk_on(const struct carrier *c, uint32_t circuit)
{
    const struct bytes key =
        bytes_of((const uint8_t *)&circuit, sizeof(circuit));

    return (struct trunk *)keyed_table_find(&c->by_circuit, key);
}

static void packet_came(struct carrier *c, const struct member_event *event,
                        uint64_t now)
{
    struct trunk *t = trunk_on(c, event->circuit);

    if (t == NULL)
        return;
    heard(t, QUIET_MIN, now);
    streams_receive(c->streams, t->path, false, NULL, event->payload.p,
                    event->payload.len, now);
}

void trunks_event(struct carrier *c, const struct member_event *event,
                  uint64_t now)
{
    struct trunk *t;

    if (event->kind == MEMBER_PACKET) {
        packet_came(c, event, now);
        return;
    }
    LIST_FOREACH(t, &c->exits, of_exits)
    {
        if (event->kind == MEMBER_CIRCUIT_READY)
            circuit_ready(t, event->circuit, now);
        else if (event->kind == MEMBER_CIRCUIT_CLOSED)
            circuit_closed(t, event->circuit, now);
        else if (event->kind == MEMBER_PONG && event->circuit == t->circuit &&
                 event->hop == event->length)
            heard(t, time_min(2 * t->quiet, QUIET_MAX), now);
    }
}

/* ---- Sending, and silence ----------------------------------------------- */

static uint64_t patience(const struct trunk *t)
{
    uint64_t time = 4 * stream_conn_rtt(t->conn);

    if (time < SILENCE_MIN)
        return SILENCE_MIN;
    return time_min(time, SILENCE_MAX);
}

void trunks_send(void *ctx, uint64_t path, bool to_acceptor,
                 struct bytes packet, uint64_t now)
{
    struct carrier *c = ctx;
    unsigned place = path % PLACES_MAX;
    struct trunk *t;

    if (path & PEER_PATH) {
        service_peer_packet(member_services(c->member), path & ~PEER_PATH,
                            to_acceptor, packet, now);
        return;
    }
    t = place < c->places ? c->trunks[place] : NULL;
    if (t == NULL || t->path != path)
        return;
    if (!t->waiting && t->conn != NULL) {
        t->waiting = true;
        t->ask_at = time_min(t->ask_at, time_after(now, patience(t)));
    }
    member_packet(c->member, t->circuit, packet, now);
}

/* Nothing came: are the hops there? */
static void doubt(struct trunk *t, uint64_t now)
{
    struct carrier *c = t->carrier;
    uint32_t circuit = t->circuit;

    if (!t->waiting && t->asked == 0 && stream_conn_streams(t->conn) == 0) {
        t->ask_at = TIME_NEVER; /* nobody cares, until something is sent */
        return;
    }
    t->ask_at = time_after(now, patience(t) / 2);
    if (t->asked < QUESTIONS) {
        t->asked++;
        member_ping(c->member, circuit, now);
        return;
    }
    c->stats.silences++;
    member_close(c->member, circuit, now); /* first: else look finds it */
    if (t->circuit == circuit)
        lose_circuit(t, now);
}

static void tick(struct trunk *t, uint64_t now)
{
    if (now >= t->retry_at) {
        t->retry_at = TIME_NEVER;
        if (wants_another(t))
            look(t, now);
    }
    if (now >= t->ask_at)
        doubt(t, now); /* which may end it */
}

static void look_at_ages(struct carrier *c, uint64_t now)
{
    struct trunk *t;

    c->look_at = time_after(now, LOOK_EVERY);
    LIST_FOREACH(t, &c->exits, of_exits)
    {
        if (t->circuit != 0 && t->retry_at == TIME_NEVER && !is_opening(t) &&
            stream_conn_streams(t->conn) > 0 &&
            member_retires(c->member, t->circuit))
            look(t, now);
    }
}

void trunks_tick(struct carrier *c, uint64_t now)
{
    struct trunk *t;

    LIST_FOREACH(t, &c->exits, of_exits)
    {
        tick(t, now);
    }
    if (now >= c->look_at)
        look_at_ages(c, now);
}

uint64_t trunks_deadline(const struct carrier *c)
{
    uint64_t at = LIST_EMPTY(&c->exits) ? TIME_NEVER : c->look_at;
    const struct trunk *t;

    LIST_FOREACH(t, &c->exits, of_exits)
    {
        at = time_min(at, time_min(t->ask_at, t->retry_at));
    }
    return at;
}
