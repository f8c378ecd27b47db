/* SPDX-License-Identifier: MIT
 *
 * A services engine with all below it scripted: stems, circuits, lookups and
 * the directory are stand-ins that a program links instead, and what relays,
 * the DHT and other ends do is what it says. The engine is the real one, and so
 * are routes, channels and messages: what is said is read again from the bytes
 * of a cell. What the world above is told is checked: one PEER and one GONE for
 * each peer, and DATA between them only.
 *
 * There is one scene at a time. It is for tests and for fuzzers, so that it
 * asserts without cmocka.
 */
#ifndef WARREN_TESTS_SERVICE_SCENE_H
#define WARREN_TESTS_SERVICE_SCENE_H

#include "scene_circuits.h"
#include "testing.h"

#include "tunnel/channel/channel_leg.h"
#include "tunnel/circuit/onion.h"
#include "tunnel/link/cell.h"
#include "tunnel/service/service_internal.h"

#include <sodium.h>

#define SCENE_NETWORK  "test"
#define SCENE_OVERDUE  (50 * TIME_MS)                    /* for each hop */
#define SCENE_WALL     (UINT64_C(21990) * 86400 + 43200) /* a noon */
#define SCENE_RELAYS   16
#define SCENE_CIRCUITS 1024
#define SCENE_REQUESTS 64
#define SCENE_KITS     32
#define SCENE_PEERS    1024
#define SCENE_ROWS     64
#define SCENE_OWN      0xee /* our identity as a relay, 32 times */

/* ---- What is below ------------------------------------------------------- */

/* A circuit, and what was said on it. */
struct scene_circuit {
    struct circuit c; /* first */
    unsigned said[64];
    unsigned cells; /* of the end plane */
    uint8_t text[CELL_TEXT_MAX];
    size_t text_len;
    struct meeting_message last; /* views of `text` */
};

struct circuits {
    struct scene_circuit *at[SCENE_CIRCUITS];
    unsigned count;
};

struct stems {
    struct stems_env env;
};

struct stem_kit {
    unsigned hops;
    bool service, wants;
    void *arg;
    uint64_t id;
};

enum scene_kind { SCENE_GET, SCENE_PUT, SCENE_POINTS };

struct scene_request {
    uint64_t id;
    enum scene_kind kind;
    struct stem_kit *kit;
    uint8_t key[32];
    int64_t seq;
    uint8_t salt, signature[64];
    uint8_t value[MEETING_VALUE_BYTES];
    struct finder_handler handler;
};

struct finder {
    struct scene_request list[SCENE_REQUESTS];
    unsigned count, puts, gets;
    uint64_t next;
    struct finder_stats stats;
};

struct directory {
    struct directory_config config;
    struct known_relay relays[SCENE_RELAYS];
    unsigned count;
};

/* ---- What is above ------------------------------------------------------- */

enum scene_peer { SCENE_UNKNOWN, SCENE_THERE, SCENE_GONE };

struct scene_work {
    uint64_t id;
    struct work_task task;
};

struct scene {
    struct services *s;
    struct test_random random;
    uint64_t now, wall;
    struct circuits circuits;
    struct directory directory;
    struct finder finder;
    struct stems stems;
    struct stem_kit *kits[SCENE_KITS];
    unsigned kit_count;
    uint64_t next_kit;
    uint32_t next_circuit;
    unsigned ready;         /* stems that can be taken */
    const uint8_t *nowhere; /* NULL, or no stem leads to this identity */
    unsigned relay;         /* the next one of a stem */
    enum error extend;      /* what circuit_extend says */
    enum error again;       /* what stem_again and route_new say */
    enum error requests;    /* what the finder says */

    uint8_t peers[SCENE_PEERS];
    unsigned there, gone, data, states;
    uint64_t last_peer, last_gone;
    bool last_opened, last_has_key;
    uint8_t last_key[32], last_data[64];
    size_t last_len;
    uint16_t last_port;
    enum reason last_why;
    enum service_problem problem;
    struct service_point_row rows[SCENE_ROWS]; /* what is stored */
    unsigned row_count, forgotten;
    struct service_seq_row seqs[SCENE_ROWS];
    unsigned seq_count;
    struct scene_work work;
    unsigned works;
};

