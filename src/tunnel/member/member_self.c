/* SPDX-License-Identifier: MIT
 *
 * What this node says of itself: its keys and when they change, its addresses,
 * its roles; and the directory, which publishes that, plugged into links and
 * datagrams.
 */
#include "tunnel/member/member_internal.h"

#include "base/timestamp.h"

#include <sodium.h>
#include <string.h>

bool member_send_cell(void *ctx, struct link *link, enum cell_type type,
                      struct bytes text, uint64_t now)
{
    struct member *t = ctx;

    return link_send(t->router.shared.links, link, type, 0, text, now);
}

void member_send_datagram(void *ctx, const struct endpoint *to,
                          struct bytes datagram)
{
    struct member *t = ctx;

    t->env.send(t->env.ctx, to, datagram);
}

static void remember(void *ctx, const struct stored_relay *relay)
{
    struct member *t = ctx;

    t->env.remember(t->env.ctx, relay);
}

static void forget(void *ctx, const uint8_t identity[32])
{
    struct member *t = ctx;

    t->env.forget(t->env.ctx, identity);
}

static void rotate(void *ctx, uint8_t handshake_key[NOISE_KEY_BYTES])
{
    struct member *t = ctx;
    struct responder *r = &t->router.responder;
    uint8_t secret[NOISE_KEY_BYTES];

    t->env.random.fill(t->env.random.ctx, secret, sizeof(secret));
    responder_rotate(r, secret,
                     time_after(t->ticked_at, MEMBER_PREVIOUS_LIFE * TIME_S));
    memcpy(handshake_key, r->key.public_key, NOISE_KEY_BYTES);
    t->config.handshake_made = t->wall;
    t->env.rotated(t->env.ctx, secret, r->previous.secret, t->wall);
    sodium_memzero(secret, sizeof(secret));
}

/* The rest of its day. A clock that was set back meanwhile makes that no
 * longer than it is after a rotation. */
void member_restore_previous(struct member *t, uint64_t now)
{
    uint64_t replaced = t->config.previous_replaced, left = 0;

    if (replaced == 0)
        return;
    if (t->wall < replaced)
        left = MEMBER_PREVIOUS_LIFE;
    else if (t->wall - replaced < MEMBER_PREVIOUS_LIFE)
        left = MEMBER_PREVIOUS_LIFE - (t->wall - replaced);
    responder_set_previous(&t->router.responder, t->config.previous_secret,
                           time_after(now, left * TIME_S));
}

void member_retire_previous(struct member *t, uint64_t now)
{
    if (!responder_tick(&t->router.responder, now))
        return;
    sodium_memzero(t->config.previous_secret, NOISE_KEY_BYTES);
    t->env.retired(t->env.ctx);
}

static void unanswered(void *ctx, const struct endpoint *ep, uint64_t now)
{
    struct member *t = ctx;

    puncture_ask(&t->puncture, ep, now);
}

enum error member_directory_new(struct member *t, uint64_t now)
{
    struct directory_config c;
    struct directory_env env = {
        .ctx = t,
        .random = t->env.random,
        .send = member_send_datagram,
        .send_cell = member_send_cell,
        .remember = remember,
        .forget = forget,
        .rotate = rotate,
        .unanswered = unanswered,
        .dht = t->env.dht,
        .told = member_service_told,
    };

    directory_config_init(&c);
    memcpy(c.network, t->config.network, sizeof(c.network));
    memcpy(c.identity, t->config.identity, sizeof(c.identity));
    c.secret = t->config.identity_secret;
    memcpy(c.family, t->config.family, sizeof(c.family));
    c.testing_network = t->config.testing_network;
    c.max_relays = t->config.max_known_relays;
    c.max_sources = t->config.max_sources;
    return directory_new(&c, &env, now, &t->directory);
}

void member_set_addresses(struct member *t, const struct endpoint *eps,
                          size_t count, unsigned unproven, uint64_t now)
{
    struct directory_self *self = &t->self;

    if (count > MEMBER_ADDRESSES)
        count = MEMBER_ADDRESSES;
    if (t->policy != NULL)
        policy_set_own(t->policy, eps, count);
    if (t->env.tcp_policy != NULL)
        policy_set_own(t->env.tcp_policy, eps, count);
    memset(self, 0, sizeof(*self));
    memcpy(self->handshake_key, t->router.responder.key.public_key,
           NOISE_KEY_BYTES);
    self->rotated = t->config.handshake_made;
    self->roles = ROLE_RELAY | ROLE_SPEED_TEST;
    if (t->config.introduces)
        self->roles |= ROLE_MEETING;
    if (t->exit != NULL) {
        self->roles |= ROLE_EXIT;
        self->exit_policy =
            policy_summary(t->policy, t->policy_text, sizeof(t->policy_text));
    }
    if (t->outlet != NULL)
        self->tcp_policy =
            policy_summary(t->env.tcp_policy, t->tcp_text, sizeof(t->tcp_text));
    self->address_count = (uint8_t)count;
    memcpy(self->addresses, eps, count * sizeof(*eps));
    self->unproven = unproven;
    self->bandwidth = (uint32_t)(t->config.queue.bandwidth / 1000 < UINT32_MAX
                                     ? t->config.queue.bandwidth / 1000
                                     : UINT32_MAX);
    self->has_family = t->config.has_family_id;
    memcpy(self->family, t->config.family_id, sizeof(self->family));
    t->has_self = t->config.max_relays_or_exits > 0;
    directory_set_self(t->directory, t->has_self ? self : NULL, now);
}

void member_network_changed(struct member *t, const bool family[FAMILIES],
                            uint64_t now)
{
    memcpy(t->config.family, family, sizeof(t->config.family));
    directory_set_families(t->directory, family);
    links_check(t->router.shared.links, now);
    services_network_changed(t->services, now);
}

void member_unreachable(struct member *t, const struct endpoint *ep,
                        uint64_t now)
{
    links_unreachable(t->router.shared.links, ep, now);
}

void member_set_load(struct member *t, unsigned load)
{
    router_set_load(&t->router, load);
    directory_set_load(t->directory, load);
}
