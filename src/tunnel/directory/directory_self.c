/* SPDX-License-Identifier: MIT
 *
 * Our own descriptor: signed, renewed, published; and the age of the
 * handshake key that it names. Who asks us for it is told one that was signed
 * lately: so each TELL says what time it is, and a relay whose clock is off
 * hears it from its neighbours, without a message for that.
 */
#include "tunnel/directory/directory_internal.h"

#include "wire/item/item_signing.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

#define RENEW_AFTER   (12 * TIME_HOUR) /* half of a descriptor's life */
#define PUBLISH_RETRY (30 * TIME_S)
/* A shared clock may be set back a little; seq must grow nevertheless. */
#define SET_BACK_MAX DESCRIPTOR_SKEW

static void own_key(const struct directory *d, struct id *out)
{
    directory_key(d->config.network, directory_key_index(d->config.identity),
                  out);
}

static void withdraw(struct directory *d)
{
    struct id key;

    if (!d->own.announced)
        return;
    own_key(d, &key);
    d->own.announced = false; /* before: it may call back in */
    d->env.dht->withdraw(d->env.dht->ctx, &key);
}

void directory_set_families(struct directory *d, const bool family[FAMILIES])
{
    memcpy(d->config.family, family, sizeof(d->config.family));
}

void directory_set_load(struct directory *d, unsigned load)
{
    limiter_load(&d->tells, load);
    limiter_load(&d->proven, load);
    limiter_load(&d->samples, load);
}

/* ---- Addresses --------------------------------------------------------- */

static bool is_listed(const struct endpoint *eps, unsigned count,
                      const struct endpoint *ep)
{
    for (unsigned i = 0; i < count; i++)
        if (endpoint_equal(&eps[i], ep))
            return true;
    return false;
}

/* In the place of the one that has been kept for longest. */
static void keep(struct own *own, const struct endpoint *ep, uint64_t now)
{
    unsigned oldest = 0;

    for (unsigned i = 0; i < DESCRIPTOR_ADDRESSES_MAX; i++)
        if (own->kept[i].until < own->kept[oldest].until)
            oldest = i;
    own->kept[oldest].ep = *ep;
    own->kept[oldest].until = time_after(now, OWN_KEPT);
}

static void keep_those_that_go(struct own *own,
                               const struct directory_self *self, uint64_t now)
{
    for (unsigned i = 0; i < own->given; i++)
        if (!is_listed(self->addresses, self->address_count,
                       &own->d.addresses[i]))
            keep(own, &own->d.addresses[i], now);
}

/* What was proven stays so. */
static void take_given(struct own *own, const struct directory_self *self)
{
    struct endpoint sure[DESCRIPTOR_ADDRESSES_MAX];
    uint8_t count = 0;

    own->unproven_count = 0;
    for (unsigned i = 0; i < self->address_count; i++) {
        const struct endpoint *ep = &self->addresses[i];

        if (!(self->unproven >> i & 1) ||
            is_listed(own->d.addresses, own->given, ep))
            sure[count++] = *ep;
        else
            own->unproven[own->unproven_count++] = *ep;
    }
    own->given = count;
    memcpy(own->d.addresses, sure, count * sizeof(*sure));
}

/* We are reached elsewhere than others say. */
static void keep_where_we_are(struct directory *d, enum family f, uint64_t now)
{
    const struct endpoint *ep = reach_proven(&d->reach, f, now);
    struct own *own = &d->own;

    if (ep == NULL || is_listed(own->d.addresses, own->d.address_count, ep))
        return;
    keep(own, ep, now);
    own->dirty = true;
}

/* Those kept make room: there are no more than were given once. */
static void take_proven(struct directory *d, uint64_t now)
{
    struct own *own = &d->own;
    uint8_t left = 0;

    for (unsigned i = 0; i < own->unproven_count; i++) {
        const struct endpoint ep = own->unproven[i];

        if (reach_is_proven(&d->reach, &ep, now)) {
            own->d.addresses[own->given++] = ep;
            own->dirty = true;
        } else {
            own->unproven[left++] = ep;
            keep_where_we_are(d, ep.family, now);
        }
    }
    own->unproven_count = left;
}

