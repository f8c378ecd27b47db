/* SPDX-License-Identifier: MIT
 *
 * A services engine with a service of ours, a string and a service of somebody
 * else, over scripted circuits and lookups: relays say what the input says, raw
 * or in the right form at a wrong moment, other ends come and go, the DHT lies,
 * time jumps, and commands come between. Each peer is told once as there and
 * once as gone; what is under way stays within its caps; at the end nothing is
 * left. Public keys are a toy here, in which everybody can compute what the
 * other end does: what is looked at is the engine.
 */
#include "fuzz.h"

/* What the engine does leads the search, not what plays the world around it,
 * which would cost more than half of the time. */
#ifdef __clang__
#pragma clang attribute push(__attribute__((no_sanitize("coverage"))), \
                             apply_to = function)
#endif

#include "service/service_caller.h"
#include "service/service_published.h"

#include "tunnel/record/effort.h"
#include "tunnel/record/topic.h"

#define INPUT_MAX 256
#define ENDS      64 /* other ends of channels that can speak */
#define PUTS      8  /* what was put, to be found */
#define SPINS     50 /* ticks until nothing is due */
/* Circuits: of points, two each; of attempts; of visits; legs; inquiries. */
#define CIRCUITS_MAX (4 * 12 + 2 * 32 + 3 * VISIT_ACTIVE + 3 * 64 + 64)

/* ---- Toys ---------------------------------------------------------------- */

int __wrap_crypto_scalarmult(unsigned char *q, const unsigned char *n,
                             const unsigned char *p);
int __wrap_crypto_scalarmult_base(unsigned char *q, const unsigned char *n);
int __wrap_crypto_scalarmult_ed25519_noclamp(unsigned char *q,
                                             const unsigned char *n,
                                             const unsigned char *p);
int __wrap_crypto_scalarmult_ed25519_base_noclamp(unsigned char *q,
                                                  const unsigned char *n);
void __wrap_crypto_core_ed25519_scalar_mul(unsigned char *z,
                                           const unsigned char *x,
                                           const unsigned char *y);
void __wrap_crypto_core_ed25519_scalar_reduce(unsigned char *r,
                                              const unsigned char *s);
int __wrap_crypto_sign_seed_keypair(unsigned char *pk, unsigned char *sk,
                                    const unsigned char *seed);
int __wrap_crypto_sign_detached(unsigned char *sig, unsigned long long *siglen,
                                const unsigned char *m, unsigned long long len,
                                const unsigned char *sk);
int __wrap_crypto_sign_verify_detached(const unsigned char *sig,
                                       const unsigned char *m,
                                       unsigned long long len,
                                       const unsigned char *pk);
int __wrap_crypto_pwhash(unsigned char *out, unsigned long long outlen,
                         const char *passwd, unsigned long long passwdlen,
                         const unsigned char *salt, unsigned long long opslimit,
                         size_t memlimit, int alg);

static const uint8_t forged[8] = {0xff, 0xff, 0xff, 0xff,
                                  0xff, 0xff, 0xff, 0xff};

static void exclusive_or(uint8_t *out, const uint8_t *a, const uint8_t *b)
{
    for (unsigned i = 0; i < 32; i++)
        out[i] = a[i] ^ b[i];
}

int __wrap_crypto_scalarmult(unsigned char *q, const unsigned char *n,
                             const unsigned char *p)
{
    exclusive_or(q, n, p);
    return sodium_is_zero(p, 32) ? -1 : 0;
}

int __wrap_crypto_scalarmult_base(unsigned char *q, const unsigned char *n)
{
    memmove(q, n, 32);
    return 0;
}

int __wrap_crypto_scalarmult_ed25519_noclamp(unsigned char *q,
                                             const unsigned char *n,
                                             const unsigned char *p)
{
    exclusive_or(q, n, p);
    return 0;
}

int __wrap_crypto_scalarmult_ed25519_base_noclamp(unsigned char *q,
                                                  const unsigned char *n)
{
    memmove(q, n, 32);
    return 0;
}

void __wrap_crypto_core_ed25519_scalar_mul(unsigned char *z,
                                           const unsigned char *x,
                                           const unsigned char *y)
{
    exclusive_or(z, x, y);
}

void __wrap_crypto_core_ed25519_scalar_reduce(unsigned char *r,
                                              const unsigned char *s)
{
    memmove(r, s, 32);
}

