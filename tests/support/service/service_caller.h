/* SPDX-License-Identifier: MIT
 *
 * A key service in a service_scene, with introduction points that stand, and
 * those who want to be met by it: what they say is what an honest client says,
 * but for what a test changes.
 */
#ifndef WARREN_TESTS_SERVICE_CALLER_H
#define WARREN_TESTS_SERVICE_CALLER_H

#include "service_scene.h"

#include "tunnel/channel/invitation.h"
#include "tunnel/service/gate.h"
#include "tunnel/service/host.h"
#include "tunnel/service/point.h"
#include "tunnel/service/swarm.h"
#include "tunnel/service/visit.h"

/* ---- Services ------------------------------------------------------------ */

static const uint8_t scene_seed[32] = {'k', 'e', 'y'};

static inline struct service *scene_serve(const struct service_options *o,
                                          const struct service_memory *memory)
{
    uint32_t id;
    enum error e =
        service_serve(scene.s, scene_seed, o, memory, scene.now, &id);

    assert(e == OK);
    return scene_service(id);
}

/* All that is asked of relays to make introduction points is done. */
static inline void scene_establish(void)
{
    const struct meeting_message taken = {.type = MEETING_INTRO_ESTABLISHED};
    struct circuit *c;

    scene_tick(); /* relays are chosen, */
    scene_tick(); /* and stems wanted */
    scene_stems(SERVICE_POINTS_MAX);
    while ((c = scene_building()) != NULL) {
        scene_reached(c);
        if (scene_of(c)->said[MEETING_INTRO_ESTABLISH] > 0)
            assert(scene_say(c, &taken));
    }
    scene.ready = 0;
    scene_tick();
}

static inline const struct point *scene_point(const struct service *service,
                                              unsigned i)
{
    const struct point *p = points_at(host_points(service->host), i);

    assert(p != NULL);
    return p;
}

/* ---- Callers ------------------------------------------------------------- */

struct caller {
    struct invitation i;
    struct noise noise;
    uint8_t ephemeral[32];
    uint8_t noise1[MEETING_NOISE1_BYTES];
    struct meeting_work work;
    bool has_work;
    struct channel_keys keys;
    struct onion_sender out;
    bool resumed;
    uint32_t handle;
};

/* To be met at relay `rendezvous`, with what was published now. */
static inline struct caller caller_of(unsigned rendezvous)
{
    struct caller c = {.i = {.greeting = (uint32_t)scene.wall}};

    c.i.rendezvous = scene_target(rendezvous);
    test_random_fill(&scene.random, c.i.cookie, sizeof(c.i.cookie));
    test_random_fill(&scene.random, c.ephemeral, sizeof(c.ephemeral));
    return c;
}

/* For who has this key, and this credential. */
static inline void caller_seal(struct caller *c, const uint8_t key[32],
                               const uint8_t credential[32])
{
    struct invitation_to to = {
        .network = SCENE_NETWORK, .credential = credential, .key = key};
    enum error e =
        invitation_write(&c->i, &to, c->ephemeral, &c->noise, c->noise1);

    assert(e == OK);
}

/* What the gate says to it, as if at this point. */
static inline struct gate_answer
caller_ask(struct caller *c, struct service *service, const struct point *p)
{
    struct gate_key key = {.auth_id = p->keys.auth_id,
                           .secret = p->keys.service_secret,
                           .key = p->keys.service_key};
    struct meeting_message m = {.type = MEETING_INTRODUCED,
                                .auth_id = p->keys.auth_id,
                                .has_work = c->has_work,
                                .work = c->work,
                                .noise = bytes_of(c->noise1, 448)};

    return gate_invited(service->gate, &key, &m, scene.now);
}

/* An honest one, at the first point. */
static inline struct gate_answer caller_come(struct caller *c,
                                             struct service *service)
{
    const struct point *p = scene_point(service, 0);

    caller_seal(c, p->keys.service_key, service->credential);
    return caller_ask(c, service, p);
}

/* The service is at the rendezvous point with this circuit: whether what it
 * says there is for this caller. */
static inline bool caller_met(struct caller *c, struct circuit *circuit)
{
    const struct meeting_message joined = {.type = MEETING_JOINED};
    struct scene_circuit *sc = scene_of(circuit);

    assert(sc->last.type == MEETING_JOIN);
    if (memcmp(sc->last.cookie, c->i.cookie, sizeof(c->i.cookie)) != 0 ||
        invitation_answered(&c->noise, sc->last.noise, &c->resumed, &c->keys) !=
            OK)
        return false;
    onion_sender_init(&c->out, c->keys.out);
    return scene_say(circuit, &joined);
}

static inline void caller_hello(struct caller *c, struct circuit *circuit)
{
    const struct end_message hello = {.type = END_HELLO, .nonce = 7};

    scene_cell(circuit, &c->out, &hello);
}

/* All of it: the circuit that the channel has, live. */
static inline struct circuit *caller_connect(struct caller *c,
                                             struct service *service)
{
    unsigned relay = c->i.rendezvous.identity[0] - 1u;
    struct gate_answer a = caller_come(c, service);
    struct circuit *circuit;

    assert(a.status == MEETING_TAKEN);
    scene_stems(1);
    scene_tick();
    circuit = scene_to(relay, CIRCUIT_BUILDING);
    assert(circuit != NULL);
    scene_reached(circuit);
    assert(caller_met(c, circuit));
    caller_hello(c, circuit);
    scene_tell();
    return circuit;
}

#endif
