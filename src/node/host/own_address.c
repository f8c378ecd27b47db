/* SPDX-License-Identifier: MIT
 *
 * Three questions about our own addresses, answered from what is configured,
 * what the sockets are bound to, what the interfaces have (getifaddrs) and what
 * the nodes of the DHT say: where others reach us, what an exit must not send
 * to, and whether an endpoint is ourselves.
 */
#include "node/host/own_address.h"

#include "node/host/dht_host.h"
#include "node/os/sockaddr.h"
#include "node/reach/view.h"

#include <errno.h>
#include <ifaddrs.h>
#include <string.h>

/* What of a prefix is believed to be one network: a tunnel may claim half of
 * the Internet. */
#define WIDEST_IPV4 8
#define WIDEST_IPV6 32
#define LINE_IPV6   56

struct own_list {
    bool testing_network;
    unsigned count, network_count;
    struct endpoint at[POLICY_OWN_MAX];
    struct policy_network networks[POLICY_NETWORKS_MAX];
    bool too_many;
};

static bool is_reachable(const struct config *config, const struct endpoint *ep)
{
    return endpoint_is_usable(ep) &&
           (config->dht.testing_network || endpoint_is_global(ep));
}

static bool is_interface(const struct endpoint *ep)
{
    struct ifaddrs *all = NULL;
    bool found = endpoint_is_loopback(ep);

    if (found || getifaddrs(&all) != 0)
        return found;
    for (const struct ifaddrs *a = all; a != NULL && !found; a = a->ifa_next) {
        struct endpoint have;

        found = a->ifa_addr != NULL &&
                sockaddr_to_endpoint(a->ifa_addr, &have) == OK &&
                endpoint_same_addr(&have, ep);
    }
    freeifaddrs(all);
    return found;
}

static void add(struct config_endpoints *list, const struct endpoint *ep)
{
    for (unsigned i = 0; i < list->count; i++)
        if (endpoint_equal(&list->at[i], ep))
            return;
    if (list->count < DESCRIPTOR_ADDRESSES_MAX)
        list->at[list->count++] = *ep;
}

/* Whether the machine itself has this address that others see. */
static bool is_sure(const struct view *view, const struct endpoint *ep)
{
    return (view != NULL && view->has_source[ep->family] &&
            endpoint_same_addr(&view->source[ep->family], ep)) ||
           is_interface(ep);
}

/* As others see us, in each family that they see us in. */
struct external {
    bool known[FAMILIES];
    struct endpoint at[FAMILIES];
};

static void look_from_outside(const struct dht_host *host, uint64_t now,
                              struct external *out)
{
    struct dht_status s;

    if (host == NULL)
        return;
    dht_status(dht_host_engine(host), now, &s);
    for (int f = 0; f < FAMILIES; f++) {
        if (out->known[f] || !s.external_known[f])
            continue;
        out->known[f] = true;
        out->at[f] = s.external[f];
    }
}

/* Of a family whose sockets are bound to no address: what others see, else
 * what the kernel sends from, unless a NAT is sure to change it. */
static void add_seen(const struct config *config, const struct endpoint *seen,
                     const struct view *view, enum family f, uint16_t port,
                     struct config_endpoints *out, unsigned *unproven)
{
    struct endpoint ep;

    if (seen != NULL) {
        if (!is_reachable(config, seen))
            return;
        if (!config->dht.testing_network && !is_sure(view, seen))
            *unproven |= 1U << out->count;
        add(out, seen);
    } else if (view != NULL && view->has_source[f] &&
               endpoint_is_global(&view->source[f])) {
        ep = view->source[f];
        ep.port = port;
        add(out, &ep);
    }
}

void own_address_reachable(const struct config *config, const struct udp *udp,
                           const struct own_witnesses *witnesses,
                           const struct view *view, uint64_t now,
                           struct config_endpoints *out, unsigned *unproven)
{
    bool bound[FAMILIES] = {false};
    uint16_t port[FAMILIES] = {0};
    struct external seen = {.known = {false}};

    *unproven = 0;
    *out = config->tunnel_addresses;
    if (out->count > 0)
        return;
    for (unsigned i = 0; i < udp_socket_count(udp); i++) {
        struct endpoint ep = udp_local(udp, i);

        port[ep.family] = ep.port;
        if (!is_reachable(config, &ep))
            continue;
        bound[ep.family] = true;
        add(out, &ep);
    }
    look_from_outside(witnesses->dht, now, &seen);
    look_from_outside(witnesses->mainline, now, &seen);
    for (int f = 0; f < FAMILIES; f++)
        if (!bound[f] && port[f] != 0 && (view == NULL || view->usable[f]))
            add_seen(config, seen.known[f] ? &seen.at[f] : NULL, view,
                     (enum family)f, port[f], out, unproven);
}

bool own_address_certain(const struct udp *udp, const struct view *view,
                         enum family f, struct endpoint *out)
{
    for (unsigned i = 0; i < udp_socket_count(udp); i++) {
        struct endpoint ep = udp_local(udp, i);
        uint16_t port = ep.port;

        if (ep.family != f)
            continue;
        if (endpoint_is_wildcard(&ep) && view->has_source[f])
            ep = view->source[f];
        ep.port = port;
        if (endpoint_is_global(&ep)) {
            *out = ep;
            return true;
        }
    }
    return false;
}

/* ---- What an exit must not send to --------------------------------------- */

static void add_external(const struct dht_host *host, uint64_t now,
                         struct config_endpoints *list)
{
    struct external seen = {.known = {false}};

