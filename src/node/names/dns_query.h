/* SPDX-License-Identifier: MIT
 *
 * One question to one DNS server, for the addresses of a name or the name of an
 * address: c-ares on a libevent loop. Each question has a socket of its own, so
 * a source port that the kernel chooses, a number from c-ares, and the letters
 * of its name in upper and lower case by chance: an answer that does not repeat
 * all three is not taken. An answer that was cut off is asked for again by TCP.
 */
#ifndef WARREN_NODE_NAMES_DNS_QUERY_H
#define WARREN_NODE_NAMES_DNS_QUERY_H

#include "base/endpoint.h"
#include "base/timestamp.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct event_base;
struct dns_query;

#define DNS_ADDRESSES 16  /* of one name and family; more are left out */
#define DNS_NAME_SIZE 256 /* with the terminator */
/* Of the name of an address: c-ares does not say. */
#define DNS_REVERSE_TTL (5 * TIME_MIN)

/* Where a server is. */
struct dns_place {
    struct endpoint ep;
    unsigned zone; /* of a link-local address: the index of the interface; 0:
                      none */
};

enum dns_result {
    DNS_FOUND,
    DNS_NO_NAME,    /* there is no such name */
    DNS_NO_ADDRESS, /* it has none in these families; an address no name */
    DNS_SILENT,     /* nothing was heard, or nobody is there */
    DNS_FAILED,     /* the server says so: SERVFAIL */
    DNS_REFUSED,    /* or refuses, or cannot do this at all */
    DNS_USELESS     /* what it says is not understood, or memory is out */
};

/* "no name server answers"; of each one that is not DNS_FOUND. */
const char *dns_result_text(enum dns_result result);
/* It says something of the name, so the server is well. */
bool dns_result_is_answer(enum dns_result result);

struct dns_answer {
    enum dns_result result; /* but for DNS_FOUND the rest is empty */
    uint64_t ttl;           /* ns, the shortest */
    size_t count;           /* the families in turn */
    struct endpoint addrs[FAMILIES * DNS_ADDRESSES]; /* the ports are 0 */
    char name[DNS_NAME_SIZE];                        /* of an address */
};

/* From the loop, once, never out of dns_query_new; frees the query. */
typedef void dns_query_fn(void *arg, const struct dns_answer *answer);

/* Asks `server` for the addresses of an absolute name in these families, of
 * which there is at least one, for at most `timeout` ns. NULL: it cannot be
 * asked (no memory, no socket). */
struct dns_query *dns_query_new(struct event_base *base,
                                const struct dns_place *server,
                                const char *name, const bool families[FAMILIES],
                                uint64_t timeout, dns_query_fn *done,
                                void *arg);
/* The same for the name of an address. */
struct dns_query *dns_query_reverse(struct event_base *base,
                                    const struct dns_place *server,
                                    const struct endpoint *address,
                                    uint64_t timeout, dns_query_fn *done,
                                    void *arg);
/* Nobody is told. */
void dns_query_free(struct dns_query *q);

/* The addresses that /etc/hosts has of a name, as DNS_FOUND; else
 * DNS_NO_NAME. */
void dns_look_in_hosts(const char *name, const bool families[FAMILIES],
                       struct dns_answer *out);

#endif