int __wrap_crypto_sign_seed_keypair(unsigned char *pk, unsigned char *sk,
                                    const unsigned char *seed)
{
    memcpy(pk, seed, 32);
    memcpy(sk, seed, 32);
    memcpy(sk + 32, seed, 32);
    return 0;
}

int __wrap_crypto_sign_detached(unsigned char *sig, unsigned long long *siglen,
                                const unsigned char *m, unsigned long long len,
                                const unsigned char *sk)
{
    (void)m, (void)len, (void)sk;
    memset(sig, 0, 64);
    if (siglen != NULL)
        *siglen = 64;
    return 0;
}

int __wrap_crypto_sign_verify_detached(const unsigned char *sig,
                                       const unsigned char *m,
                                       unsigned long long len,
                                       const unsigned char *pk)
{
    (void)m, (void)len, (void)pk;
    return memcmp(sig, forged, sizeof(forged)) == 0 ? -1 : 0;
}

int __wrap_crypto_pwhash(unsigned char *out, unsigned long long outlen,
                         const char *passwd, unsigned long long passwdlen,
                         const unsigned char *salt, unsigned long long opslimit,
                         size_t memlimit, int alg)
{
    (void)salt, (void)opslimit, (void)memlimit, (void)alg;
    return crypto_generichash(
        out, (size_t)outlen, (const unsigned char *)passwd, passwdlen, NULL, 0);
}

/* ---- The world ----------------------------------------------------------- */

struct far_end {
    uint32_t circuit; /* its id; 0: free */
    struct onion_sender out;
};

static struct input in;
static uint32_t ids[3]; /* by enum service_kind; 0: none */
static struct answerer other;
static struct caller callers[8];
static uint32_t caller_circuits[8];
static struct far_end ends[ENDS];
static unsigned end_next;
static struct scene_request stored[PUTS];
static unsigned put_next;
static uint8_t string_root[32];

static uint32_t take_number(void)
{
    uint32_t n = 0;

    for (unsigned i = 0; i < 4; i++)
        n = n << 8 | input_take(&in);
    return n;
}

static void take_bytes(uint8_t *out, size_t len)
{
    for (size_t i = 0; i < len; i++)
        out[i] = input_take(&in);
}

static void add_end(const struct circuit *c, const struct channel_keys *keys)
{
    struct far_end *e = &ends[end_next++ % ENDS];

    e->circuit = c->id;
    onion_sender_init(&e->out, keys->out);
}

/* ---- Services ------------------------------------------------------------ */

static void begin_service(enum service_kind kind)
{
    static const uint8_t member[32] = {'m'};
    uint8_t access[3][32] = {{1}, {2}, {3}};
    uint8_t how = input_take(&in);
    struct service_options o = {.hops = 1 + how % 3,
                                .points = how / 4 % 8,
                                .max_peers = how / 32,
                                .access = (const uint8_t(*)[32])access};
    struct service_memory memory = {.points = scene.rows,
                                    .point_count = scene.row_count,
                                    .seqs = scene.seqs,
                                    .seq_count = scene.seq_count};
    struct service_name name = published_name(false);
    enum error e;

    if (kind == SERVICE_KEY) {
        o.access_count = how / 64;
        e = service_serve(scene.s, scene_seed, &o, &memory, scene.now,
                          &ids[kind]);
    } else if (kind == SERVICE_STRING) {
        o.observer = how == 255;
        e = service_join(scene.s, bytes_of_text("a string"), member, &o, NULL,
                         scene.now, &ids[kind]);
    } else {
        e = service_reach(scene.s, name.key, NULL, o.hops, scene.now,
                          &ids[kind]);
    }
    (void)e;
}

/* NULL: there is none of this kind now. */
static struct service *service_of(enum service_kind kind)
{
    return ids[kind] == 0 ? NULL : service_find(scene.s, ids[kind]);
}

static uint64_t some_peer(uint8_t which)
{
    return scene.s->peer_count == 0
               ? which
               : scene.s->peers[which % scene.s->peer_count]->id;
}

static void reconfigure(uint8_t which)
{
    uint8_t access[3][32] = {{which}, {2}, {3}};
    struct service_options o = {.hops = 3,
                                .points = which % 8,
                                .max_peers = which / 8 % 4,
                                .access_count = which / 64,
                                .access = (const uint8_t(*)[32])access};
    struct service *service = service_of(SERVICE_KEY);

    if (service != NULL)
        o.hops = service->options.hops;
    service_reconfigure(scene.s, ids[SERVICE_KEY], &o, scene.now);
}