    look_from_outside(host, now, &seen);
    for (int f = 0; f < FAMILIES; f++)
        if (seen.known[f] && list->count < CONFIG_ENDPOINTS_MAX)
            list->at[list->count++] = seen.at[f];
}

void own_address_add_external(const struct own_witnesses *witnesses,
                              uint64_t now, struct config_endpoints *list)
{
    add_external(witnesses->dht, now, list);
    add_external(witnesses->mainline, now, list);
}

/* One address once: the port counts for loopback only. Addresses that nobody
 * is sent to anyway take no room; a machine may have many of them. */
static void refuse(struct own_list *l, const struct endpoint *ep)
{
    if (!l->testing_network && !endpoint_is_global(ep))
        return;
    for (unsigned i = 0; i < l->count; i++)
        if (endpoint_same_addr(&l->at[i], ep) &&
            (!endpoint_is_loopback(ep) || l->at[i].port == ep->port))
            return;
    if (l->count < POLICY_OWN_MAX)
        l->at[l->count++] = *ep;
}

/* The length of a prefix, from the mask of an interface; all without one. */
static unsigned bits_of(const struct ifaddrs *a, const struct endpoint *ep)
{
    unsigned bits = 0, most = 8 * (unsigned)endpoint_addr_len(ep);
    struct endpoint mask;

    if (a->ifa_netmask == NULL ||
        sockaddr_to_endpoint(a->ifa_netmask, &mask) != OK ||
        mask.family != ep->family)
        return most;
    while (bits < most && (mask.addr[bits / 8] << bits % 8 & 0x80) != 0)
        bits++;
    return bits;
}

static void refuse_network(struct own_list *l, const struct ifaddrs *a,
                           const struct endpoint *ep)
{
    unsigned bits = bits_of(a, ep);
    unsigned widest = ep->family == FAMILY_IPV6 ? WIDEST_IPV6 : WIDEST_IPV4;
    struct policy_network n;

    if (!endpoint_is_global(ep))
        return;
    if (ep->family == FAMILY_IPV6 && bits > LINE_IPV6)
        bits = LINE_IPV6;
    n = policy_network_of(ep, bits < widest ? widest : bits);
    for (unsigned i = 0; i < l->network_count; i++)
        if (l->networks[i].bits == n.bits &&
            endpoint_equal(&l->networks[i].net, &n.net))
            return;
    if (l->network_count < POLICY_NETWORKS_MAX)
        l->networks[l->network_count++] = n;
    else
        l->too_many = true;
}

static void refuse_interfaces(struct own_list *l, uint16_t port,
                              struct log *log)
{
    struct ifaddrs *all = NULL;

    if (getifaddrs(&all) != 0) {
        log_warn(log,
                 "the addresses of this machine cannot be listed (%s): others "
                 "may have datagrams sent to some of them",
                 strerror(errno));
        return;
    }
    for (const struct ifaddrs *a = all; a != NULL; a = a->ifa_next) {
        struct endpoint ep;

        if (a->ifa_addr == NULL || sockaddr_to_endpoint(a->ifa_addr, &ep) != OK)
            continue;
        ep.port = port;
        refuse(l, &ep);
        refuse_network(l, a, &ep);
    }
    if (l->too_many)
        log_warn(log,
                 "this machine is in more networks than %d: others may have "
                 "datagrams sent into some of them",
                 POLICY_NETWORKS_MAX);
    freeifaddrs(all);
}

static bool networks_are_known(const struct own_list *l, const struct policy *p)
{
    if (l->network_count != p->network_count)
        return false;
    for (unsigned i = 0; i < l->network_count; i++)
        if (l->networks[i].bits != p->networks[i].bits ||
            !endpoint_equal(&l->networks[i].net, &p->networks[i].net))
            return false;
    return true;
}

static bool is_known(const struct own_list *l, const struct policy *p)
{
    if (l->count != p->own_count)
        return false;
    for (unsigned i = 0; i < l->count; i++)
        if (!endpoint_equal(&l->at[i], &p->own[i]))
            return false;
    return true;
}

void own_address_refuse(struct policy *p,
                        const struct config_endpoints *reachable,
                        const struct udp *udp, struct log *log)
{
    struct own_list l = {.testing_network = p->testing_network};
    uint16_t port = 0;

    for (unsigned i = 0; i < reachable->count; i++)
        refuse(&l, &reachable->at[i]);
    for (unsigned i = 0; i < udp_socket_count(udp); i++) {
        struct endpoint ep = udp_local(udp, i);

        port = ep.port;
        if (endpoint_is_usable(&ep))
            refuse(&l, &ep);
    }
    refuse_interfaces(&l, port, log);
    if (!is_known(&l, p))
        policy_set_own(p, l.at, l.count);
    if (!networks_are_known(&l, p))
        policy_set_networks(p, l.networks, l.network_count);
}

/* ---- Ourselves ---------------------------------------------------------- */

bool own_address_is(const struct udp *udp, const struct dht_host *dht,
                    const struct endpoint *ep, uint64_t now)
{
    struct dht_status s;

    for (unsigned i = 0; i < udp_socket_count(udp); i++) {
        struct endpoint at = udp_local(udp, i);

        if (endpoint_equal(&at, ep) ||
            (at.family == ep->family && at.port == ep->port &&
             endpoint_is_wildcard(&at) && is_interface(ep)))
            return true;
    }
    dht_status(dht_host_engine(dht), now, &s);
    return s.external_known[ep->family] &&
           endpoint_equal(&s.external[ep->family], ep);
}
