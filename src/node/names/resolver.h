/* SPDX-License-Identifier: MIT
 *
 * The addresses of names, and the names of addresses, from several DNS servers.
 *
 * A server that is silent costs RESOLVER_TIMEOUT, and then the next one is
 * asked. It is asked last from then on, but for one question in
 * RESOLVER_RETRY, until it answers. When none has answered, those that were
 * silent are asked once more, for twice as long. That a name stays without an
 * answer is not held against a server that has answered another one meanwhile:
 * so nobody who owns a silent zone makes good servers look dead.
 */
#ifndef WARREN_NODE_NAMES_RESOLVER_H
#define WARREN_NODE_NAMES_RESOLVER_H

#include "base/endpoint.h"
#include "base/timestamp.h"
#include "node/names/dns_query.h"
#include "node/names/resolv_conf.h"

#include <stdbool.h>

#define RESOLVER_SERVERS_MAX 32
#define RESOLVER_TIMEOUT     (2 * TIME_S)
#define RESOLVER_RETRY       TIME_MIN

struct event_base;
struct resolver;
struct resolution; /* a name under way */

/* Without servers. NULL: memory is out. */
struct resolver *resolver_new(struct event_base *base);
/* What is under way is told to nobody. */
void resolver_free(struct resolver *r);

/* In the order in which they are asked, at most RESOLVER_SERVERS_MAX; more are
 * left out. What is under way begins anew with them. */
void resolver_set_servers(struct resolver *r, const struct dns_place *servers,
                          unsigned count);
unsigned resolver_server_count(const struct resolver *r);

/* Asks the DNS for the addresses of an absolute name in these families.
 * `done` is called from the loop, once, when the resolution is over and gone.
 * NULL: memory is out. */
struct resolution *resolver_ask(struct resolver *r, const char *name,
                                const bool families[FAMILIES],
                                dns_query_fn *done, void *arg);

/* Likewise for the name of an address. */
struct resolution *resolver_ask_reverse(struct resolver *r,
                                        const struct endpoint *address,
                                        dns_query_fn *done, void *arg);

/* As resolver_ask, as programs of this machine look a name up: first in the
 * hosts file, then with the search domains of `conf`. */
struct resolution *resolver_ask_as_local(struct resolver *r,
                                         const struct resolv_conf *conf,
                                         const char *name,
                                         const bool families[FAMILIES],
                                         dns_query_fn *done, void *arg);

/* Nobody is told. */
void resolver_cancel(struct resolution *x);

#endif
