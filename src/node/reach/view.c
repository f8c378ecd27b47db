/* SPDX-License-Identifier: MIT
 *
 * Two questions to the kernel: the list of addresses (getifaddrs), and where
 * a datagram to somewhere would leave from (connect of a UDP socket, which
 * sends nothing). The second alone is no proof: a route stays when the cable
 * is pulled, so its source must belong to an interface that runs.
 */
#include "node/reach/view.h"

#include "node/os/sockaddr.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* On the Internet for decades (a name server of its root). */
static const struct endpoint far_away[FAMILIES] = {
    [FAMILY_IPV4] = {.family = FAMILY_IPV4,
                     .port = 53,
                     .addr = {198, 41, 0, 4}},
    [FAMILY_IPV6] = {.family = FAMILY_IPV6,
                     .port = 53,
                     .addr = {0x20, 0x01, 0x05, 0x03, 0xba, 0x3e, 0, 0, 0, 0, 0,
                              0, 0, 0x02, 0, 0x30}},
};

bool view_has_route(const struct endpoint *to, struct endpoint *source)
{
    struct sockaddr_storage sa;
    socklen_t len = sockaddr_from_endpoint(to, &sa);
    int fd = socket(sa.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool found = false;

    if (fd < 0)
        return false;
    if (connect(fd, (struct sockaddr *)&sa, len) == 0) {
        len = sizeof(sa);
        found = getsockname(fd, (struct sockaddr *)&sa, &len) == 0 &&
                sockaddr_to_endpoint((struct sockaddr *)&sa, source) == OK;
        source->port = 0;
    }
    close(fd);
    return found;
}

/* ---- Addresses ---------------------------------------------------------- */

static bool is_link_local(const struct endpoint *ep)
{
    return ep->family == FAMILY_IPV4
               ? ep->addr[0] == 169 && ep->addr[1] == 254
               : ep->addr[0] == 0xfe && (ep->addr[1] & 0xc0) == 0x80;
}

/* The addresses of interfaces that are up and have a carrier. */
struct address_list {
    const struct ifaddrs *at;
};

static bool next_address(struct address_list *l, struct endpoint *out)
{
    const unsigned running = IFF_UP | IFF_RUNNING;

    while (l->at != NULL) {
        const struct ifaddrs *a = l->at;

        l->at = a->ifa_next;
        if (a->ifa_addr == NULL || (a->ifa_flags & running) != running ||
            sockaddr_to_endpoint(a->ifa_addr, out) != OK)
            continue;
        out->port = 0;
        return true;
    }
    return false;
}

static bool has_address(const struct ifaddrs *all, const struct endpoint *ep)
{
    struct address_list l = {all};
    struct endpoint have;

    while (next_address(&l, &have))
        if (endpoint_same_addr(&have, ep))
            return true;
    return false;
}

/* ---- What they mean ----------------------------------------------------- */

static bool counts(const struct view_question *q, const struct endpoint *ep)
{
    if (q->testing_network)
        return !endpoint_is_loopback(ep) && !is_link_local(ep);
    return endpoint_is_global(ep);
}

/* FNV-1a. */
static void add_to_print(struct view *v, const struct endpoint *ep)
{
    v->print = (v->print ^ (uint64_t)ep->family) * 0x100000001b3;
    for (size_t i = 0; i < sizeof(ep->addr); i++)
        v->print = (v->print ^ ep->addr[i]) * 0x100000001b3;
}

static void leave_from(struct view *v, const struct endpoint *source)
{
    unsigned f = source->family;

    v->usable[f] = true;
    if (v->has_source[f])
        return;
    v->has_source[f] = true;
    v->source[f] = *source;
    add_to_print(v, source);
}

static void try_route(const struct ifaddrs *all, const struct endpoint *to,
                      struct view *v)
{
    struct endpoint source;

    if (view_has_route(to, &source) && !is_link_local(&source) &&
        (endpoint_is_loopback(&source) || has_address(all, &source)))
        leave_from(v, &source);
}

static void look_at_addresses(const struct view_question *q,
                              const struct ifaddrs *all, struct view *v)
{
    struct address_list l = {all};
    struct endpoint ep;

    while (next_address(&l, &ep)) {
        if (!counts(q, &ep))
            continue;
        add_to_print(v, &ep);
        leave_from(v, &ep);
    }
}

/* Whether a wildcard socket of the family is there; others are looked at. */
static void look_at_sockets(const struct view_question *q,
                            const struct ifaddrs *all, struct view *v,
                            bool any[FAMILIES])
{
    for (unsigned i = 0; i < q->bound_count; i++) {
        const struct endpoint *ep = &q->bound[i];

        if (endpoint_is_wildcard(ep))
            any[ep->family] = true;
        else if (endpoint_is_loopback(ep) || has_address(all, ep))
            v->usable[ep->family] = true;
    }
}

void view_look(const struct view_question *q, struct view *out)
{
    bool any[FAMILIES] = {false};
    struct ifaddrs *all = NULL;
    struct view bound = {0};

    *out = (struct view){.print = 0xcbf29ce484222325};
    if (getifaddrs(&all) != 0)
        all = NULL;
    look_at_sockets(q, all, &bound, any);
    for (int f = 0; f < FAMILIES; f++)
        try_route(all, &far_away[f], out);
    for (unsigned i = 0; i < q->named_count; i++)
        if (!out->usable[q->named[i].family])
            try_route(all, &q->named[i], out);
    look_at_addresses(q, all, out);
    for (int f = 0; f < FAMILIES; f++)
        out->usable[f] = (out->usable[f] && any[f]) || bound.usable[f];
    if (all != NULL)
        freeifaddrs(all);
    else /* we cannot know: sending shows */
        out->usable[FAMILY_IPV4] = out->usable[FAMILY_IPV6] = true;
}