/* Behind those given, the newest first. */
static void add_kept(struct own *own, uint64_t now)
{
    struct descriptor *d = &own->d;

    d->address_count = own->given;
    while (own->given + own->unproven_count > 0 &&
           d->address_count < DESCRIPTOR_ADDRESSES_MAX) {
        const struct endpoint *best = NULL;
        uint64_t until = now;

        for (unsigned i = 0; i < DESCRIPTOR_ADDRESSES_MAX; i++)
            if (own->kept[i].until > until &&
                !is_listed(d->addresses, d->address_count, &own->kept[i].ep)) {
                best = &own->kept[i].ep;
                until = own->kept[i].until;
            }
        if (best == NULL)
            return;
        d->addresses[d->address_count++] = *best;
    }
}

/* The next time that one is kept no more. */
static uint64_t kept_until(const struct own *own)
{
    uint64_t at = TIME_NEVER;

    for (unsigned i = 0; i < DESCRIPTOR_ADDRESSES_MAX; i++)
        if (own->kept[i].until != 0)
            at = time_min(at, own->kept[i].until);
    return at;
}

/* Where we are reached all the same, we stay: whoever says that we are
 * elsewhere may lie for more than an hour. */
static void drop_kept(struct directory *d, uint64_t now)
{
    struct own *own = &d->own;

    for (unsigned i = 0; i < DESCRIPTOR_ADDRESSES_MAX; i++)
        if (own->kept[i].until != 0 && own->kept[i].until <= now &&
            reach_is_proven(&d->reach, &own->kept[i].ep, now))
            own->kept[i].until = time_after(now, OWN_KEPT);
        else if (own->kept[i].until != 0 && own->kept[i].until <= now) {
            own->kept[i].until = 0;
            own->dirty = true;
        }
    add_kept(own, now);
    directory_wake(d, kept_until(own));
}

/* ---- What we say ------------------------------------------------------- */

static uint8_t copy_policy(uint8_t *to, const char *policy, size_t max)
{
    size_t len = policy == NULL ? 0 : strlen(policy);

    assert(len <= max);
    if (len > 0)
        memcpy(to, policy, len);
    return (uint8_t)len;
}

void directory_set_self(struct directory *d, const struct directory_self *self,
                        uint64_t now)
{
    struct own *own = &d->own;

    directory_wake(d, now);
    if (self == NULL) {
        withdraw(d);
        *own = (struct own){0};
        return;
    }
    assert(self->address_count <= DESCRIPTOR_ADDRESSES_MAX);
    own->present = own->dirty = true;
    own->rotated = self->rotated;
    memcpy(own->d.identity, d->config.identity, sizeof(own->d.identity));
    memcpy(own->d.handshake_key, self->handshake_key, NOISE_KEY_BYTES);
    own->d.roles = self->roles;
    own->d.bandwidth = self->bandwidth;
    keep_those_that_go(own, self, now);
    take_given(own, self);
    add_kept(own, now);
    own->d.has_family = self->has_family;
    memset(own->d.family, 0, sizeof(own->d.family));
    if (self->has_family)
        memcpy(own->d.family, self->family, sizeof(own->d.family));
    own->d.exit_policy_len = copy_policy(own->d.exit_policy, self->exit_policy,
                                         DESCRIPTOR_POLICY_MAX);
    own->d.tcp_policy_len =
        copy_policy(own->d.tcp_policy, self->tcp_policy, DESCRIPTOR_TCP_MAX);
}

struct bytes directory_self_text(const struct directory *d)
{
    return bytes_of(d->own.text, d->own.len);
}

unsigned directory_unproven(const struct directory *d)
{
    return d->own.unproven_count;
}

/* Also when the clock was set back past the last rotation. */
static void rotate(struct directory *d, uint64_t wall)
{
    struct own *own = &d->own;

    if (own->rotated > wall + DESCRIPTOR_SKEW)
        own->rotated = wall;
    if (own->rotated + DIRECTORY_ROTATION > wall)
        return;
    d->env.rotate(d->env.ctx, own->d.handshake_key);
    own->rotated = wall;
    own->dirty = true;
    d->stats.rotations++;
}