static struct scene scene;

/* ---- The directory ------------------------------------------------------- */

static inline void scene_fresh(void)
{
    for (unsigned i = 0; i < scene.directory.count; i++) {
        struct descriptor *d = &scene.directory.relays[i].d;

        d->issued = scene.wall;
        d->expires = scene.wall + DESCRIPTOR_LIFETIME_MAX;
    }
}

/* Relay n has the identity n + 1, 32 times, and a network of its own. */
static inline void scene_relay(unsigned n)
{
    struct known_relay *relay = &scene.directory.relays[n];
    struct descriptor *d = &relay->d;

    relay->tried = true;
    memset(d->identity, (int)n + 1, sizeof(d->identity));
    memset(d->handshake_key, (int)n + 0x41, sizeof(d->handshake_key));
    d->roles = ROLE_RELAY | ROLE_MEETING;
    d->address_count = 1;
    d->addresses[0] = (struct endpoint){
        .family = FAMILY_IPV4, .addr = {12, (uint8_t)n, 0, 1}, .port = 1000};
}

unsigned directory_count(const struct directory *d)
{
    return d->count;
}

const struct known_relay *directory_at(const struct directory *d, unsigned i)
{
    return &d->relays[i];
}

const struct known_relay *directory_find(const struct directory *d,
                                         const uint8_t identity[32])
{
    unsigned n = identity[0] - 1u; /* at once: a fuzzer asks all the time */

    return n < d->count && memcmp(d->relays[n].d.identity, identity, 32) == 0
               ? &d->relays[n]
               : NULL;
}

const struct directory_config *directory_config_of(const struct directory *d)
{
    return &d->config;
}

static inline struct relay_target scene_target(unsigned n)
{
    const struct descriptor *d = &scene.directory.relays[n].d;
    struct relay_target t = {.endpoint_count = 1,
                             .endpoints = {d->addresses[0]}};

    memcpy(t.identity, d->identity, sizeof(t.identity));
    memcpy(t.handshake_key, d->handshake_key, sizeof(t.handshake_key));
    return t;
}

static inline struct link_target scene_link(unsigned n)
{
    const struct descriptor *d = &scene.directory.relays[n].d;
    struct link_target t = {.ep = d->addresses[0]};

    memcpy(t.identity, d->identity, sizeof(t.identity));
    memcpy(t.handshake_key, d->handshake_key, sizeof(t.handshake_key));
    return t;
}

/* ---- Circuits ------------------------------------------------------------ */

static inline struct scene_circuit *scene_of(struct circuit *c)
{
    return (struct scene_circuit *)(void *)c;
}

enum error circuit_new_for_service(struct circuits *cs,
                                   const struct link_target *hops,
                                   unsigned length, uint64_t now,
                                   struct circuit **out)
{
    struct scene_circuit *sc;

    assert(length >= 1 && length <= ONION_HOPS_MAX);
    if (cs->count == SCENE_CIRCUITS)
        return ERR_FULL;
    sc = calloc(1, sizeof(*sc));
    if (sc == NULL)
        return ERR_NO_MEMORY;
    sc->c.use = CIRCUIT_FOR_SERVICE;
    sc->c.id = ++scene.next_circuit;
    sc->c.length = sc->c.chosen = length;
    sc->c.created_at = now;
    for (unsigned i = 0; i < length; i++)
        sc->c.hop[i].target = hops[i];
    cs->at[cs->count++] = sc;
    *out = &sc->c;
    return OK;
}

/* It ends at hop `hop`; 0: here. */
static inline void scene_end(struct circuit *c, enum reason why, unsigned hop)
{
    struct circuits *cs = &scene.circuits;

    c->closing = true;
    route_closed(c, why, hop, scene.now);
    for (unsigned i = 0; i < cs->count; i++)
        if (&cs->at[i]->c == c)
            cs->at[i--] = cs->at[--cs->count];
    free(scene_of(c));
}

