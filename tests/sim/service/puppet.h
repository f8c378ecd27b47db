/* SPDX-License-Identifier: MIT
 *
 * A member whose circuits a test builds and speaks on by hand: it says to
 * introduction points and rendezvous what no honest client does.
 */
#ifndef WARREN_TESTS_SIM_PUPPET_H
#define WARREN_TESTS_SIM_PUPPET_H

#include "service_world.h"

#include "tunnel/channel/invitation.h"
#include "tunnel/record/blind.h"
#include "tunnel/record/period.h"

/* One circuit, and what came on it. */
struct puppet {
    struct sim_tunnel *n;
    struct circuit *c; /* NULL: gone */
    bool ready;
    unsigned acks, joined, readies, refusals, ends;
    enum meeting_status status; /* of the last ACK */
    uint32_t effort;
    enum reason why; /* it closed, or was refused */
    uint8_t noise2[MEETING_NOISE2_BYTES];
};

static inline void puppet_ready(void *holder, struct circuit *c, uint64_t now)
{
    (void)c, (void)now;
    ((struct puppet *)holder)->ready = true;
}

static inline void puppet_closed(void *holder, struct circuit *c,
                                 enum reason why, unsigned hop, uint64_t now)
{
    struct puppet *p = holder;

    (void)c, (void)hop, (void)now;
    p->c = NULL;
    p->why = why;
}

static inline bool puppet_message(void *holder, struct circuit *c,
                                  const struct meeting_message *m, uint64_t now)
{
    struct puppet *p = holder;

    (void)c, (void)now;
    p->acks += m->type == MEETING_INTRODUCE_ACK;
    p->readies += m->type == MEETING_READY;
    p->joined += m->type == MEETING_JOINED;
    if (m->type == MEETING_INTRODUCE_ACK) {
        p->status = m->status;
        p->effort = m->effort;
    }
    if (m->type == MEETING_JOINED && m->noise.len == sizeof(p->noise2))
        memcpy(p->noise2, m->noise.p, sizeof(p->noise2));
    return true;
}

static inline void puppet_refused(void *holder, struct circuit *c,
                                  enum reason why, uint64_t now)
{
    struct puppet *p = holder;

    (void)c, (void)now;
    p->refusals++;
    p->why = why;
}

static inline void puppet_end(void *holder, struct circuit *c, uint8_t *body,
                              size_t body_len, uint64_t now)
{
    (void)c, (void)body, (void)body_len, (void)now;
    ((struct puppet *)holder)->ends++;
}

static const struct route_ops puppet_ops = {.ready = puppet_ready,
                                            .closed = puppet_closed,
                                            .message = puppet_message,
                                            .refused = puppet_refused,
                                            .end = puppet_end};

static inline void puppet_target(const struct sim_tunnel *n, unsigned member,
                                 struct link_target *out)
{
    const struct known_relay *k = NULL;

    /* whoever knows it */
    for (unsigned i = 0; i < identity_count && k == NULL; i++) {
        const struct sim_tunnel *other =
            sim_tunnel_of(n->sim, world.net.members[i]);

        if (other != NULL)
            k = directory_find(member_directory(other->member),
                               identities[member]);
    }
    assert_non_null(k);
    if (k == NULL)
        return;
    memcpy(out->identity, k->d.identity, 32);
    memcpy(out->handshake_key, k->d.handshake_key, 32);
    out->ep = k->d.addresses[0];
}

/* Through these members. */
static inline void puppet_begin(struct puppet *p, struct sim_tunnel *n,
                                const unsigned *members, unsigned count)
{
    struct link_target hops[ONION_HOPS_MAX];

    *p = (struct puppet){.n = n};
    for (unsigned i = 0; i < count; i++)
        puppet_target(n, members[i], &hops[i]);
    assert_int_equal(route_new(circuits_of_node(n), hops, count, &puppet_ops, p,
                               sim_now(n->sim), &p->c),
                     OK);
    sim_wake(n->sim, n->node);
}