/* The clock may have been set since it was signed. */
static bool is_stale(const struct own *own, uint64_t wall)
{
    return own->d.issued > wall + SET_BACK_MAX ||
           own->d.expires < wall + DESCRIPTOR_LIFETIME / 4;
}

/* Later than any before, unless these are of a clock that was far ahead. */
static uint64_t next_issued(const struct own *own, uint64_t wall)
{
    uint64_t last = own->told_issued > own->d.issued ? own->told_issued
                                                     : own->d.issued;

    return own->len > 0 && last >= wall && last <= wall + SET_BACK_MAX
               ? last + 1
               : wall;
}

struct bytes self_to_tell(struct directory *d, uint64_t wall, uint64_t now)
{
    struct own *own = &d->own;
    struct descriptor told = own->d;

    if (own->len == 0)
        return bytes_of(NULL, 0);
    if (own->told_len == 0 || is_stale(own, wall) ||
        time_since(own->told_at, now) >= SELF_TOLD_FRESH) {
        own->told_at = now;
        own->told_issued = told.issued = next_issued(own, wall);
        told.expires = told.issued + DESCRIPTOR_LIFETIME;
        own->told_len = descriptor_write(&told, d->config.network,
                                         d->config.secret, own->told);
    }
    return bytes_of(own->told, own->told_len);
}

static void sign(struct directory *d, uint64_t wall, uint64_t now)
{
    struct own *own = &d->own;
    uint64_t issued = next_issued(own, wall);

    own->told_len = 0;
    own->d.issued = issued;
    own->d.expires = issued + DESCRIPTOR_LIFETIME;
    own->len = descriptor_write(&own->d, d->config.network, d->config.secret,
                                own->text);
    own->renew_at = now + directory_jitter(d, RENEW_AFTER);
    own->dirty = false;
    own->to_put = true;
    own->retry_at = now;
}

static enum error put(struct directory *d)
{
    uint8_t text[ITEM_SIGNED_MAX];
    struct dht_provider_item item = {.seq = (int64_t)d->own.d.issued};
    struct value value;
    size_t len;

    if (value_from_bytes(directory_self_text(d), &value) != OK)
        assert(0);
    item.value = &value;
    memcpy(item.key, d->config.identity, sizeof(item.key));
    len = item_signed_bytes(item.salt, item.seq, &value, text);
    crypto_sign_detached(item.signature, NULL, text, len, d->config.secret);
    return d->env.dht->put(d->env.dht->ctx, &item);
}

static void publish(struct directory *d, uint64_t now)
{
    struct own *own = &d->own;
    const struct dht_provider *dht = d->env.dht;
    struct id key;

    if (dht == NULL || (own->announced && !own->to_put))
        return;
    if (own->retry_at <= now) {
        own_key(d, &key);
        if (!own->announced)
            own->announced = dht->announce(dht->ctx, &key) == OK;
        d->stats.puts += own->to_put;
        if (own->to_put)
            own->to_put = put(d) != OK;
        if (own->announced && !own->to_put)
            return;
        d->stats.puts_failed++;
        own->retry_at = now + directory_jitter(d, PUBLISH_RETRY);
    }
    directory_wake(d, own->retry_at);
}

/* What it says, when there is a place to say; true when it is to be found. */
static bool say(struct directory *d, uint64_t wall, uint64_t now)
{
    struct own *own = &d->own;

    take_proven(d, now);
    drop_kept(d, now);
    if (own->d.address_count == 0 || !(own->d.roles & ROLE_RELAY)) {
        own->len = 0;
        own->to_put = false;
        return own->unproven_count > 0 && (own->d.roles & ROLE_RELAY);
    }
    if (own->dirty || own->len == 0 || own->renew_at <= now ||
        is_stale(own, wall))
        sign(d, wall, now);
    directory_wake(d, own->renew_at);
    return true;
}

void self_reached(struct directory *d, uint64_t wall, uint64_t now)
{
    if (d->own.unproven_count == 0)
        return;
    (void)say(d, wall, now);
    directory_wake(d, now);
}

void self_tick(struct directory *d, uint64_t wall, uint64_t now)
{
    if (!d->own.present)
        return;
    rotate(d, wall);
    if (say(d, wall, now))
        publish(d, now);
    else
        withdraw(d);
}
