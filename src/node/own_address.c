/* SPDX-License-Identifier: MIT */
#include "node/own_address.h"

#include "node/dht_host.h"
#include "node/sockaddr.h"

#include <errno.h>
#include <ifaddrs.h>
#include <string.h>

static bool is_reachable(const struct config *config, const struct endpoint *ep)
{
    return endpoint_is_usable(ep) &&
           (config->testing_network || endpoint_is_global(ep));
}

static void add(struct config_endpoints *list, const struct endpoint *ep)
{
    for (unsigned i = 0; i < list->count; i++)
        if (endpoint_equal(&list->at[i], ep))
            return;
    if (list->count < DESCRIPTOR_ADDRESSES_MAX)
        list->at[list->count++] = *ep;
}

void own_address_reachable(const struct config *config, const struct udp *udp,
                           const struct dht_host *dht, uint64_t now,
                           struct config_endpoints *out)
{
    bool bound[FAMILIES] = {false};
    struct dht_status s;

    *out = config->tunnel_addresses;
    if (out->count > 0)
        return;
    for (unsigned i = 0; i < udp_socket_count(udp); i++) {
        struct endpoint ep = udp_local(udp, i);

        if (!is_reachable(config, &ep))
            continue;
        bound[ep.family] = true;
        add(out, &ep);
    }
    dht_status(dht_host_engine(dht), now, &s);
    for (int f = 0; f < FAMILIES; f++)
        if (!bound[f] && s.external_known[f] &&
            is_reachable(config, &s.external[f]))
            add(out, &s.external[f]);
}

unsigned own_address_all(const struct udp *udp, struct log *log,
                         struct endpoint *out, unsigned count, unsigned max)
{
    uint16_t port = 0;
    struct ifaddrs *all = NULL;

    for (unsigned i = 0; i < udp_socket_count(udp) && count < max; i++) {
        struct endpoint ep = udp_local(udp, i);

        port = ep.port;
        if (endpoint_is_usable(&ep))
            out[count++] = ep;
    }
    if (getifaddrs(&all) != 0) {
        log_warn(log,
                 "the addresses of this machine cannot be listed (%s): an exit "
                 "may send to some of them",
                 strerror(errno));
        return count;
    }
    for (const struct ifaddrs *a = all; a != NULL && count < max;
         a = a->ifa_next) {
        if (a->ifa_addr == NULL ||
            sockaddr_to_endpoint(a->ifa_addr, &out[count]) != OK)
            continue;
        out[count++].port = port;
    }
    freeifaddrs(all);
    return count;
}
