/* SPDX-License-Identifier: MIT
 *
 * What /etc/resolv.conf says (resolv.conf(5)), as far as we ask for it: name
 * servers, search domains and ndots. A server may have a link-local address
 * with a zone (fe80::1%eth0), if there is such an interface.
 */
#ifndef WARREN_NODE_NAMES_RESOLV_CONF_H
#define WARREN_NODE_NAMES_RESOLV_CONF_H

#include "node/names/dns_query.h"

#include <stdbool.h>

#define RESOLV_CONF_PATH     "/etc/resolv.conf"
#define RESOLV_SERVERS_MAX   8
#define RESOLV_DOMAINS_MAX   8
#define RESOLV_DOMAIN_SIZE   256
#define RESOLV_NDOTS_DEFAULT 1
#define RESOLV_NDOTS_MAX     15

struct resolv_conf {
    unsigned server_count;
    struct dns_place servers[RESOLV_SERVERS_MAX]; /* port 53 */
    /* It names no server, or cannot be read: the one server is on this
     * machine, as all resolvers take it. */
    bool assumed;
    bool passed_over; /* something that is named there cannot be asked */
    unsigned domain_count;
    char domains[RESOLV_DOMAINS_MAX][RESOLV_DOMAIN_SIZE];
    unsigned ndots;
};

void resolv_conf_read(const char *path, struct resolv_conf *out);

/* Why the server that was assumed is no help, for people. */
const char *resolv_conf_why_assumed(const struct resolv_conf *c);

#endif
