/* SPDX-License-Identifier: MIT
 *
 * A request of the tunnel that a DHT works on, whichever DHT that is: who
 * hears the answers, on top of a struct call.
 */
#ifndef WARREN_PROVIDER_PROVIDER_CALL_H
#define WARREN_PROVIDER_PROVIDER_CALL_H

#include "base/table/call.h"
#include "tunnel/directory/dht_provider.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* First member of a struct of the one who answers. */
struct provider_call {
    struct call under_way; /* its id is the DHT's, set before it has started */
    struct calls *calls;
    void *owner;
    struct dht_provider_handler handler;
};

/* One of `size` bytes, zero but for this, on the list. NULL: no memory. */
void *provider_call_new(struct calls *calls, size_t size, void *owner,
                        const struct dht_provider_handler *handler);
/* The DHT has taken it, and `*request` is its id, or refused it: then the call
 * is gone. Returns `e`. */
enum error provider_call_started(struct provider_call *call, enum error e,
                                 uint64_t *request);
/* The last answer: tells who asked. The call is gone unless it starts. */
void provider_call_done(struct provider_call *call, enum error e);
/* Takes the one with this id off and frees it. False: there is none. */
bool provider_call_forget(struct calls *calls, uint64_t id);

#endif
