/* SPDX-License-Identifier: MIT
 *
 * From endpoints to introduction points with keys: what the directory knows is
 * for free, and no last hop can lie about it; for others the hop is asked, and
 * the descriptor is the relay's own word.
 */
#include "tunnel/stem/finder_internal.h"

#include <string.h>

static bool lists(const struct descriptor *d, const struct endpoint *ep)
{
    for (unsigned i = 0; i < d->address_count; i++)
        if (endpoint_equal(&d->addresses[i], ep))
            return true;
    return false;
}

/* One that answered from there rather than one that says so. */
static const struct known_relay *known_at(const struct finder *f,
                                          const struct endpoint *ep)
{
    const struct directory *d = f->env.directory;
    const struct known_relay *found = NULL;

    for (unsigned i = 0; i < directory_count(d); i++) {
        const struct known_relay *relay = directory_at(d, i);

        if (!known_is_usable(relay, f->wall) || !lists(&relay->d, ep))
            continue;
        if (known_answered_from(relay, ep))
            return relay;
        found = relay;
    }
    return found;
}

/* Half of them for each side, all that are left when the other is over. */
static bool has_share(const struct side *side)
{
    const struct request *r = side->request;
    const struct side *other = &r->sides[1 - side->number];

    if (r->point_count == r->max)
        return false;
    return other->state == SIDE_OVER || side->told < (r->max + 1) / 2;
}

/* Not twice, nor two of one network; nor ourselves. */
static bool is_new(const struct request *r, const struct descriptor *d,
                   const struct endpoint *ep)
{
    const struct directory *dir = r->f->env.directory;
    const struct descriptor *self = directory_self_of(dir);
    bool testing = directory_config_of(dir)->testing_network;

    if (self != NULL && memcmp(self->identity, d->identity, 32) == 0)
        return false;
    for (unsigned i = 0; i < r->point_count; i++) {
        const struct link_target *p = &r->points[i];

        if (memcmp(p->identity, d->identity, 32) == 0 ||
            (!testing && source_same(&p->ep, ep, SOURCE_NETWORK)))
            return false;
    }
    return true;
}

static void add(struct side *side, const struct descriptor *d,
                const struct endpoint *ep)
{
    struct request *r = side->request;
    struct link_target *p = &r->points[r->point_count];

    if (!(d->roles & ROLE_MEETING) || !has_share(side) || !is_new(r, d, ep))
        return;
    memcpy(p->identity, d->identity, sizeof(p->identity));
    memcpy(p->handshake_key, d->handshake_key, sizeof(p->handshake_key));
    p->ep = *ep;
    r->point_count++;
    side->told++;
    r->f->hurry = true;
}

void points_from_directory(struct request *r)
{
    for (unsigned s = 0; s < r->side_count; s++) {
        struct side *side = &r->sides[s];

        for (unsigned i = 0; i < side->candidate_count && has_share(side);
             i++) {
            const struct endpoint *ep = &side->candidates[i];
            const struct known_relay *relay = known_at(r->f, ep);

            if (relay != NULL)
                add(side, &relay->d, ep);
        }
    }
}

bool points_ask(struct side *side)
{
    const struct finder *f = side->request->f;

    points_from_directory(side->request);
    for (unsigned i = 0; i < side->candidate_count && has_share(side) &&
                         side->ask_count < SIDE_ASKS;
         i++) {
        struct side_ask *a = &side->asks[side->ask_count];

        if (known_at(f, &side->candidates[i]) != NULL)
            continue;
        *a = (struct side_ask){.ep = side->candidates[i],
                               .id = random_u32(&f->env.random),
                               .open = true};
        side->ask_count++;
    }
    return side->ask_count > 0;
}

bool points_told(struct side *side, const struct side_ask *ask,
                 struct bytes descriptor, uint64_t now)
{
    const struct finder *f = side->request->f;
    struct descriptor d;

    if (descriptor_read(descriptor,
                        directory_config_of(f->env.directory)->network,
                        &d) != OK ||
        !lists(&d, &ask->ep) || !(d.roles & ROLE_RELAY) ||
        descriptor_check_time(&d, finder_wall(f, now)) != OK ||
        descriptor_verify(descriptor, &d) != OK)
        return false;
    add(side, &d, &ask->ep);
    return true;
}
