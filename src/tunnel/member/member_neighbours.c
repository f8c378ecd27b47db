/* SPDX-License-Identifier: MIT
 *
 * Links and the nodes at their other ends: links that come and go are told to
 * the directory, what neighbours say goes to it or to the puncture, and the
 * puncture is shown the links that it may ask over.
 */
#include "tunnel/member/member_internal.h"

/* ---- Neighbours --------------------------------------------------------- */

void member_link_up(void *ctx, struct link *link, uint64_t now)
{
    struct member *t = ctx;

    directory_link_up(t->directory, link, &link->peer.ep, link->initiator, now);
}

void member_link_down(void *ctx, struct link *link, enum reason why,
                      uint64_t now)
{
    struct member *t = ctx;

    (void)why, (void)now;
    directory_link_down(t->directory, link);
}

/* The next INIT may find the way that the other side has opened. */
void member_link_unanswered(void *ctx, const struct link *link, uint64_t now)
{
    struct member *t = ctx;

    if (endpoint_is_usable(&link->holder))
        puncture_ask_for(&t->puncture, &link->peer.ep, &link->holder, now);
    else
        puncture_ask(&t->puncture, &link->peer.ep, now);
}

/* A client is to be reached by nobody: its POKE would tell any stranger who
 * knows its address that it has a link with the relay that was asked. */
static enum error receive_told(struct member *t, const struct endpoint *teller,
                               struct bytes text, uint64_t now)
{
    if (directory_self_text(t->directory).len == 0)
        return ERR_UNEXPECTED;
    return puncture_receive_told(&t->puncture, teller, text, now);
}

enum error member_neighbour(void *ctx, struct link *link, enum cell_type type,
                            struct bytes text, uint64_t now)
{
    struct member *t = ctx;
    const struct endpoint *ep = &link->peer.ep;

    if (type == CELL_SAMPLE_ASK)
        return directory_receive_sample_ask(t->directory, link, ep,
                                            link->initiator, t->wall, now);
    if (type == CELL_SAMPLE)
        return directory_receive_sample(t->directory, link, text, t->wall, now);
    if (type == CELL_PUNCTURE)
        return puncture_receive_ask(&t->puncture, link, ep, text, now);
    if (type == CELL_PUNCTURED)
        return receive_told(t, ep, text, now);
    return ERR_UNKNOWN_KIND;
}

/* ---- Puncture ----------------------------------------------------------- */

/* A link that is up with the node at an address. */
struct sought {
    const struct endpoint *ep;
    struct link *link; /* NULL: none yet */
};

static void match(void *ctx, struct link *link)
{
    struct sought *s = ctx;

    if (link->state == LINK_UP && endpoint_equal(&link->peer.ep, s->ep))
        s->link = link;
}

static struct link *find_link(void *ctx, const struct endpoint *ep)
{
    struct member *t = ctx;
    struct sought s = {.ep = ep};

    links_visit(t->router.shared.links, match, &s);
    return s.link;
}

/* Some links of ours, drawn from all that pass by. */
struct sample {
    struct link **links;
    unsigned count, max, seen;
    const struct random_source *random;
};

/* Reservoir sampling (Vitter's algorithm R): each link with equal chance. */
static void draw(void *ctx, struct link *link)
{
    struct sample *s = ctx;
    unsigned place;

    if (link->state != LINK_UP || !link->initiator)
        return;
    s->seen++;
    place = s->count < s->max ? s->count++ : random_below(s->random, s->seen);
    if (place < s->max)
        s->links[place] = link;
}

static unsigned pick_links(void *ctx, struct link **out, unsigned max)
{
    struct member *t = ctx;
    struct sample s = {.links = out, .max = max, .random = &t->env.random};

    links_visit(t->router.shared.links, draw, &s);
    return s.count;
}

void member_puncture_init(struct member *t)
{
    struct puncture_env env = {
        .ctx = t,
        .random = t->env.random,
        .send = member_send_datagram,
        .send_cell = member_send_cell,
        .find = find_link,
        .pick = pick_links,
    };
    struct puncture_config c;

    puncture_config_init(&c);
    c.testing_network = t->config.testing_network;
    c.max_sources = t->config.max_sources;
    puncture_init(&t->puncture, &c, &env);
}

/* Nodes of a testing network may share a machine. */
static bool is_own(const struct member *t, const struct endpoint *to)
{
    for (unsigned i = 0; i < t->self.address_count; i++) {
        const struct endpoint *own = &t->self.addresses[i];

        if (endpoint_equal(own, to) ||
            (!t->config.testing_network && endpoint_same_addr(own, to)))
            return true;
    }
    return !t->config.testing_network && t->policy != NULL &&
           policy_is_own(t->policy, to);
}

bool member_may_extend(void *ctx, const struct endpoint *to)
{
    struct member *t = ctx;

    return !is_own(t, to) &&
           (t->policy == NULL || !policy_is_near(t->policy, to)) &&
           t->config.family[to->family] &&
           (t->config.testing_network || endpoint_is_global(to));
}
