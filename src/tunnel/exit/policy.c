/* SPDX-License-Identifier: MIT
 *
 * decide has the order of the rules; who wants another one that no line can
 * change puts it there, with a verdict. Lines are parsed in policy_parse.c,
 * summed up in policy_summary.c.
 */
#include "tunnel/exit/policy.h"

#include <assert.h>
#include <string.h>

void policy_init(struct policy *p, bool accept_rest, bool testing_network)
{
    *p = (struct policy){.accept_rest = accept_rest,
                         .testing_network = testing_network};
}

void policy_set_lines(struct policy *p, const struct policy_line *lines,
                      size_t count)
{
    assert(count <= POLICY_LINES_MAX);
    for (size_t i = 0; i < count; i++)
        p->lines[i] = lines[i];
    p->count = count;
    p->version++;
}

enum error policy_set_own(struct policy *p, const struct endpoint *own,
                          size_t count)
{
    if (count > POLICY_OWN_MAX)
        return ERR_TOO_LARGE;
    for (size_t i = 0; i < count; i++)
        p->own[i] = own[i];
    p->own_count = count;
    p->version++;
    return OK;
}

bool policy_is_own(const struct policy *p, const struct endpoint *to)
{
    for (size_t i = 0; i < p->own_count; i++) {
        const struct endpoint *own = &p->own[i];

        if (endpoint_same_addr(own, to) &&
            (!endpoint_is_loopback(to) || own->port == to->port))
            return true;
    }
    return false;
}

struct policy_network policy_network_of(const struct endpoint *in,
                                        unsigned bits)
{
    struct policy_network n = {.net = *in, .bits = (uint8_t)bits};

    n.net.port = 0;
    for (size_t i = 0; i < sizeof(n.net.addr); i++) {
        if (8 * i >= bits)
            n.net.addr[i] = 0;
        else if (8 * i + 8 > bits)
            n.net.addr[i] &= (uint8_t)(0xff << (8 * i + 8 - bits));
    }
    return n;
}

enum error policy_set_networks(struct policy *p,
                               const struct policy_network *networks,
                               size_t count)
{
    if (count > POLICY_NETWORKS_MAX)
        return ERR_TOO_LARGE;
    for (size_t i = 0; i < count; i++)
        p->networks[i] = networks[i];
    p->network_count = count;
    p->version++;
    return OK;
}

/* 169.254.0.0/16 and fe80::/10. */
static bool is_link_local(const struct endpoint *to)
{
    if (to->family == FAMILY_IPV4)
        return to->addr[0] == 169 && to->addr[1] == 254;
    return to->addr[0] == 0xfe && (to->addr[1] & 0xc0) == 0x80;
}

static bool is_reachable(const struct policy *p, const struct endpoint *to)
{
    return endpoint_is_global(to) || (p->testing_network && !is_link_local(to));
}

static bool line_matches(const struct policy_line *line,
                         const struct endpoint *to)
{
    if (to->port < line->first || to->port > line->last)
        return false;
    return line->any || (line->net.family == to->family &&
                         endpoint_same_prefix(&line->net, to, line->bits));
}

/* The first that matches, or NULL. */
static struct policy_line *find_line(struct policy *p,
                                     const struct endpoint *to)
{
    for (size_t i = 0; i < p->count; i++)
        if (line_matches(&p->lines[i], to))
            return &p->lines[i];
    return NULL;
}

static bool lines_accept(struct policy *p, const struct endpoint *to)
{
    struct policy_line *line = find_line(p, to);

    if (line == NULL) {
        p->rest_hits++;
        return p->accept_rest;
    }
    line->hits++;
    return line->accept;
}

/* The length of the longest prefix that `to` shares with a network of this
 * machine; -1 when it is in none. */
static int near_bits(const struct policy *p, const struct endpoint *to)
{
    int bits = -1;

    for (size_t i = 0; !p->testing_network && i < p->network_count; i++) {
        const struct policy_network *n = &p->networks[i];

        if (n->net.family == to->family && n->bits > bits &&
            endpoint_same_prefix(&n->net, to, n->bits))
            bits = n->bits;
    }
    return bits;
}

bool policy_is_near(const struct policy *p, const struct endpoint *to)
{
    return near_bits(p, to) >= 0;
}

/* In a network that this machine is in, and no line opens that. */
static bool is_closed_network(struct policy *p, const struct endpoint *to)
{
    int bits = near_bits(p, to);
    const struct policy_line *line = bits < 0 ? NULL : find_line(p, to);

    return bits >= 0 &&
           (line == NULL || !line->accept || line->any || line->bits < bits);
}

static enum policy_verdict decide(struct policy *p, const struct endpoint *to)
{
    if (!endpoint_is_usable(to))
        return POLICY_UNUSABLE;
    if (!is_reachable(p, to))
        return POLICY_NOT_GLOBAL;
    if (policy_is_own(p, to))
        return POLICY_OWN;
    if (is_closed_network(p, to))
        return POLICY_OWN_NETWORK;
    return lines_accept(p, to) ? POLICY_ACCEPTED : POLICY_REJECTED;
}

enum policy_verdict policy_check(struct policy *p, const struct endpoint *to)
{
    enum policy_verdict v = decide(p, to);

    p->verdicts[v]++;
    return v;
}

const char *policy_verdict_name(enum policy_verdict v)
{
    static const char *const names[POLICY_VERDICTS] = {
        [POLICY_ACCEPTED] = "accepted",
        [POLICY_UNUSABLE] = "unusable",
        [POLICY_NOT_GLOBAL] = "not_global",
        [POLICY_OWN] = "own",
        [POLICY_REJECTED] = "rejected",
        [POLICY_OWN_NETWORK] = "own_network"};

    assert(v < POLICY_VERDICTS);
    return names[v];
}
