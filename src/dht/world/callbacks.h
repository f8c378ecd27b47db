/* SPDX-License-Identifier: MIT
 *
 * What is to be told to the world: events, and what the handlers of requests
 * hear. It waits in one queue until the outermost call of the interface has
 * done its work (dht_leave). So no handler runs inside the engine, and what it
 * calls finds everything in order.
 *
 * Entries are copies, of different lengths, in one buffer that grows when it
 * has to, and is there only while something waits or was promised. Without
 * memory an entry is lost, except for the `done` of a request: room for that is
 * promised when the request begins.
 */
#ifndef WARREN_DHT_WORLD_CALLBACKS_H
#define WARREN_DHT_WORLD_CALLBACKS_H

#include "dht/types/dht_env.h"
#include "dht/types/dht_request.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Who has made a request and what is called about it. All zero: nobody. */
struct caller {
    dht_request request;
    struct dht_handler handler;
    void (*samples)(void *ctx, const struct dht_samples *);
    void (*answer)(void *ctx, const struct dht_answer *);
    bool promised; /* `done` is still to be told */
};

struct callbacks {
    uint8_t *bytes;
    size_t cap;
    size_t begin, end; /* of the entries */
    unsigned waiting;  /* entries */
    unsigned promised; /* callers with `promised` */
};

void callbacks_init(struct callbacks *c);
void callbacks_deinit(struct callbacks *c);

/* To be called when a request begins. ERR_NO_MEMORY. */
enum error callbacks_promise(struct callbacks *c, struct caller *caller);
/* It is not to be called any more, neither about what waits already. */
void callbacks_forget(struct callbacks *c, struct caller *caller);
/* The same by name, for a request that has ended. */
void callbacks_forget_request(struct callbacks *c, dht_request request);

void callbacks_event(struct callbacks *c, const struct dht_event *event);
void callbacks_peer(struct callbacks *c, const struct caller *caller,
                    const struct endpoint *peer, const struct dht_step *step);
void callbacks_item(struct callbacks *c, const struct caller *caller,
                    const struct dht_item *item, const struct dht_step *step);
void callbacks_step(struct callbacks *c, const struct caller *caller,
                    const struct dht_step *step);
void callbacks_samples(struct callbacks *c, const struct caller *caller,
                       const struct dht_samples *samples);
void callbacks_answer(struct callbacks *c, const struct caller *caller,
                      const struct dht_answer *answer);
/* The last one; without effect when it was told or the caller forgotten. */
void callbacks_done(struct callbacks *c, struct caller *caller,
                    const struct dht_result *result);

/* Calls about all that waits now, in order. What is added meanwhile stays for
 * the next time: handlers that always have something new end nevertheless.
 * Ends early when `*stop` gets true. False when there was nothing. */
bool callbacks_run(struct callbacks *c, const struct dht_env *env,
                   const bool *stop);

#endif
