/* SPDX-License-Identifier: MIT
 *
 * A resolver on UDP for programs of this machine: names and addresses are
 * looked up by exits (tunnel/traffic/carrier.h), and never here.
 *
 *     A, AAAA        the addresses of a name, of those asked for at once both
 *     PTR            the name of an address
 *     HTTPS, SVCB    none, so that browsers ask for the addresses
 *     others         NOTIMP: that there were none would be believed, and mail
 *                    sent elsewhere
 *
 * Names that no exit resolves (name.h: .warren, .onion, .local, ...) do not
 * exist, and are asked nobody; localhost is where it always is. An exit's
 * addresses that are not of the Internet are left out, unless those of a test
 * network are wanted: whoever pays for a name must not point it at machines
 * here.
 *
 * That there is no such name is NXDOMAIN, that it has no such address an empty
 * answer, both for DNS_NOTHING_TTL; all else that went wrong is SERVFAIL, which
 * nobody keeps. There is no TCP: no reply is ever cut off (dns_message.h).
 *
 * Equal questions wait for one answer. One that has none in time, or for which
 * there is no room, gets SERVFAIL. Exits that are asked too fast (RATE) are
 * asked again until then, first for the socket that has least under way. Each
 * listener is an isolation key, and has a
 * cache of its own.
 */
#ifndef WARREN_NODE_DNS_DNS_SERVER_H
#define WARREN_NODE_DNS_DNS_SERVER_H

#include "base/endpoint.h"
#include "base/error.h"
#include "base/random_source.h"
#include "base/text.h"

#include <stdbool.h>
#include <stdint.h>

#define DNS_LISTENERS_MAX 16
#define DNS_WAITERS_MAX   16 /* for one answer */
/* s, of what there is not: exits say no more. */
#define DNS_NOTHING_TTL   10
#define DNS_LOCALHOST_TTL 3600

struct carrier;
struct dns_server;
struct event_base;

struct dns_server_config {
    struct dns_listen {
        struct endpoint at;
        unsigned hops;
    } listen[DNS_LISTENERS_MAX];
    unsigned listen_count;
    unsigned max_questions; /* lookups under way, of all listeners */
    unsigned max_source;    /* of one source */
    unsigned max_cached;    /* names and addresses of each listener */
    uint64_t timeout;       /* ns */
    bool local_too;         /* addresses that are not of the Internet */
};

struct dns_server_world {
    struct event_base *base;
    struct random_source random;
    struct carrier *carrier;
    void *arg;
    void (*rearm)(void *arg); /* something was done with the carrier */
};

struct dns_server_counters {
    uint64_t questions;
    uint64_t senseless;              /* dropped, or answered as such */
    uint64_t cached;                 /* answered at once */
    uint64_t joined;                 /* waited for the answer to an equal one */
    uint64_t lookups;                /* that exits were asked for */
    uint64_t found, missing, failed; /* what became of those */
    uint64_t crowded;                /* no room for one more */
};

/* Listens at all of them, or at none: ERR_IN_USE, ERR_IO, with a sentence in
 * `why`; ERR_NO_MEMORY. */
enum error dns_server_new(const struct dns_server_world *world,
                          const struct dns_server_config *config,
                          struct dns_server **out, struct text *why);
/* Nobody who waits is answered. */
void dns_server_free(struct dns_server *s);

/* Where listener `i` is, with the port that it has. */
const struct endpoint *dns_server_at(const struct dns_server *s, unsigned i);
unsigned dns_server_lookups(const struct dns_server *s); /* under way */
const struct dns_server_counters *
dns_server_counters(const struct dns_server *s);

#endif