static void send_some(uint8_t which)
{
    static const uint8_t payload[CHANNEL_PAYLOAD_MAX + 1];
    size_t len = input_take(&in) * 38u;
    struct bytes data = bytes_of(payload, len);

    if (which & 1)
        service_send(scene.s, ids[SERVICE_REMOTE], which, data, scene.now);
    else
        service_peer_send(scene.s, some_peer(which), which, data, scene.now);
}

static void command(uint8_t which)
{
    static const struct work_proof proof = {.nonce = 1};
    uint8_t more = input_take(&in);
    enum service_kind kind = which / 16 % 3;

    switch (which % 11) {
    case 0:
        service_connect(scene.s, ids[SERVICE_REMOTE], scene.now);
        break;
    case 1:
    case 2:
        send_some(more);
        break;
    case 3:
        service_peer_close(scene.s, some_peer(more), scene.now);
        break;
    case 4:
        service_probe(scene.s, ids[SERVICE_KEY], scene.now);
        break;
    case 5:
        reconfigure(more);
        break;
    case 6:
        service_leave(scene.s, ids[kind], more & 1, scene.now);
        break;
    case 7:
    case 8:
        begin_service(kind);
        break;
    case 9:
        services_network_changed(scene.s, scene.now);
        break;
    default:
        services_solved(scene.s, scene.work.id, more & 1, &proof, scene.now);
        break;
    }
}

/* ---- Circuits ------------------------------------------------------------ */

static struct circuit *some_circuit(uint8_t which)
{
    return scene.circuits.count == 0
               ? NULL
               : &scene.circuits.at[which % scene.circuits.count]->c;
}

static void circuit_happens(uint8_t which)
{
    struct circuit *c = some_circuit(input_take(&in));
    uint8_t how = input_take(&in);

    if (c == NULL)
        return;
    if (which % 4 == 0)
        scene_end(c, reason_of(how), how % (c->length + 1));
    else if (which % 4 == 1)
        route_refused(c, reason_of(how), scene.now);
    else if (c->state == CIRCUIT_BUILDING)
        scene_reached(c);
}

/* All that are being built, and whoever waits. */
static void much_is_reached(uint8_t which)
{
    struct circuit *c;

    scene_stems(which % 16);
    for (unsigned i = 0; i < which / 16u && (c = scene_building()); i++)
        scene_reached(c);
}

/* ---- What relays say ----------------------------------------------------- */

static void say_raw(struct circuit *c)
{
    size_t cell = input_take(&in) & 1 ? CELL_LARGE : CELL_SMALL;
    size_t len = onion_message_len(cell - CELL_BODY_OFFSET);
    uint8_t text[CELL_TEXT_MAX] = {0};
    size_t given = input_take(&in) * 6u;

    take_bytes(text, given < len ? given : len);
    route_message(c, 1 + input_take(&in) % 4, bytes_of(text, len), scene.now);
}

static void say_status(struct circuit *c, enum meeting_message_type type,
                       uint8_t which)
{
    struct meeting_message m = {.type = type,
                                .status = which % MEETING_STATUS_END_};

    if (which >= 128)
        m.effort = take_number();
    else if (m.status == MEETING_AGAIN)
        m.effort = (uint32_t)scene.wall;
    scene_say(c, &m);
}

static void say_ready(struct circuit *c, uint8_t which)
{
    static const uint8_t foreign[MEETING_COOKIE_BYTES];
    const struct scene_circuit *sc = scene_of(c);
    struct meeting_message m = {.type = MEETING_READY, .cookie = foreign};

    if (sc->last.type == MEETING_RENDEZVOUS && which % 8 != 7)
        m.cookie = sc->last.cookie;
    scene_say(c, &m);
}