void circuit_close(struct circuits *cs, struct circuit *c, enum reason why,
                   uint64_t now)
{
    assert(cs == &scene.circuits && now == scene.now);
    if (!c->closing)
        scene_end(c, why, 0);
}

enum error circuit_extend(struct circuits *cs, struct circuit *c,
                          const struct link_target *target, uint64_t now)
{
    (void)cs, (void)now;
    assert(c->use == CIRCUIT_FOR_SERVICE);
    if (c->length == ONION_HOPS_MAX)
        return ERR_RANGE;
    if (c->state != CIRCUIT_READY)
        return ERR_NOT_FOUND;
    if (c->joined)
        return ERR_IN_USE;
    if (scene.extend != OK)
        return scene.extend;
    c->state = CIRCUIT_BUILDING;
    c->hop[c->length++].target = *target;
    return OK;
}

enum error circuit_send_text(struct circuits *cs, struct circuit *c,
                             unsigned hop, struct bytes text, size_t cell_len,
                             uint64_t now)
{
    struct scene_circuit *sc = scene_of(c);

    (void)cs, (void)now;
    if (c->state != CIRCUIT_READY || hop != c->length)
        return ERR_NOT_FOUND;
    memset(sc->text, 0, sizeof(sc->text));
    memcpy(sc->text, text.p, text.len);
    sc->text_len = onion_message_len(cell_len - CELL_BODY_OFFSET);
    assert(meeting_message_read(bytes_of(sc->text, sc->text_len), &sc->last) ==
           OK);
    assert(meeting_client_says(sc->last.type));
    sc->said[sc->last.type]++;
    return OK;
}

enum error circuit_send_end(struct circuits *cs, struct circuit *c,
                            uint8_t *datagram, size_t len, uint64_t now)
{
    (void)cs, (void)datagram, (void)now;
    assert(len == CELL_SMALL || len == CELL_LARGE);
    if (c->state != CIRCUIT_READY || !c->joined)
        return ERR_NOT_FOUND;
    scene_of(c)->cells++;
    return OK;
}

uint64_t circuits_overdue(const struct circuits *cs, unsigned hops)
{
    (void)cs;
    return SCENE_OVERDUE * hops;
}

unsigned circuits_count(const struct circuits *cs)
{
    return cs->count;
}

struct circuit *circuits_at(const struct circuits *cs, unsigned i)
{
    return &cs->at[i]->c;
}

/* ---- Stems --------------------------------------------------------------- */

enum error stems_new(const struct stems_env *env, struct stems **out)
{
    scene.stems.env = *env;
    *out = &scene.stems;
    return OK;
}

void stems_free(struct stems *s, uint64_t now)
{
    (void)s, (void)now;
    assert(scene.kit_count == 0);
}

enum error stem_kit_new(struct stems *s, unsigned hops,
                        struct vanguard_set *third, void *arg,
                        struct stem_kit **out)
{
    struct stem_kit *kit;

    (void)s;
    if (scene.kit_count == SCENE_KITS)
        return ERR_FULL;
    kit = calloc(1, sizeof(*kit));
    if (kit == NULL)
        return ERR_NO_MEMORY;
    *kit = (struct stem_kit){.hops = hops,
                             .service = third != NULL,
                             .arg = arg,
                             .id = ++scene.next_kit};
    scene.kits[scene.kit_count++] = kit;
    *out = kit;
    return OK;
}

void stem_kit_free(struct stem_kit *kit, uint64_t now)
{
    (void)now;
    for (unsigned i = 0; i < scene.kit_count; i++)
        if (scene.kits[i] == kit)
            scene.kits[i--] = scene.kits[--scene.kit_count];
    free(kit);
}

void *stem_kit_arg(const struct stem_kit *kit)
{
    return kit->arg;
}

unsigned stem_kit_ready(const struct stem_kit *kit)
{
    (void)kit;
    return scene.ready;
}

