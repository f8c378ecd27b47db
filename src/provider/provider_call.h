/* SPDX-License-Identifier: MIT
 *
 * A request of the tunnel that a DHT works on, whichever DHT that is: who
 * hears the answers, the list that it is on, and when it is over, which may be
 * before the function that began it has returned.
 */
#ifndef WARREN_PROVIDER_PROVIDER_CALL_H
#define WARREN_PROVIDER_PROVIDER_CALL_H

#include "tunnel/directory/dht_provider.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

/* First member of a struct of the one who answers; made and freed here. */
struct provider_call {
    LIST_ENTRY(provider_call) link;
    void *owner;
    struct dht_provider_handler handler;
    uint64_t id; /* by which the DHT knows it, set before it has started */
    bool starting, ended;
};

LIST_HEAD(provider_calls, provider_call);

/* One of `size` bytes, zero but for this, on the list. NULL: no memory. */
void *provider_call_new(struct provider_calls *calls, size_t size, void *owner,
                        const struct dht_provider_handler *handler);
/* The DHT has taken it, and `*request` is its id, or refused it: then the call
 * is gone. Returns `e`. */
enum error provider_call_started(struct provider_call *call, enum error e,
                                 uint64_t *request);
/* The last answer: tells who asked. The call is gone unless it starts. */
void provider_call_done(struct provider_call *call, enum error e);
/* Takes the one with this id off and frees it. False: there is none. */
bool provider_call_forget(struct provider_calls *calls, uint64_t id);

#endif