/* What the service is asked through a point of ours. */
static void say_introduced(struct circuit *c, uint8_t which)
{
    struct service *service =
        service_of(which & 1 ? SERVICE_STRING : SERVICE_KEY);
    struct caller *caller = &callers[which % COUNT_OF(callers)];
    uint8_t how = input_take(&in), n = input_take(&in);
    struct meeting_message m = {.type = MEETING_INTRODUCED, .handle = which};
    const struct route *r = c->above;
    const struct point *p = r->holder; /* when it is a point's */
    const uint8_t *secret, *key;
    bool is_point = scene_of(c)->said[MEETING_INTRO_ESTABLISH] > 0;

    if (service == NULL || !is_point || p == NULL)
        return;
    m.auth_id = p->keys.auth_id;
    key = p->keys.service_key;
    if (service->swarm != NULL)
        swarm_member_key(service->swarm, &secret, &key);
    if (how < 224) { /* else what it said before */
        *caller = caller_of(n % SCENE_RELAYS);
        caller->i.flags = how % 16 == 0 ? INVITATION_PROBE : 0;
        caller->i.resume = how % 16 == 1;
        memcpy(caller->i.resume_id, callers[n % 8].keys.resume, 16);
        if (how % 16 == 2)
            caller->i.greeting = take_number();
        if (service->swarm != NULL) {
            caller->i.has_member = true;
            memset(caller->i.member, n | 1, 32);
            (void)member_prove(caller->i.member, caller->i.member, key,
                               caller->ephemeral, caller->i.mac);
        }
        caller_seal(caller, key, service->credential);
        caller_circuits[which % COUNT_OF(callers)] = 0;
    }
    m.noise = bytes_of(caller->noise1, sizeof(caller->noise1));
    m.has_work = how % 16 == 3;
    if (m.has_work) {
        m.work.effort = take_number();
        work_hint(gate_effort(service->gate)->seed[0], m.auth_id, m.work.hint);
    }
    scene_say(c, &m);
}

/* The service has said JOIN: whoever asked for it is there, or says so. */
static void say_joined_to_service(struct circuit *c)
{
    const struct meeting_message m = {.type = MEETING_JOINED};
    struct scene_circuit *sc = scene_of(c);

    for (unsigned i = 0; i < COUNT_OF(callers); i++) {
        struct caller *caller = &callers[i];

        if (caller_circuits[i] != 0 ||
            memcmp(sc->last.cookie, caller->i.cookie, 16) != 0)
            continue;
        if (invitation_answered(&caller->noise, sc->last.noise,
                                &caller->resumed, &caller->keys) == OK) {
            caller_circuits[i] = c->id;
            add_end(c, &caller->keys);
        }
    }
    scene_say(c, &m);
}

/* We have asked: the other end comes, or somebody else does. */
static void say_joined_to_us(struct circuit *c, uint8_t which)
{
    struct answerer a = other;

    for (unsigned i = 0; i < scene.circuits.count; i++) {
        struct scene_circuit *sc = scene.circuits.at[i];
        struct service *service =
            service_of(which & 1 ? SERVICE_STRING : SERVICE_REMOTE);

        if (sc->last.type != MEETING_INTRODUCE || service == NULL ||
            !answerer_reads(&a, sc->last.noise.p, service->credential,
                            which & 2))
            continue;
        add_end(c, &a.keys);
        other = a;
    }
    answerer_comes(&other, c);
}

static void say_joined(struct circuit *c, uint8_t which)
{
    if (scene_of(c)->last.type == MEETING_JOIN)
        say_joined_to_service(c);
    else
        say_joined_to_us(c, which);
}

/* Members of the string, as its entries are, at the point that was asked. */
static void say_members(struct circuit *c, uint8_t which)
{
    static uint8_t entries[MEETING_MEMBERS_MAX][ENTRY_BYTES];
    static uint8_t auth_ids[MEETING_MEMBERS_MAX][AUTH_ID_BYTES];
    static const uint8_t nonce[ENTRY_NONCE_BYTES];
    struct meeting_message m = {.type = MEETING_MEMBERS,
                                .total = which,
                                .member_count = which % 9,
                                .target_count = which / 16 % 5};
    uint32_t period = period_of(scene.wall) + (which >= 192);
    struct entry_place place;
    uint8_t key[32];

    topic_of(string_root, period, place.topic);
    topic_entry_key(string_root, period, key);
    memcpy(place.relay, c->hop[c->length - 1].target.identity, 32);
    for (unsigned i = 0; i < m.member_count; i++) {
        uint8_t n = input_take(&in);
        struct entry e = {.issued = (uint32_t)scene.wall - n % 16 * 600};

        memset(e.member, n, sizeof(e.member));
        if (n % 8 == 0)
            memcpy(e.member, other.key, sizeof(e.member));
        memset(auth_ids[i], n, AUTH_ID_BYTES);
        memcpy(place.auth_id, auth_ids[i], AUTH_ID_BYTES);
        entry_seal(key, &place, &e, nonce, entries[i]);
        m.members[i] = (struct meeting_member){auth_ids[i], entries[i]};
    }
    for (unsigned i = 0; i < m.target_count; i++)
        m.targets[i] = scene_target(input_take(&in) % SCENE_RELAYS);
    scene_say(c, &m);
}