static inline bool scene_is_among(const uint8_t identity[32],
                                  const uint8_t target[32],
                                  const uint8_t (*avoid)[32], unsigned count)
{
    if (target != NULL && memcmp(identity, target, 32) == 0)
        return true;
    for (unsigned i = 0; i < count; i++)
        if (memcmp(identity, avoid[i], 32) == 0)
            return true;
    return false;
}

bool stem_is_coming(const struct stem_kit *kit, const uint8_t target[32],
                    uint64_t now)
{
    (void)kit, (void)now;
    return scene.nowhere == NULL ||
           !scene_is_among(scene.nowhere, target, NULL, 0);
}

struct circuit *stem_take(struct stem_kit *kit, const uint8_t target[32],
                          const uint8_t (*avoid)[32], unsigned avoid_count,
                          const struct route_ops *ops, void *holder,
                          uint64_t now)
{
    struct link_target hops[ONION_HOPS_MAX];
    struct circuit *c;

    kit->wants = scene.ready == 0;
    if (kit->wants || !stem_is_coming(kit, target, now))
        return NULL;
    for (unsigned i = 0; i < kit->hops; i++) {
        do
            hops[i] = scene_link(scene.relay++ % scene.directory.count);
        while (scene_is_among(hops[i].identity, target, avoid, avoid_count));
    }
    if (route_new(&scene.circuits, hops, kit->hops, ops, holder, now, &c) != OK)
        return NULL;
    scene.ready--;
    c->built = c->length;
    c->state = CIRCUIT_READY;
    return c;
}

enum error stem_again(struct stems *s, const struct circuit *like,
                      unsigned hops, const struct link_target *target,
                      const struct route_ops *ops, void *holder, uint64_t now,
                      struct circuit **out)
{
    struct link_target list[ONION_HOPS_MAX];

    (void)s;
    assert(hops <= like->length && hops < ONION_HOPS_MAX);
    if (scene.again != OK)
        return scene.again;
    for (unsigned i = 0; i < hops; i++)
        list[i] = like->hop[i].target;
    if (target != NULL)
        list[hops++] = *target;
    return route_new(&scene.circuits, list, hops, ops, holder, now, out);
}

/* So many more can be taken; whoever waits is told. */
static inline void scene_stems(unsigned count)
{
    scene.ready += count;
    for (unsigned i = 0; i < scene.kit_count && scene.ready > 0; i++) {
        struct stem_kit *kit = scene.kits[i];

        if (!kit->wants)
            continue;
        kit->wants = false;
        scene.stems.env.ready(scene.stems.env.ctx, kit, PATH_FOUND, scene.now);
    }
}

/* None can be had. */
static inline void scene_no_path(void)
{
    scene.ready = 0;
    for (unsigned i = 0; i < scene.kit_count; i++)
        scene.stems.env.ready(scene.stems.env.ctx, scene.kits[i],
                              PATH_NO_RELAYS, scene.now);
}

/* ---- Lookups ------------------------------------------------------------- */

enum error finder_new(const struct finder_env *env, struct finder **out)
{
    (void)env;
    *out = &scene.finder;
    return OK;
}

void finder_free(struct finder *f, uint64_t now)
{
    (void)now;
    assert(f == NULL || f->count == 0);
}

static inline enum error scene_request(enum scene_kind kind,
                                       struct stem_kit *kit, const uint8_t *key,
                                       const struct finder_handler *handler,
                                       uint64_t *id)
{
    struct finder *f = &scene.finder;
    struct scene_request *r = &f->list[f->count];

    if (f->count == SCENE_REQUESTS || scene.requests != OK)
        return f->count == SCENE_REQUESTS ? ERR_FULL : scene.requests;
    f->count++;
    *r = (struct scene_request){
        .id = ++f->next, .kind = kind, .kit = kit, .handler = *handler};
    if (key != NULL)
        memcpy(r->key, key, sizeof(r->key));
    *id = r->id;
    return OK;
}

enum error finder_get(struct finder *f, struct stem_kit *kit,
                      const uint8_t key[32],
                      const struct finder_handler *handler, uint64_t now,
                      uint64_t *request)
{
    (void)now;
    f->gets++;
    return scene_request(SCENE_GET, kit, key, handler, request);
}

