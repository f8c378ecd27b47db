/* SPDX-License-Identifier: MIT
 *
 * What the parts of libwarren share. The interface is include/warren.h.
 */
#ifndef WARREN_LIB_WARREN_INTERNAL_H
#define WARREN_LIB_WARREN_INTERNAL_H

#include "base/bytes.h"
#include "base/error.h"
#include "base/table/call.h"
#include "lib/lib_error.h"
#include "lib/lib_provider.h"
#include "node/host/node.h"
#include "node/host/tunnel_host.h"
#include "node/log/log.h"
#include "node/os/datadir.h"
#include "warren.h"

#include <sys/queue.h>

struct event;
struct service_destination;
struct warren_service;
struct warren_stream_listen;

struct warren {
    struct warren_options options; /* without the settings */
    struct log *log;
    struct datadir dir;
    bool dir_open;
    struct lib_provider *provider; /* NULL: the built-in DHT */
    struct node *node;
    struct tunnel_listener listener;
    struct calls requests; /* to the DHTs */
    uint64_t last_request; /* number given last */
    struct calls sends;
    TAILQ_HEAD(, warren_service) services; /* registered */
    uint32_t last_service;                 /* number given last */
    TAILQ_HEAD(, warren_stream) streams;
    TAILQ_HEAD(, warren_stream) resumed; /* to be told */
    LIST_HEAD(, warren_stream_listen) listening;
    unsigned inside;     /* functions of the library that the program is in */
    bool ending;         /* warren_free runs */
    struct event *later; /* tells what could not be told out of a function */
};

/* Around whatever may make an engine call back: what it says meanwhile is told
 * out of the loop. */
void warren_enter(struct warren *w);
void warren_leave(struct warren *w);

/* What the tunnels tell, to the program's callbacks. */
void warren_on_tunnel_event(void *arg, const struct member_event *event);

/* warren_dht.c: tells what is kept of the requests; ends each, with
 * WARREN_ERR_CANCELLED unless it has ended by itself. */
bool warren_requests_have_news(struct warren *w);
void warren_requests_tell(struct warren *w);
void warren_requests_end(struct warren *w);
/* warren_send.c: ends each, with WARREN_ERR_CANCELLED. */
void warren_sends_end(struct warren *w);

/* warren_service.c: tells how registrations stood when they were made; ends
 * each, and says that its peers are gone. */
bool warren_services_have_news(const struct warren *w);
void warren_services_tell(struct warren *w);
void warren_services_end(struct warren *w);
/* As warren_tunnel_data, for what service_destination_read takes. */
int warren_service_data(struct warren *w, const struct service_destination *to,
                        struct bytes payload);

/* What an address leads to, reached by whoever has registered it, or (`held`)
 * for the caller, who lets it go: ERR_ADDRESS, errors of service_host_reach. */
enum error warren_service_reach(struct warren *w, struct bytes address,
                                unsigned hops, uint32_t *id, bool *held);
bool warren_service_is_registered(const struct warren *w, uint32_t service);
/* The peer of the engine's service `id`, which the program has been told of
 * when this returns; `key` is where peer->key points to. False: it is nobody's,
 * or was unregistered meanwhile. */
bool warren_service_peer(struct warren *w, uint32_t id, uint64_t peer,
                         struct warren_peer *out, uint8_t key[32]);

/* warren_stream.c: hears of streams of peers; tells those that were resumed;
 * ends each, and says so. */
void warren_streams_begin(struct warren *w);
bool warren_streams_have_news(const struct warren *w);
void warren_streams_tell(struct warren *w);
void warren_streams_end(struct warren *w);
/* The registration ends. */
void warren_streams_unlisten(struct warren *w, uint32_t service);

#endif