static void say(uint8_t which)
{
    struct circuit *c = some_circuit(input_take(&in));
    uint8_t how = input_take(&in);

    if (c == NULL)
        return;
    switch (which % 8) {
    case 0:
        say_raw(c);
        break;
    case 1:
        say_status(c, MEETING_INTRO_ESTABLISHED, how);
        break;
    case 2:
        say_status(c, MEETING_INTRODUCE_ACK, how);
        break;
    case 3:
        say_ready(c, how);
        break;
    case 4:
        say_joined(c, how);
        break;
    case 5:
        say_members(c, how);
        break;
    default:
        if (c->above != NULL)
            say_introduced(c, how);
        break;
    }
}

/* Each relay gives the answer that is wanted of it: the way to what lies
 * behind. */
static void all_goes_well(void)
{
    for (unsigned i = 0; i < scene.circuits.count; i++) {
        struct scene_circuit *sc = scene.circuits.at[i];
        struct circuit *c = &sc->c;

        if (c->state != CIRCUIT_READY || c->joined)
            continue;
        if (sc->last.type == MEETING_INTRO_ESTABLISH)
            say_status(c, MEETING_INTRO_ESTABLISHED, MEETING_TAKEN);
        else if (sc->last.type == MEETING_RENDEZVOUS)
            say_ready(c, 0);
        else if (sc->last.type == MEETING_JOIN)
            say_joined_to_service(c);
    }
}

/* ---- What other ends say ------------------------------------------------- */

static struct end_message take_end_message(uint8_t which, uint8_t *space)
{
    struct end_message m = {.type = 1 + which % 8,
                            .nonce = input_take(&in),
                            .port = input_take(&in),
                            .reason = reason_of(which / 8),
                            .cookie = space,
                            .noise1 = bytes_of(space, MEETING_NOISE1_BYTES)};
    struct service *service = service_of(SERVICE_KEY);

    m.payload = bytes_of(space, input_take(&in));
    m.piece = (struct piece){.id = input_take(&in) % 4u,
                             .index = input_take(&in) % 8u,
                             .count = 1 + input_take(&in) % 8u,
                             .bytes = bytes_of(space, 1 + which * 4u)};
    if (m.type == END_MOVE && service != NULL && scene.s->peer_count > 0) {
        const struct service_peer *p =
            scene.s->peers[which % scene.s->peer_count];
        struct caller *caller = &callers[which % COUNT_OF(callers)];

        *caller = caller_of(m.nonce % SCENE_RELAYS);
        if (!p->opened && !sodium_is_zero(p->own, 32))
            caller_seal(caller, p->own, p->service->credential);
        caller_circuits[which % COUNT_OF(callers)] = 0;
        m.cookie = caller->i.cookie;
        m.noise1 = bytes_of(caller->noise1, sizeof(caller->noise1));
    }
    return m;
}

static void end_says(uint8_t which)
{
    static uint8_t space[2048];
    struct circuit *c = some_circuit(input_take(&in));
    uint8_t body[CELL_LARGE_BODY] = {0};
    struct end_message m;

    if (c == NULL)
        return;
    for (unsigned i = 0; i < ENDS; i++) {
        if (ends[i].circuit != c->id)
            continue;
        m = take_end_message(which, space);
        if (m.type == END_PIECE && m.piece.index >= m.piece.count)
            return;
        scene_cell(c, &ends[i].out, &m);
        return;
    }
    take_bytes(body, 32);
    route_end(c, body, which & 1 ? CELL_LARGE_BODY : CELL_SMALL_BODY,
              scene.now);
}

/* ---- What the DHT says --------------------------------------------------- */

static void note_puts(void)
{
    const struct scene_request *r = scene_asked(SCENE_PUT, 0);

    if (r != NULL)
        stored[put_next++ % PUTS] = *r;
}