enum error finder_put(struct finder *f, struct stem_kit *kit,
                      const struct finder_item *item,
                      const struct finder_handler *handler, uint64_t now,
                      uint64_t *request)
{
    enum error e = scene_request(SCENE_PUT, kit, item->key, handler, request);
    struct scene_request *r;

    (void)now;
    if (e != OK)
        return e;
    r = &f->list[f->count - 1];
    assert(item->value.len == MEETING_VALUE_BYTES && item->salt.len <= 1);
    f->puts++;
    r->seq = item->seq;
    r->salt = item->salt.len > 0;
    memcpy(r->signature, item->signature, sizeof(r->signature));
    memcpy(r->value, item->value.p, sizeof(r->value));
    return OK;
}

enum error finder_points(struct finder *f, struct stem_kit *kit,
                         const struct id hashes[2], unsigned max,
                         const struct finder_handler *handler, uint64_t now,
                         uint64_t *request)
{
    (void)f, (void)hashes, (void)max, (void)now;
    return scene_request(SCENE_POINTS, kit, NULL, handler, request);
}

static inline struct scene_request scene_take(uint64_t id)
{
    struct finder *f = &scene.finder;
    struct scene_request r = {0};

    for (unsigned i = 0; i < f->count; i++) {
        if (f->list[i].id != id)
            continue;
        r = f->list[i];
        f->list[i] = f->list[--f->count];
        return r;
    }
    return r;
}

void finder_cancel(struct finder *f, uint64_t request, uint64_t now)
{
    (void)f, (void)now;
    assert(scene_take(request).id == request);
}

void finder_stems(struct finder *f, struct stem_kit *kit, uint64_t now)
{
    (void)f, (void)kit, (void)now;
}

void finder_tick(struct finder *f, uint64_t wall, uint64_t now)
{
    (void)f, (void)wall, (void)now;
}

uint64_t finder_next_deadline(const struct finder *f)
{
    (void)f;
    return TIME_NEVER;
}

const struct finder_stats *finder_stats(const struct finder *f)
{
    return &f->stats;
}

/* Of this kind, the i-th; NULL: there are not so many. */
static inline struct scene_request *scene_asked(enum scene_kind kind,
                                                unsigned i)
{
    for (unsigned k = 0; k < scene.finder.count; k++)
        if (scene.finder.list[k].kind == kind && i-- == 0)
            return &scene.finder.list[k];
    return NULL;
}

static inline unsigned scene_asked_count(enum scene_kind kind)
{
    unsigned count = 0;

    while (scene_asked(kind, count) != NULL)
        count++;
    return count;
}

static inline void scene_done(uint64_t id, enum finder_end end, unsigned stored)
{
    struct scene_request r = scene_take(id);

    assert(r.id == id && r.handler.done != NULL);
    r.handler.done(r.handler.ctx, id, end, stored, scene.now);
}

/* What somebody has put is found; whether it was taken. */
static inline bool scene_found(uint64_t id, const struct scene_request *put)
{
    const struct finder_item item = {
        .salt = bytes_of("\x01", put->salt),
        .seq = put->seq,
        .value = bytes_of(put->value, sizeof(put->value))};
    struct finder_item copy = item;

    for (unsigned i = 0; i < scene.finder.count; i++) {
        struct scene_request *r = &scene.finder.list[i];

        if (r->id != id || r->kind != SCENE_GET)
            continue;
        memcpy(copy.key, r->key, sizeof(copy.key));
        memcpy(copy.signature, put->signature, sizeof(copy.signature));
        return r->handler.item(r->handler.ctx, id, &copy, scene.now);
    }
    return false;
}

/* ---- Relays and other ends ----------------------------------------------- */

/* The last hop that was asked for is there. */
static inline void scene_reached(struct circuit *c)
{
    assert(c->state == CIRCUIT_BUILDING);
    c->state = CIRCUIT_READY;
    c->built = c->length;
    route_ready(c, scene.now);
}