static inline void puppet_end_it(struct puppet *p)
{
    if (p->c != NULL)
        route_drop(circuits_of_node(p->n), p->c, sim_now(p->n->sim));
    p->c = NULL;
    sim_wake(p->n->sim, p->n->node);
}

static inline void puppet_say(struct puppet *p, const struct meeting_message *m)
{
    if (p->c == NULL || p->c->state != CIRCUIT_READY)
        return;
    route_send(circuits_of_node(p->n), p->c, m, sim_now(p->n->sim));
    sim_wake(p->n->sim, p->n->node);
}

/* A circuit of one hop, ready: the member itself. Neighbours differ, or the
 * relay's rates would be met first. */
static inline void puppet_at(struct world *w, struct puppet *p,
                             struct sim_tunnel *n, unsigned member)
{
    puppet_begin(p, n, &member, 1);
    for (unsigned i = 0; i < 100 && !p->ready; i++)
        sim_run_for(w->sim, 100 * TIME_MS);
    assert_true(p->ready);
}

/* ---- What is said ------------------------------------------------------- */

/* All that whoever knows the service's address, and one of its points, has. */
struct address_of {
    uint8_t credential[32];
    struct point_keys keys; /* the public halves are used */
    unsigned member;        /* the point */
    char network[DHT_NETWORK_MAX + 1];
};

/* From the point's row, which the descriptor says the like of. */
static inline void learn_point(const struct hearer *host,
                               const uint8_t seed[32],
                               const struct service_point_row *row,
                               struct address_of *out)
{
    struct service_name name = {0};
    uint8_t secret[32];

    *out = (struct address_of){.member = member_of(row->relay.identity)};
    memcpy(out->network, services_of(host)->config.network,
           sizeof(out->network));
    memcpy(name.key, status_of(host).key, sizeof(name.key));
    blind_credential(out->network, &name, out->credential);
    service_key_secret(seed, secret);
    service_key_point(secret, row->salt, row->relay.identity, &out->keys);
}

/* An invitation to `rendezvous`, of somebody whose descriptor is new: the
 * service has a time later than that. */
static inline void invite(const struct address_of *a,
                          const struct sim_tunnel *n,
                          const struct relay_target *rendezvous,
                          uint8_t noise1[MEETING_NOISE1_BYTES])
{
    uint64_t wall = SIM_WALL + sim_now(n->sim) / TIME_S - 20;
    struct invitation i = {.rendezvous = *rendezvous,
                           .greeting = (uint32_t)wall};
    struct invitation_to to = {.network = a->network,
                               .credential = a->credential,
                               .key = a->keys.service_key};
    uint8_t ephemeral[NOISE_KEY_BYTES];
    struct noise noise;

    sim_random(n->sim, n->node, ephemeral, sizeof(ephemeral));
    sim_random(n->sim, n->node, i.cookie, sizeof(i.cookie));
    assert_int_equal(invitation_write(&i, &to, ephemeral, &noise, noise1), OK);
    noise_deinit(&noise);
}

static inline void rendezvous_at(const struct sim_tunnel *n, unsigned member,
                                 struct relay_target *out)
{
    struct link_target t;

    puppet_target(n, member, &t);
    *out = (struct relay_target){.endpoint_count = 1};
    memcpy(out->identity, t.identity, 32);
    memcpy(out->handshake_key, t.handshake_key, 32);
    out->endpoints[0] = t.ep;
}

static inline void introduce(struct puppet *p, const struct address_of *a,
                             const uint8_t *noise1,
                             const struct meeting_work *work)
{
    struct meeting_message m = {.type = MEETING_INTRODUCE,
                                .auth_id = a->keys.auth_id,
                                .noise =
                                    bytes_of(noise1, MEETING_NOISE1_BYTES)};

    if (work != NULL) {
        m.has_work = true;
        m.work = *work;
    }
    puppet_say(p, &m);
}

#endif
