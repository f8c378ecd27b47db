/* SPDX-License-Identifier: MIT
 *
 * What the parts of libwarren share. The interface is include/warren.h.
 */
#ifndef WARREN_LIB_WARREN_INTERNAL_H
#define WARREN_LIB_WARREN_INTERNAL_H

#include "base/error.h"
#include "lib/lib_error.h"
#include "lib/lib_provider.h"
#include "node/host/node.h"
#include "node/host/tunnel_host.h"
#include "node/os/datadir.h"
#include "node/os/log.h"
#include "warren.h"

#include <sys/queue.h>

struct warren_request; /* of the DHT */
LIST_HEAD(warren_requests, warren_request);

struct warren {
    struct warren_options options; /* without the settings */
    struct log *log;
    struct datadir dir;
    bool dir_open;
    struct lib_provider *provider; /* NULL: the built-in DHT */
    struct node *node;
    struct tunnel_listener listener;
    struct warren_requests requests;
};

/* What the tunnels tell, to the program's callbacks. */
void warren_on_tunnel_event(void *arg, const struct tunnel_event *event);

/* Ends every request with ERR_CANCELLED. */
void warren_requests_end(struct warren *w);

#endif