/* The last hop says it: whether it was expected. */
static inline bool scene_say(struct circuit *c, const struct meeting_message *m)
{
    uint8_t text[CELL_TEXT_MAX] = {0};
    size_t body = meeting_message_cell(m->type) - CELL_BODY_OFFSET, len;
    enum error e =
        meeting_message_write(m, text, onion_message_len(body), &len);

    assert(e == OK);
    return route_message(c, c->length, bytes_of(text, onion_message_len(body)),
                         scene.now);
}

/* The circuit on which this was said last; NULL: none that is there. */
static inline struct circuit *scene_saying(enum meeting_message_type type)
{
    for (unsigned i = scene.circuits.count; i-- > 0;)
        if (scene.circuits.at[i]->said[type] > 0)
            return &scene.circuits.at[i]->c;
    return NULL;
}

static inline unsigned scene_said(enum meeting_message_type type)
{
    unsigned count = 0;

    for (unsigned i = 0; i < scene.circuits.count; i++)
        count += scene.circuits.at[i]->said[type];
    return count;
}

/* The i-th that leads to relay `n` and is in this state. */
static inline struct circuit *scene_to(unsigned n, enum circuit_state state)
{
    for (unsigned i = scene.circuits.count; i-- > 0;) {
        struct circuit *c = &scene.circuits.at[i]->c;

        if (c->state == state &&
            c->hop[c->length - 1].target.identity[0] == n + 1)
            return c;
    }
    return NULL;
}

static inline struct circuit *scene_building(void)
{
    for (unsigned i = 0; i < scene.circuits.count; i++)
        if (scene.circuits.at[i]->c.state == CIRCUIT_BUILDING)
            return &scene.circuits.at[i]->c;
    return NULL;
}

/* The other end of a channel, as far as it sends. */
static inline void scene_cell(struct circuit *c, struct onion_sender *out,
                              const struct end_message *m)
{
    uint8_t body[CELL_LARGE_BODY] = {0};
    size_t len, body_len = CELL_SMALL_BODY;
    enum error e =
        end_message_write(m, body, onion_end_text_len(CELL_LARGE_BODY), &len);

    assert(e == OK);
    if (len > onion_end_text_len(body_len))
        body_len = CELL_LARGE_BODY;
    onion_end_add(out, body, body_len);
    route_end(c, body, body_len, scene.now);
}

/* ---- The world above ----------------------------------------------------- */

static inline void scene_event(void *ctx, const struct service_event *e)
{
    (void)ctx;
    if (e->kind == SERVICE_EVENT_STATE) {
        scene.states++;
        scene.problem = e->problem;
        return;
    }
    assert(e->peer != 0 && e->peer < SCENE_PEERS);
    assert(scene.peers[e->peer] ==
           (e->kind == SERVICE_EVENT_PEER ? SCENE_UNKNOWN : SCENE_THERE));
    if (e->kind == SERVICE_EVENT_PEER) {
        scene.peers[e->peer] = SCENE_THERE;
        scene.there++;
        scene.last_peer = e->peer;
        scene.last_opened = e->opened;
        scene.last_has_key = e->has_key;
        memcpy(scene.last_key, e->key, sizeof(scene.last_key));
    } else if (e->kind == SERVICE_EVENT_GONE) {
        scene.peers[e->peer] = SCENE_GONE;
        scene.gone++;
        scene.last_gone = e->peer;
        scene.last_why = e->why;
    } else {
        scene.data++;
        scene.last_port = e->port;
        scene.last_len = e->payload.len;
        if (e->payload.len > 0 && e->payload.len <= sizeof(scene.last_data))
            memcpy(scene.last_data, e->payload.p, e->payload.len);
    }
}

static inline void scene_forget_point(void *ctx, uint32_t service,
                                      const uint8_t relay[32])
{
    (void)ctx, (void)service;
    scene.forgotten++;
    for (unsigned i = 0; i < scene.row_count; i++)
        if (memcmp(scene.rows[i].relay.identity, relay, 32) == 0)
            scene.rows[i--] = scene.rows[--scene.row_count];
}