static void item_is_found(uint64_t id, uint8_t which)
{
    struct published p = published_now(which % 4);
    struct scene_request item = stored[which % PUTS];
    uint8_t how = input_take(&in);

    if (which & 64) {
        item.seq += how % 4;
    } else {
        p.points = how % 7;
        p.first = how / 8 % 8;
        p.effort = how & 128 ? 2000 : 0;
        p.seq = 1 + which % 4;
        p.period += which & 32 ? 1 : 0;
        p.issued -= which & 16 ? 6 * 3600 : 0;
        item = published_item(&p, &other);
    }
    if (how == 255)
        memcpy(item.signature, forged, sizeof(forged));
    scene_found(id, &item);
}

static void lookup_happens(uint8_t which)
{
    uint8_t how = input_take(&in);
    struct finder *f = &scene.finder;
    struct scene_request *r;

    note_puts();
    if (f->count == 0)
        return;
    r = &f->list[how % f->count];
    if (which < 192 && r->kind == SCENE_GET) {
        item_is_found(r->id, which);
    } else if (which < 192 && r->kind == SCENE_POINTS) {
        const struct link_target t = scene_link(which % SCENE_RELAYS);

        r->handler.point(r->handler.ctx, r->id, &t, scene.now);
    } else {
        scene_done(r->id, which % FINDER_ENDS, how % 16);
    }
}

/* ---- Time ---------------------------------------------------------------- */

static void check(void)
{
    const struct services *s = scene.s;

    assert(s->peer_count <= s->config.max_peers);
    assert(s->connect_count <= s->config.max_connects);
    assert(s->count <= s->config.max_services);
    assert(s->budget.used <= s->budget.max);
    assert(scene.circuits.count <= CIRCUITS_MAX);
    assert(scene.gone <= scene.there);
    for (unsigned i = 0; i < s->count; i++) {
        const struct service *service = s->list[i];

        if (service->gate != NULL)
            assert(gate_queued(service->gate) <=
                   s->config.max_queue + VISIT_ACTIVE + s->peer_count);
    }
}

static void time_passes(uint8_t which)
{
    static const uint64_t steps[] = {
        0,           TIME_MS,  100 * TIME_MS, TIME_S,
        10 * TIME_S, TIME_MIN, 9 * TIME_MIN,  3 * TIME_HOUR};
    uint64_t step = steps[which % 8] * (1 + which / 8 % 4);
    unsigned spins = 0;

    scene.now += step;
    scene.wall += step / TIME_S;
    if (which >= 252) /* somebody sets the clock */
        scene.wall += (uint64_t)input_take(&in) * 3600;
    if (which == 250)
        scene.wall -= 7200;
    do {
        scene_tick();
        assert(spins++ < SPINS);
    } while (services_next_deadline(scene.s) <= scene.now);
}

static void act(void)
{
    uint8_t what = input_take(&in), which = input_take(&in);

    switch (what % 10) {
    case 0:
    case 1:
        time_passes(which);
        break;
    case 2:
        command(which);
        break;
    case 3:
        circuit_happens(which);
        break;
    case 4:
        much_is_reached(which);
        break;
    case 5:
        all_goes_well();
        break;
    case 6:
        end_says(which);
        break;
    case 7:
        lookup_happens(which);
        break;
    default:
        say(which);
        break;
    }
    check();
}

/* The program stops: each peer that was there is known to be gone, or is freed
 * without a word. */
static void finish(void)
{
    scene_tell();
    scene_finish();
    for (unsigned i = 0; i < COUNT_OF(callers); i++)
        sodium_memzero(&callers[i], sizeof(callers[i]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t kinds;

    in = (struct input){data, size < INPUT_MAX ? size : INPUT_MAX};
    assert(sodium_init() >= 0);
    memset(ids, 0, sizeof(ids));
    memset(callers, 0, sizeof(callers));
    memset(caller_circuits, 0, sizeof(caller_circuits));
    memset(ends, 0, sizeof(ends));
    memset(stored, 0, sizeof(stored));
    end_next = put_next = 0;
    other = answerer_of(0x30);
    (void)topic_root(SCENE_NETWORK, bytes_of_text("a string"), string_root);
    scene_begin();
    kinds = input_take(&in);
    for (unsigned kind = 0; kind < 3; kind++)
        if (kinds >> kind & 1)
            begin_service((enum service_kind)kind);
    while (in.left > 0)
        act();
    finish();
    return 0;
}

#ifdef __clang__
#pragma clang attribute pop
#endif
