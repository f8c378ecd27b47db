/* SPDX-License-Identifier: MIT
 *
 * A DHT node, put together from its parts. Private to this folder and to
 * tests; each part knows only those above it in the list, by pointers that
 * dht_new sets. What goes the other way is a callback: contacts_watch (to
 * maintain), contacts.moved (to publications), query_owner, lookup_client.
 */
#ifndef WARREN_DHT_DHT_PARTS_H
#define WARREN_DHT_DHT_PARTS_H

#include "dht/answer/service.h"
#include "dht/contacts/contacts.h"
#include "dht/dht.h"
#include "dht/join/maintain.h"
#include "dht/lookup/lookup.h"
#include "dht/publish/publish.h"
#include "dht/query/query.h"
#include "dht/world/world.h"

#include <stdbool.h>

/* A request that runs: request.c, ask.c. */
struct lookup_request;
struct ask_request;

/* In an order in which what each message and each look for the next deadline
 * touches lies close together: of 100,000 nodes in one process none is in the
 * processor's cache. */
struct dht {
    struct lookup_request *requests;
    unsigned request_count; /* which max_lookups bounds */
    struct ask_request *asks;
    unsigned ask_count; /* which max_pending bounds */
    unsigned depth;     /* calls of the interface that run, nested */
    bool doomed;        /* dht_free was called by a callback */
    struct dht_world world;
    struct queries queries;           /* what we ask */
    struct lookups lookups;           /* searches made of queries */
    struct publications publications; /* of our own */
    struct maintain maintain;         /* of the contacts */
    struct contacts contacts;         /* whom we know, who we are */
    struct dht_service service;       /* what others get from us */
};

/* Around whatever a function of the interface does. The outermost dht_leave
 * frees what has ended, then tells the world what happened, and may free the
 * node: nothing is touched after it. */
void dht_enter(struct dht *d, uint64_t now);
void dht_leave(struct dht *d);

/* Forgets all requests. */
void requests_free(struct dht *d);
/* The same for those of dht_ask, all of them or this one, if it is of them. */
void asks_free(struct dht *d);
void ask_cancel(struct dht *d, dht_request request);

/* ERR_ADDRESS: nothing can be sent there. */
enum error dht_check_endpoint(const struct dht *d, const struct endpoint *ep);

#endif