static inline void scene_remember_point(void *ctx, uint32_t service,
                                        const struct service_point_row *row)
{
    (void)ctx, (void)service;
    for (unsigned i = 0; i < scene.row_count; i++) {
        if (memcmp(scene.rows[i].relay.identity, row->relay.identity, 32) == 0)
            scene.rows[i--] = scene.rows[--scene.row_count];
    }
    if (scene.row_count < SCENE_ROWS)
        scene.rows[scene.row_count++] = *row;
}

static inline void scene_remember_seq(void *ctx, uint32_t service,
                                      const struct service_seq_row *row)
{
    (void)ctx, (void)service;
    for (unsigned i = 0; i < scene.seq_count; i++) {
        struct service_seq_row *old = &scene.seqs[i];

        if (old->period != row->period || old->access != row->access)
            continue;
        assert(row->seq > old->seq);
        *old = *row;
        return;
    }
    if (scene.seq_count < SCENE_ROWS)
        scene.seqs[scene.seq_count++] = *row;
}

static inline void scene_solve(void *ctx, uint64_t id,
                               const struct work_task *task, uint64_t budget)
{
    (void)ctx, (void)budget;
    scene.work = (struct scene_work){.id = id, .task = *task};
    scene.works++;
}

/* ---- Life ---------------------------------------------------------------- */

static inline void scene_fill(void *ctx, void *out, size_t len)
{
    test_random_fill(ctx, out, len);
}

static inline struct service_env scene_env(void)
{
    return (struct service_env){
        .random = {.ctx = &scene.random, .fill = scene_fill},
        .circuits = &scene.circuits,
        .directory = &scene.directory,
        .world = {.event = scene_event,
                  .remember_point = scene_remember_point,
                  .forget_point = scene_forget_point,
                  .remember_seq = scene_remember_seq,
                  .solve = scene_solve}};
}

static inline struct service_config scene_config(void)
{
    struct service_config config;

    service_config_init(&config);
    memcpy(config.network, SCENE_NETWORK, sizeof(SCENE_NETWORK));
    return config;
}

static inline void scene_begin_with(const struct service_config *config)
{
    struct service_env env;
    enum error e;

    memset(&scene, 0, sizeof(scene));
    scene.random.state = 1;
    scene.now = TIME_HOUR;
    scene.wall = SCENE_WALL;
    scene.directory.count = SCENE_RELAYS;
    memset(scene.directory.config.identity, SCENE_OWN, 32);
    for (unsigned n = 0; n < SCENE_RELAYS; n++)
        scene_relay(n);
    scene_fresh();
    env = scene_env();
    e = services_new(config, &env, NULL, scene.wall, scene.now, &scene.s);
    assert(e == OK);
}

static inline void scene_begin(void)
{
    struct service_config config = scene_config();

    scene_begin_with(&config);
}

static inline void scene_tell(void)
{
    services_tell(scene.s);
}

/* Nothing is left: no circuit, kit or request. */
static inline void scene_finish(void)
{
    services_free(scene.s, scene.now);
    assert(scene.circuits.count == 0 && scene.kit_count == 0);
    assert(scene.finder.count == 0);
}

static inline void scene_tick(void)
{
    scene_fresh();
    services_tick(scene.s, scene.wall, scene.now);
    scene_tell();
}

/* Ticks at each deadline of the next `time`. */
static inline void scene_pass(uint64_t time)
{
    uint64_t end = scene.now + time, wall = scene.wall, began = scene.now;
    unsigned spins = 0;

    for (;;) {
        uint64_t at = services_next_deadline(scene.s);

        if (at > end)
            break;
        spins = at <= scene.now ? spins + 1 : 0;
        assert(spins < 1000);
        if (at > scene.now)
            scene.now = at;
        scene.wall = wall + (scene.now - began) / TIME_S;
        scene_tick();
    }
    scene.now = end;
    scene.wall = wall + time / TIME_S;
}

static inline struct service *scene_service(uint32_t id)
{
    struct service *service = service_find(scene.s, id);

    assert(service != NULL);
    return service;
}

#endif
